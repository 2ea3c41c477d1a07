package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/headrace/headrace/internal/config"
	"github.com/headrace/headrace/internal/node"
)

// profiledArg makes this program a server that profiles itself: its arguments are the
// file for the CPU profile, then settings ("section.key=value"). The product has no
// profiling endpoint, so -cpuprofile tests this instead of the binary.
const profiledArg = "-profiled-server"

func profiledMain(path string, settings []string) error {
	cfg, err := config.Load("", os.Environ(), settings)
	if err != nil {
		return err
	}
	n, err := node.New(cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return fmt.Errorf("start the CPU profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return n.Run(ctx)
}
