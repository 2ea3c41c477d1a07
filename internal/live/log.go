// Package live is the spine: logs that one writer appends to and any number of
// readers follow at their own pace, and the streams of this node made of them.
//
// The policy of loss stands in docs/adr/0002: a reader never slows the writer, a
// reader that falls behind is told so and goes on at the newest sync entry, and
// what is in a log is immutable and owned by the collector.
package live

import (
	"context"
	"errors"
	"io"
	"sync"
)

// ErrLagged is what a reader gets when entries it had not read have left the log.
// It already stands on the newest sync entry: the next read goes on there.
var ErrLagged = errors.New("live: reader lagged behind the log")

// Seq numbers the entries of a log, from 0, without holes.
type Seq uint64

// Item is what a log can hold.
type Item interface {
	Size() int  // bytes of media that the entry keeps alive
	Sync() bool // a reader may start here
}

// Log is an append-only sequence with one writer and any number of readers. It is
// bounded: Append lets the oldest entries go beyond the byte limit, Trim those that
// the writer no longer needs to keep. Entries are immutable.
type Log[T Item] struct {
	maxBytes int
	own      bell
	streamUp *bell  // rung as well, for readers of several logs; may be nil
	clock    *clock // orders the entries over the logs of a stream; may be nil
	gate     gate[T]

	mu      sync.Mutex // guards all below; a leaf
	slots   []slot[T]  // the kept entries are slots[head:]
	head    int
	first   Seq // of slots[head]
	sync    Seq // newest sync entry; valid if hasSync
	hasSync bool
	bytes   int
	closed  error
}

type slot[T Item] struct {
	v     T
	order uint64
}

// NewLog returns an empty log that keeps at most maxBytes of media. The newest
// sync entry and what follows it are kept even beyond that, up to twice maxBytes.
func NewLog[T Item](maxBytes int) *Log[T] {
	return &Log[T]{maxBytes: maxBytes}
}

// Append adds v at the end and wakes the waiting readers. Only the log's one
// writer calls it. The log keeps v and hands it to every reader: the caller must
// not change anything v refers to afterwards. On a closed log it does nothing.
func (l *Log[T]) Append(v T) Seq {
	l.mu.Lock()
	seq := l.first + Seq(len(l.slots)-l.head)
	if l.closed != nil {
		l.mu.Unlock()
		return seq
	}
	l.slots = append(l.slots, slot[T]{v: v, order: l.clock.next()})
	l.bytes += v.Size()
	if v.Sync() {
		l.sync, l.hasSync = seq, true
	}
	for l.bytes > l.maxBytes && l.head < len(l.slots)-1 {
		if l.hasSync && l.first >= l.sync && l.bytes <= 2*l.maxBytes {
			break
		}
		l.dropFirst()
	}
	l.mu.Unlock()
	l.own.ring()
	l.streamUp.ring()
	l.gate.pass(v)
	return seq
}

// Trim lets go of the entries before seq. Only the writer calls it.
func (l *Log[T]) Trim(before Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.head < len(l.slots) && l.first < before {
		l.dropFirst()
	}
}

// dropFirst lets go of the oldest entry. l.mu is held.
func (l *Log[T]) dropFirst() {
	l.bytes -= l.slots[l.head].v.Size()
	l.slots[l.head] = slot[T]{} // the collector may have it
	l.head++
	l.first++
	if l.head > len(l.slots)/2 && l.head > 64 {
		n := copy(l.slots, l.slots[l.head:])
		clear(l.slots[n:])
		l.slots, l.head = l.slots[:n], 0
	}
}

// Close ends the log: readers get err after the last entry, io.EOF if err is nil.
// Further calls do nothing.
func (l *Log[T]) Close(err error) {
	if err == nil {
		err = io.EOF
	}
	l.mu.Lock()
	if l.closed == nil {
		l.closed = err
	}
	l.mu.Unlock()
	l.own.ring()
	l.streamUp.ring()
	l.gate.ring()
}

// Bounds returns the oldest kept entry's number and the one the next entry gets.
func (l *Log[T]) Bounds() (first, end Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.first + Seq(len(l.slots)-l.head)
}

// Bytes returns the media that the log keeps alive now.
func (l *Log[T]) Bytes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// Oldest returns a reader that starts at the oldest kept entry.
func (l *Log[T]) Oldest() *Reader[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Reader[T]{log: l, next: l.first}
}

// Newest returns a reader that starts at the newest sync entry, or, when there is
// none, at the next entry to come.
func (l *Log[T]) Newest() *Reader[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Reader[T]{log: l, next: l.newestSync()}
}

// newestSync returns where a reader starts over. l.mu is held.
func (l *Log[T]) newestSync() Seq {
	if l.hasSync && l.sync >= l.first {
		return l.sync
	}
	return l.first + Seq(len(l.slots)-l.head)
}

// Reader is a position in a log. It belongs to one goroutine.
type Reader[T Item] struct {
	log  *Log[T]
	next Seq
}

// Next returns the next entry, waiting for it if need be. Errors: ErrLagged (go on
// reading), what the log was closed with (io.EOF for an orderly end), ctx's.
func (r *Reader[T]) Next(ctx context.Context) (T, error) {
	var one [1]T
	_, err := r.Read(ctx, one[:])
	return one[0], err
}

// Read fills dst with the entries at hand and returns how many those are; it waits
// only while there is none. Errors are those of Next; n is 0 with any of them.
func (r *Reader[T]) Read(ctx context.Context, dst []T) (n int, err error) {
	for {
		n, up, err := r.poll(dst)
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

// poll is Read without the wait: with no entry at hand it returns the channel that
// is closed by the next change.
func (r *Reader[T]) poll(dst []T) (n int, up <-chan struct{}, err error) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.next < l.first {
		r.next = l.newestSync()
		return 0, nil, ErrLagged
	}
	for i := l.head + int(r.next-l.first); i < len(l.slots) && n < len(dst); i++ {
		dst[n] = l.slots[i].v
		n++
	}
	if n > 0 {
		r.next += Seq(n)
		return n, nil, nil
	}
	if l.closed != nil {
		return 0, nil, l.closed
	}
	return 0, l.own.up(), nil
}

// Seq returns the number of the entry that the next read begins with.
func (r *Reader[T]) Seq() Seq { return r.next }
