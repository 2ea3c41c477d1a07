// Command headrace is a live-streaming server: RTMP in, Low-Latency HLS out.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/headrace/headrace/internal/config"
	"github.com/headrace/headrace/internal/metrics"
	"github.com/headrace/headrace/internal/node"
)

type cli struct {
	Config string   `short:"c" placeholder:"FILE" help:"Configuration file (YAML); docs/configuration.md lists the settings." type:"path"`
	Set    []string `placeholder:"SECTION.KEY=VALUE" sep:"none" help:"Set one setting; overrides the file and the environment (HEADRACE_SECTION_KEY), where secrets belong: a command line is read by others."`

	Serve   struct{} `cmd:"" default:"1" help:"Run the server."`
	Demo    struct{} `cmd:"" help:"Run the server and push a generated test programme into it."`
	Check   struct{} `cmd:"" help:"Check the configuration and the machine, and say what to mend."`
	Version struct{} `cmd:"" help:"Print the version."`
}

func main() {
	var c cli
	command := kong.Parse(&c, kong.Name("headrace"), kong.Description("Live-streaming infrastructure: RTMP in, Low-Latency HLS out."), kong.UsageOnError())
	if err := run(command.Command(), c); err != nil {
		fmt.Fprintln(os.Stderr, "headrace:", err)
		os.Exit(1)
	}
}

func run(command string, c cli) error {
	if command == "version" {
		version, revision := metrics.Build()
		fmt.Printf("headrace %s (%s)\n", version, revision)
		return nil
	}
	cfg, err := config.Load(c.Config, os.Environ(), c.Set)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if command == "check" {
		return node.Check(ctx, cfg, os.Stdout)
	}
	log, err := logger(cfg)
	if err != nil {
		return err
	}
	for _, name := range config.UnknownEnv(os.Environ()) {
		log.Warn("environment variable is no setting", "name", name)
	}
	n, err := node.New(cfg, log)
	if err != nil {
		return err
	}
	if command == "demo" {
		return n.RunDemo(ctx, os.Stdout)
	}
	n.Banner(os.Stdout)
	return n.Run(ctx)
}

func logger(cfg config.Config) (*slog.Logger, error) {
	level, err := cfg.LogLevel()
	if err != nil {
		return nil, err
	}
	o := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o)), nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o)), nil
}
