package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/headrace/headrace/internal/proto/rtmp"
)

// viewWorker publishes Stream and watches it, so that one clock sees a frame go and
// come. A probe follows both tracks and tells which frame is a part's newest; Count
// viewers follow as the protocol wants: for each track one connection that blocks on
// the playlist of the next part, and one that waits for the next part itself.
//
// Delays run from the moment before the newest frame was written to the publisher's
// socket to the first byte of the answer: those of parts, and those of playlists.
func viewWorker(j job, w *worker) (findings, error) {
	clip, err := readClip(j.Clip)
	if err != nil {
		return findings{}, err
	}
	publisher, err := dialPublisher(j.RTMP, j.Stream)
	if err != nil {
		return findings{}, err
	}
	defer publisher.Close()
	frames := &frames{sent: make(map[tail]time.Time)}
	var published error
	var wg sync.WaitGroup
	wg.Go(func() { published = clip.send(publisher, w.stop, frames.add) })

	a := &audience{w: w, j: j, frames: frames}
	feeds, err := findFeeds(j.HTTP, j.Stream)
	if err == nil {
		w.underWay("") // the server has the stream, and nobody watches
		settle(w, 2*time.Second)
		err = a.watch(feeds)
	}
	if err != nil {
		<-w.stop
		wg.Wait()
		return findings{}, errors.Join(err, published)
	}
	wg.Wait()
	return a.findings(), published
}

// A tail is the last bytes of a frame, by which it is recognised in a part.
type tail [24]byte

func tailOf(b []byte) (t tail) {
	copy(t[:], b[max(0, len(b)-len(t)):])
	return t
}

// frames tells when each frame was sent last: the clip repeats itself, but not within
// the seconds that a part can take.
type frames struct {
	mu   sync.Mutex // guards sent; a leaf
	sent map[tail]time.Time
}

func (f *frames) add(t rtmp.Tag) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent[tailOf(t.Data)] = now
}

func (f *frames) when(frame []byte) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.sent[tailOf(frame)]
	return at, ok
}

// newestFrame returns the last sample of a part.
func newestFrame(part []byte) ([]byte, error) {
	file, err := mp4.DecodeFile(bytes.NewReader(part))
	if err != nil {
		return nil, fmt.Errorf("parse part: %w", err)
	}
	if len(file.Segments) == 0 || len(file.Segments[0].Fragments) == 0 {
		return nil, errors.New("a part without a fragment")
	}
	samples, err := file.Segments[0].Fragments[0].GetFullSamples(nil)
	if err != nil || len(samples) == 0 {
		return nil, fmt.Errorf("a part without samples: %w", err)
	}
	return samples[len(samples)-1].Data, nil
}

// A sighting is the first byte of an answer that had part number n of a feed.
type sighting struct {
	feed uint8
	part bool // the part itself; else the playlist that lists it
	n    uint64
	at   time.Time
}

// audience is the viewers of one stream.
type audience struct {
	w      *worker
	j      job
	frames *frames
	feeds  []*feed

	measuring atomic.Bool
	begun     time.Time
	seconds   float64

	newest [2]atomic.Uint64 // by feed: number of the newest part that the probe has seen

	requests, bytes, errors atomic.Int64
	unknown                 atomic.Int64

	mu        sync.Mutex              // guards all below; a leaf
	origin    [2]map[uint64]time.Time // by feed and part: when its newest frame was sent
	sightings []sighting
}

// watch follows feeds with everybody until the work is to end.
func (a *audience) watch(feeds []*feed) error {
	a.feeds = feeds
	var wg sync.WaitGroup
	var lines []*client
	defer func() {
		for _, c := range lines {
			c.close()
		}
		wg.Wait()
	}()
	dial := func() (*client, error) {
		c, err := dialHTTP(a.j.HTTP, true)
		if err == nil {
			lines = append(lines, c)
		}
		return c, err
	}
	for i, f := range feeds {
		a.origin[i] = make(map[uint64]time.Time)
		a.newest[i].Store(f.next - 1)
		c, err := dial()
		if err != nil {
			return err
		}
		wg.Go(func() { a.probe(c, uint8(i)) })
	}
	for v := range a.j.Count {
		for i := range feeds {
			for _, part := range []bool{false, true} {
				c, err := dial()
				if err != nil {
					return fmt.Errorf("viewer %d: %w", v, err)
				}
				wg.Go(func() { a.follow(c, uint8(i), part) })
			}
		}
		select {
		case <-a.w.stop:
			return errors.New("stopped before all viewers were there")
		default:
		}
	}
	settle(a.w, 3*time.Second)
	a.begun = time.Now()
	a.measuring.Store(true)
	a.w.underWay("")
	<-a.w.stop
	a.measuring.Store(false)
	a.seconds = time.Since(a.begun).Seconds()
	return nil
}

// probe fetches every part of a feed and notes when its newest frame was sent.
func (a *audience) probe(c *client, i uint8) {
	f := a.feeds[i]
	for n := f.next; ; n++ {
		r, err := c.get(f.part(n), true)
		if err != nil {
			return // closed: the end
		}
		if r.status != http.StatusOK {
			a.errors.Add(1)
			time.Sleep(a.j.Part)
			continue
		}
		a.newest[i].Store(n)
		frame, err := newestFrame(r.body)
		at, ok := a.frames.when(frame)
		if err != nil || !ok {
			a.unknown.Add(1)
			continue
		}
		a.mu.Lock()
		a.origin[i][n] = at
		a.mu.Unlock()
	}
}

// follow is one connection of one viewer.
func (a *audience) follow(c *client, i uint8, part bool) {
	f := a.feeds[i]
	target := f.playlist
	if part {
		target = f.part
	}
	var seen []sighting
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.sightings = append(a.sightings, seen...)
	}()
	for n := a.newest[i].Load() + 1; ; n++ {
		r, err := c.get(target(n), false)
		if err != nil {
			return
		}
		if r.status != http.StatusOK { // too far behind, or ahead
			a.errors.Add(1)
			settle(a.w, a.j.Part/2)
			n = a.newest[i].Load()
			continue
		}
		if a.measuring.Load() {
			a.requests.Add(1)
			a.bytes.Add(int64(r.size))
			seen = append(seen, sighting{i, part, n, r.first})
		}
	}
}

// findings puts sightings and origins together. Everybody has ended.
func (a *audience) findings() findings {
	f := findings{
		Seconds: a.seconds, Requests: a.requests.Load(), Bytes: a.bytes.Load(),
		Errors: int(a.errors.Load()), Unknown: int(a.unknown.Load()),
	}
	for _, s := range a.sightings {
		at, ok := a.origin[s.feed][s.n]
		switch {
		case !ok:
		case s.part:
			f.Parts = append(f.Parts, s.at.Sub(at))
		default:
			f.Playlists = append(f.Playlists, s.at.Sub(at))
		}
	}
	return f
}
