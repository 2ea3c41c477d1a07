package rtmp

import (
	"context"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/live"
)

// maxFanoutBytes bounds the media that a fanout keeps for players that are behind. Most
// of it is in the tracks' logs too.
const maxFanoutBytes = 16 << 20

// fanouts are the streams that are being played over RTMP now. The zero value is ready.
type fanouts struct {
	mu       sync.Mutex // guards byStream and the counts in it; a leaf
	byStream map[*live.Stream]*fanout
}

// A fanout makes the bytes of one stream for all its players. It is there from the
// first player to the last.
type fanout struct {
	log     *live.Log[batch]
	players int
	cancel  context.CancelFunc
	done    chan struct{}
}

// join returns the fanout of s, started if need be. The caller calls leave, once; for
// the last player that waits until the fanout's goroutine has ended.
func (f *fanouts) join(s *live.Stream, latency time.Duration) (fan *fanout, leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fan = f.byStream[s]
	if fan == nil {
		ctx, cancel := context.WithCancel(context.Background()) // it outlives the connection that came first
		fan = &fanout{log: live.NewLog[batch](maxFanoutBytes), cancel: cancel, done: make(chan struct{})}
		if f.byStream == nil {
			f.byStream = map[*live.Stream]*fanout{}
		}
		f.byStream[s] = fan
		go func() {
			defer close(fan.done)
			newMuxer(s, fan.log, latency).run(ctx)
		}()
	}
	fan.players++
	return fan, func() { f.leave(s, fan) }
}

func (f *fanouts) leave(s *live.Stream, fan *fanout) {
	f.mu.Lock()
	fan.players--
	last := fan.players == 0
	if last {
		delete(f.byStream, s)
	}
	f.mu.Unlock()
	if last {
		fan.cancel()
		<-fan.done
	}
}
