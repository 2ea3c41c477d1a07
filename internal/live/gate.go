package live

import (
	"context"
	"sync/atomic"
)

// maxGathered is how many entries a reader at the gate lets gather at most: one that
// waits for what does not come falls behind by no more.
const maxGathered = 64

// gate is the bell of the one reader of a log that need not see every entry at once: it
// rings for those that the reader waits for. Waking it costs more than most entries do.
type gate[T any] struct {
	bell
	want     atomic.Pointer[func(T) bool]
	gathered atomic.Int32 // entries since it rang
}

// pass rings if v is waited for. Only the log's writer calls it, without a lock.
func (g *gate[T]) pass(v T) {
	want := g.want.Load()
	if want == nil || !(*want)(v) && g.gathered.Add(1) < maxGathered {
		return
	}
	g.ring()
}

// ReadWhen is Read for a reader that has time: while there is nothing at hand it waits
// until an entry comes that want holds for, or many have gathered, or the log is closed.
// want is called on the writer's goroutine and must be pure. A log has one such reader.
func (r *Reader[T]) ReadWhen(ctx context.Context, dst []T, want func(T) bool) (n int, err error) {
	g := &r.log.gate
	g.want.Store(&want)
	g.gathered.Store(0)
	for {
		up := g.up() // before the look: what comes after it rings
		n, _, err := r.poll(dst)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-up:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}
