package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/internal/proto/rtmp"
)

// playWorker plays Stream Count times over RTMP and counts what comes. The figures
// begin when all players have had time to begin.
func playWorker(j job, w *worker) (findings, error) {
	clip, err := readClip(j.Clip)
	if err != nil {
		return findings{}, err
	}
	var bytes, errors atomic.Int64
	var wg sync.WaitGroup
	clients := make([]*rtmp.Client, j.Count)
	for i := range clients {
		if clients[i], err = dialPlayer(j.RTMP, j.Stream); err != nil {
			return findings{}, fmt.Errorf("player %d: %w", i, err)
		}
		wg.Go(func() {
			for {
				t, err := clients[i].ReadTag()
				if err != nil {
					errors.Add(1)
					return
				}
				bytes.Add(int64(len(t.Data)))
			}
		})
	}
	settle(w, 2*time.Second) // each starts with the seconds since the last keyframe
	w.underWay("")
	begun, before := time.Now(), bytes.Load()
	<-w.stop
	f := findings{Seconds: time.Since(begun).Seconds(), Bytes: bytes.Load() - before, Errors: int(errors.Load())}
	f.Behind = 1 - float64(f.Bytes)/(clip.bitrate()*f.Seconds*float64(j.Count))
	for _, c := range clients {
		c.Close()
	}
	wg.Wait()
	return f, nil
}

func dialPlayer(server, stream string) (*rtmp.Client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	c, err := rtmp.Dial(ctx, fmt.Sprintf("rtmp://%s/live/%s", server, stream), nil)
	if err != nil {
		return nil, err
	}
	if err := c.Play(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// settle waits for d, or the end of the work.
func settle(w *worker, d time.Duration) {
	select {
	case <-time.After(d):
	case <-w.stop:
	}
}
