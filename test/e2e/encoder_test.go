package e2e

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// An encoder publishes a clip over and over, always with timestamps from zero, as one
// does that is restarted, loses its network, or outlives its server.
type encoder struct {
	t    *testing.T
	url  string
	tags []tag

	frames atomic.Int64 // of video handed to the server
}

// session connects, tries again until the server lets it in, and sends for d. Then it
// drops the connection without goodbye. It returns early when the server goes away.
func (e *encoder) session(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for ctx.Err() == nil {
		c, err := dial(ctx, e.url)
		if err != nil {
			pause(ctx, 100*time.Millisecond)
			continue
		}
		_ = c.play(ctx, e.tags, func(g *tag) bool { // a server that goes away is what some tests are about
			if g.kind == flvVideo && !g.config() {
				e.frames.Add(1)
			}
			return true
		})
		c.close()
		return
	}
}

// background runs f until it is stopped, or the test ends.
func (e *encoder) background(f func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	e.t.Cleanup(stop)
	return stop
}
