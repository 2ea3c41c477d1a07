// Command bench measures what the server costs: it builds the real binary, runs it on
// the loopback interface, loads it from separate processes and prints a Markdown report
// with the conditions it was taken under. docs/benchmarks.md says how to read it.
//
// The cost is always the server's own CPU time (user and system), which other work on
// the machine hardly changes. Delays are what they are on a busy machine: the report
// says how busy it was.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// timeLimit bounds a run whatever happens, so that no server is left behind.
const timeLimit = 10 * time.Minute

// A section is one kind of work and its table.
type section struct {
	name string
	run  func(context.Context, *rig) (table, error)
}

var sections = []section{
	{"ingest", measureIngest},
	{"part", measureParts},
	{"objects", measureObjects},
	{"viewers", measureViewers},
	{"rtmp", measureFanout},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == workerArg {
		os.Exit(workerMain())
	}
	if len(os.Args) > 2 && os.Args[1] == profiledArg {
		if err := profiledMain(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench: profiled server:", err)
			os.Exit(1)
		}
		return
	}
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	only := flag.String("only", "", "comma-separated sections to run: "+strings.Join(names, ", "))
	short := flag.Bool("short", false, "smaller loads over shorter times: a smoke test, not figures")
	out := flag.String("o", "", "write the report to this file as well")
	profile := flag.String("cpuprofile", "", "profile the servers into this file with a number appended for each server; figures are a little worse then")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	report, err := run(ctx, *only, *short, *profile)
	fmt.Print(report)
	if *out != "" && err == nil {
		err = os.WriteFile(*out, []byte(report), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run returns the report, as far as it got.
func run(ctx context.Context, only string, short bool, profile string) (string, error) {
	var wanted []section
	for _, s := range sections {
		if only == "" || slices.Contains(strings.Split(only, ","), s.name) {
			wanted = append(wanted, s)
		}
	}
	if len(wanted) == 0 {
		return "", fmt.Errorf("-only %s: no such section", only)
	}
	r, err := newRig(ctx, short, profile)
	if err != nil {
		return "", err
	}
	defer r.close()
	begun := time.Now()
	b := &strings.Builder{}
	fmt.Fprintf(b, "# Headrace benchmark\n\n%s\n", conditions(ctx, r))
	var errs []error
	for _, s := range wanted {
		progress("section %s", s.name)
		t, err := s.run(ctx, r)
		t.write(b)
		if err != nil {
			fmt.Fprintf(b, "Not finished: %v\n\n", err)
			errs = append(errs, fmt.Errorf("section %s: %w", s.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Fprintf(b, "Took %v; load average afterwards %s.\n", time.Since(begun).Round(time.Second), loadAverage())
	return b.String(), errors.Join(errs...)
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05")}, args...)...)
}
