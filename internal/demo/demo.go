// Package demo makes the test programme of `headrace demo`: a calm moving picture with
// a clock that people and programs can read, and a tone. An ffmpeg process generates
// and encodes it in real time; its FLV is handed to a function that publishes it.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"time"
)

// The defaults of Options: what a small real broadcast looks like.
const (
	DefaultWidth  = 1280 // pixels
	DefaultHeight = 720  // pixels
	DefaultRate   = 30   // frames a second
)

const (
	minDelay = time.Second      // before the first restart
	maxDelay = 10 * time.Second // between restarts, however many failed

	// steady is how long an attempt must live for the next delay to be the least again.
	steady = 30 * time.Second

	// grace is what ffmpeg gets to exit by itself once its output is closed.
	grace = 2 * time.Second
)

// Options says what to generate and where it goes.
type Options struct {
	FFmpeg string // path of the program; empty: looked up in PATH

	Width, Height int // pixels, even; 0: the default
	Rate          int // frames a second; 0: the default

	Logger *slog.Logger

	// Push publishes one FLV stream, read from flv until its end, and returns. It is
	// called once per ffmpeg process, never twice at a time, and must return soon after
	// ctx ends. If it returns before the end of flv, that ffmpeg is stopped.
	Push func(ctx context.Context, flv io.Reader) error
}

// Run generates the programme until ctx ends, and then returns nil, with no process
// left. It starts ffmpeg again, after 1 to 10 s, when it or Push fails. An error means
// that it cannot work at all: there is no ffmpeg, or the options are wrong.
func Run(ctx context.Context, o Options) error {
	o.Width, o.Height, o.Rate = cmp.Or(o.Width, DefaultWidth), cmp.Or(o.Height, DefaultHeight), cmp.Or(o.Rate, DefaultRate)
	if o.Width < 160 || o.Height < 90 || o.Width%2 != 0 || o.Height%2 != 0 || o.Rate < 1 || o.Rate > 120 {
		return fmt.Errorf("test programme of %dx%d at %d frames a second: too small, odd or too fast", o.Width, o.Height, o.Rate)
	}
	path, err := exec.LookPath(cmp.Or(o.FFmpeg, "ffmpeg"))
	if err != nil {
		return fmt.Errorf("the test programme needs ffmpeg: %w", err)
	}
	args := arguments(o.Width, o.Height, o.Rate, findFont())
	for delay := time.Duration(0); ; {
		started := time.Now()
		lines, err := attempt(ctx, path, args, o.Push)
		if ctx.Err() != nil {
			return nil
		}
		delay = nextDelay(delay, time.Since(started))
		o.Logger.Warn("test programme ended; it starts again", "err", err, "after", delay, "ffmpeg", lines)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
	}
}

// attempt runs one ffmpeg into one push. It returns, with what ffmpeg last said on
// standard error, when both have ended.
func attempt(ctx context.Context, path string, args []string, push func(context.Context, io.Reader) error) (lines []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = grace
	var said tail
	cmd.Stderr = &said
	flv, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pushErr := push(ctx, flv)
	flv.Close() // an ffmpeg that still writes gets EPIPE
	if pushErr != nil {
		cancel()
	}
	defer time.AfterFunc(grace, cancel).Stop()
	exit := cmd.Wait()
	switch {
	case pushErr != nil:
		return said.lines(), fmt.Errorf("push: %w", pushErr)
	case exit != nil:
		return said.lines(), fmt.Errorf("ffmpeg: %w", exit)
	default:
		return said.lines(), errors.New("ffmpeg ended by itself")
	}
}

// nextDelay returns how long to wait after an attempt that lived so long, last being
// the wait before it: 1, 2, 4, 8, 10, 10 s, and from the start after a steady one.
func nextDelay(last, lived time.Duration) time.Duration {
	if lived >= steady {
		last = 0
	}
	return min(max(2*last, minDelay), maxDelay)
}
