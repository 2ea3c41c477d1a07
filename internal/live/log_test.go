package live

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// item is an entry of a test log.
type item struct {
	n    int
	size int
	sync bool
}

func (i item) Size() int  { return i.size }
func (i item) Sync() bool { return i.sync }

func TestReadersAtAnyPaceSeeOneSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLog[item](rapid.IntRange(1, 50).Draw(t, "maxBytes"))
		readers := []*Reader[item]{l.Oldest(), l.Newest(), l.Oldest()}
		next := make([]int, len(readers)) // the number each expects; -1: any sync entry, it lagged
		written := 0
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // reads never wait
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				seq := l.Append(item{n: written, size: rapid.IntRange(0, 20).Draw(t, "size"), sync: rapid.Bool().Draw(t, "sync")})
				if int(seq) != written {
					t.Fatalf("entry %d got number %d", written, seq)
				}
				written++
			},
			"read": func(t *rapid.T) {
				i := rapid.IntRange(0, len(readers)-1).Draw(t, "reader")
				dst := make([]item, rapid.IntRange(1, 5).Draw(t, "n"))
				n, err := readers[i].Read(ctx, dst)
				switch {
				case errors.Is(err, ErrLagged):
					next[i] = -1
				case err != nil && !errors.Is(err, context.Canceled):
					t.Fatal(err)
				case err == nil && n == 0:
					t.Fatal("read nothing without an error")
				}
				for _, v := range dst[:n] {
					if next[i] >= 0 && v.n != next[i] {
						t.Fatalf("reader %d got entry %d, want %d", i, v.n, next[i])
					}
					next[i] = v.n + 1
				}
			},
			"trim": func(t *rapid.T) {
				first, end := l.Bounds()
				l.Trim(first + Seq(rapid.IntRange(0, int(end-first)).Draw(t, "n")))
			},
			"": func(t *rapid.T) {
				first, end := l.Bounds()
				if int(end) != written || first > end {
					t.Fatalf("bounds %d, %d after %d entries", first, end, written)
				}
			},
		})
	})
}

func TestLaggedReaderGoesOnAtNewestSync(t *testing.T) {
	l := NewLog[item](10)
	r := l.Oldest()
	for i := range 20 {
		l.Append(item{n: i, size: 1, sync: i%6 == 0})
	}
	if _, err := r.Next(t.Context()); !errors.Is(err, ErrLagged) {
		t.Fatalf("err = %v, want ErrLagged", err)
	}
	if v, err := r.Next(t.Context()); err != nil || v.n != 18 {
		t.Fatalf("after lagging got %d, %v; want the sync entry 18", v.n, err)
	}
}

func TestLogIsBounded(t *testing.T) {
	l := NewLog[item](100)
	l.Append(item{size: 10, sync: true})
	for range 1000 { // no sync entry for a long time
		l.Append(item{size: 10})
	}
	if got := l.Bytes(); got > 200 {
		t.Errorf("log of at most 100 bytes keeps %d", got)
	}
}

func TestWaitingReaderWakesAndObeysContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLog[item](100)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if v, err := l.Oldest().Next(t.Context()); err != nil || v.n != 7 {
					t.Errorf("got %v, %v", v, err)
				}
			})
		}
		synctest.Wait()
		l.Append(item{n: 7})
		wg.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Newest().Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v, want the context's", err)
		}
	})
}

func TestCloseEndsReadersAfterTheLastEntry(t *testing.T) {
	l := NewLog[item](100)
	r := l.Oldest()
	l.Append(item{n: 1})
	l.Close(nil)
	l.Append(item{n: 2}) // does nothing
	if v, err := r.Next(t.Context()); err != nil || v.n != 1 {
		t.Fatalf("got %v, %v", v, err)
	}
	if _, err := r.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Fatalf("err = %v, want EOF", err)
	}
}

func TestTrimmedEntriesAreCollected(t *testing.T) {
	type big = [1 << 20]byte
	l := NewLog[ref](1 << 30)
	gone := make(chan struct{})
	b := new(big)
	runtime.AddCleanup(b, func(ch chan struct{}) { close(ch) }, gone)
	l.Append(ref{b[:]})
	l.Append(ref{})
	l.Trim(1)
	b = nil
	runtime.GC()
	<-gone // hangs if the log still holds it
}

type ref struct{ b []byte }

func (r ref) Size() int  { return len(r.b) }
func (r ref) Sync() bool { return false }

func BenchmarkAppendNoReader(b *testing.B) {
	l := NewLog[item](1000)
	for b.Loop() {
		l.Append(item{size: 1})
	}
}
