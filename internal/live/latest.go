package live

import (
	"context"
	"sync/atomic"
)

// Latest holds the newest version of an immutable value: one writer sets it, any
// number of goroutines load it or wait for a version that suits them. The zero
// Latest holds the zero T.
type Latest[T any] struct {
	v    atomic.Pointer[T]
	bell bell
}

// Set replaces the value and wakes all waiters. Nobody changes v afterwards.
func (l *Latest[T]) Set(v T) {
	l.v.Store(&v)
	l.bell.ring()
}

// Load returns the value as it is now.
func (l *Latest[T]) Load() T {
	if p := l.v.Load(); p != nil {
		return *p
	}
	var zero T
	return zero
}

// Wait returns the first version, from now on, that ok holds for. ok is called on
// the caller's goroutine, once for each version seen; versions may be skipped. The
// error is ctx's, with the value as it was then.
func (l *Latest[T]) Wait(ctx context.Context, ok func(T) bool) (T, error) {
	if v := l.Load(); ok(v) {
		return v, nil
	}
	for {
		up := l.bell.up()
		if v := l.Load(); ok(v) { // set between the first look and up
			return v, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return l.Load(), context.Cause(ctx)
		}
	}
}
