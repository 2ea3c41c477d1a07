package live

import (
	"sync"
	"sync/atomic"
)

// bell wakes everyone who waits, at once, and costs next to nothing while nobody does.
type bell struct {
	mu sync.Mutex // guards ch; a leaf
	ch chan struct{}
}

// up returns a channel that the next ring closes.
func (b *bell) up() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

// ring wakes the waiters. On a nil bell it does nothing.
func (b *bell) ring() {
	if b == nil {
		return
	}
	b.mu.Lock()
	ch := b.ch
	b.ch = nil
	b.mu.Unlock()
	if ch != nil {
		close(ch)
	}
}

// clock numbers entries over several logs.
type clock struct{ n atomic.Uint64 }

func (c *clock) next() uint64 {
	if c == nil {
		return 0
	}
	return c.n.Add(1)
}
