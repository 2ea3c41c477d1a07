package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/proto/rtmp"
)

// dialPublisher connects and begins to publish stream.
func dialPublisher(server, stream string) (*rtmp.Client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	c, err := rtmp.Dial(ctx, fmt.Sprintf("rtmp://%s/live/%s?key=%s", server, stream, publishKey), nil)
	if err != nil {
		return nil, err
	}
	if err := c.Publish(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// publishWorker publishes Count streams, named Stream with numbers from First. They
// begin spread over a second, so that their keyframes do not fall together.
func publishWorker(j job, w *worker) (findings, error) {
	clip, err := readClip(j.Clip)
	if err != nil {
		return findings{}, err
	}
	errs := make([]error, j.Count)
	var wg, begun sync.WaitGroup
	begun.Add(j.Count)
	for i := range j.Count {
		wg.Go(func() {
			time.Sleep(time.Second * time.Duration(i) / time.Duration(j.Count))
			c, err := dialPublisher(j.RTMP, fmt.Sprintf("%s%d", j.Stream, j.First+i))
			begun.Done()
			if err != nil {
				errs[i] = err
				return
			}
			defer c.Close()
			errs[i] = clip.send(c, w.stop, nil)
		})
	}
	begun.Wait()
	w.underWay("")
	wg.Wait()
	return findings{}, errors.Join(errs...)
}
