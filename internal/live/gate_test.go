package live

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
)

// gathering starts a reader that waits for an entry of n bytes or more and sends what
// each read brings.
func gathering(ctx context.Context, l *Log[item], n int) <-chan []item {
	reads := make(chan []item, 16)
	go func() {
		defer close(reads)
		r := l.Oldest()
		for {
			var buf [2 * maxGathered]item
			got, err := r.ReadWhen(ctx, buf[:], func(i item) bool { return i.size >= n })
			if err != nil {
				return
			}
			reads <- buf[:got]
		}
	}()
	return reads
}

func TestReadWhenSleepsThroughWhatItDoesNotWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l := NewLog[item](1 << 20)
		reads := gathering(ctx, l, 10)
		synctest.Wait()
		for range 5 {
			l.Append(item{size: 1})
			synctest.Wait()
			if len(reads) != 0 {
				t.Fatal("woken by an entry that it does not wait for")
			}
		}
		l.Append(item{size: 10})
		synctest.Wait()
		if got := len(<-reads); got != 6 {
			t.Errorf("read %d entries, want all 6", got)
		}
		for range maxGathered {
			l.Append(item{size: 1})
			synctest.Wait()
		}
		if len(reads) != 1 {
			t.Fatalf("%d reads after %d entries, want 1", len(reads), maxGathered)
		}
		if got := len(<-reads); got != maxGathered {
			t.Errorf("read %d entries, want %d", got, maxGathered)
		}
		l.Append(item{size: 1})
		l.Close(nil)
		synctest.Wait()
		if got := len(<-reads); got != 1 {
			t.Errorf("read %d entries at the end, want 1", got)
		}
		if _, open := <-reads; open {
			t.Error("the reader goes on after the end")
		}
	})
}

func TestReadWhenMissesNothingBetweenLookAndWait(t *testing.T) {
	const entries = 20_000
	l := NewLog[item](1 << 30)
	go func() {
		for i := range entries {
			l.Append(item{size: 1 + i%7})
		}
		l.Close(nil)
	}()
	r, seen := l.Oldest(), 0
	for {
		var buf [5]item
		n, err := r.ReadWhen(t.Context(), buf[:], func(i item) bool { return i.size == 7 })
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range buf[:n] {
			if want := 1 + seen%7; i.size != want {
				t.Fatalf("entry %d: got size %d, want %d", seen, i.size, want)
			}
			seen++
		}
	}
	if seen != entries {
		t.Errorf("read %d entries, want %d", seen, entries)
	}
}
