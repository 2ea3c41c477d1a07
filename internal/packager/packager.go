// Package packager turns the sample logs of a stream into what players fetch: CMAF
// segments and parts under numbers, as snapshots in a presentation.Stream. It
// speaks ISO/IEC 23000-19 (CMAF) and keeps the rules of rfc8216bis for parts. It
// writes no manifests and answers no requests.
//
// Packaging is a pure function of the log: same log, same options, same bytes and
// names, on every node. DESIGN.md says by which rules, and why.
package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

const (
	// DefaultWindow is how much media playlists list: enough to pause briefly, and
	// to seek back to what was just missed.
	DefaultWindow = 30 * time.Second

	// DefaultLinger is how long an ended stream can still be fetched, beyond the
	// window: players poll, and must find that it has ended.
	DefaultLinger = 60 * time.Second

	// startGrace is how long a stream with a part in one track waits for the first
	// part of its other tracks: who fetches the multivariant playlist before the sound
	// is in it stays without. A track that is announced and silent must not hold it up.
	startGrace = time.Second
)

// Options are what a Packager needs.
type Options struct {
	Hub     *live.Hub             // whose streams are packaged
	Catalog *presentation.Catalog // where they are shown
	Window  time.Duration         // of media in playlists; 0: DefaultWindow
	Linger  time.Duration         // after the end, beyond Window; 0: DefaultLinger
	Logger  *slog.Logger          // nil: silent
}

// Packager packages all streams of a hub.
type Packager struct {
	opt Options

	streams, parts, gapParts, segments, dropped, lags atomic.Uint64
}

// Stats is what a Packager has done since it was made.
type Stats struct {
	Streams  uint64 // begun
	Parts    uint64 // with media
	GapParts uint64 // for what is missing
	Segments uint64 // completed
	Dropped  uint64 // samples that found no place in a segment
	Lags     uint64 // times that a track's log was faster than us
}

// New returns a Packager that Run sets to work.
func New(opt Options) (*Packager, error) {
	if opt.Hub == nil || opt.Catalog == nil {
		return nil, errors.New("new packager: it needs a hub and a catalog")
	}
	if opt.Window < 0 || opt.Linger < 0 {
		return nil, fmt.Errorf("new packager: window %v and linger %v must not be negative", opt.Window, opt.Linger)
	}
	if opt.Window == 0 {
		opt.Window = DefaultWindow
	}
	if opt.Linger == 0 {
		opt.Linger = DefaultLinger
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	return &Packager{opt: opt}, nil
}

// Stats returns the counters. Any goroutine may call it.
func (p *Packager) Stats() Stats {
	return Stats{
		Streams:  p.streams.Load(),
		Parts:    p.parts.Load(),
		GapParts: p.gapParts.Load(),
		Segments: p.segments.Load(),
		Dropped:  p.dropped.Load(),
		Lags:     p.lags.Load(),
	}
}

// Run packages the streams of the hub as they come, until ctx ends.
func (p *Packager) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	running := make(map[*live.Stream]*stream) // of the hub
	for {
		changed := p.opt.Hub.Changed()
		now := make(map[*live.Stream]*stream)
		for _, ls := range p.opt.Hub.Streams() {
			s := running[ls]
			if s == nil {
				s = p.newStream(ls)
				wg.Go(func() { s.run(ctx) })
			}
			now[ls] = s
		}
		running = now
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// stream is one live stream being packaged.
type stream struct {
	p    *Packager
	log  *slog.Logger
	live *live.Stream
	out  *presentation.Stream
	disc discontinuities

	added chan struct{} // holds one: a rendition was added to out
}

func (p *Packager) newStream(ls *live.Stream) *stream {
	p.streams.Add(1)
	return &stream{
		p:     p,
		log:   p.opt.Logger.With("stream", ls.Name),
		live:  ls,
		out:   &presentation.Stream{Name: ls.Name, Window: p.opt.Window},
		added: make(chan struct{}, 1),
	}
}

// run packages the tracks, those at hand and those that come, until the live stream
// has ended; then it leaves the presentation where it is for a while.
func (s *stream) run(ctx context.Context) {
	s.log.Debug("packaging begins")
	var (
		wg    sync.WaitGroup
		seen  int
		shown bool
		grace <-chan time.Time // from the first rendition to the last moment to show it
	)
	for ctx.Err() == nil {
		changed := s.live.Reshaped()
		ended := s.live.Ended() // before Tracks: none is added after the end
		all := s.live.Tracks()
		if c := s.live.Cadence(); c != nil {
			if seen == 0 {
				s.out.Cadence = *c // nobody sees out before a track is followed
			}
			for _, t := range all[seen:] {
				wg.Go(func() { s.follow(ctx, t, t.Log.Oldest()) })
			}
			seen = len(all)
		}
		if ended {
			wg.Wait()
		}
		if n := len(s.out.Renditions()); n > 0 && !shown {
			if n == len(all) || ended {
				s.p.opt.Catalog.Put(s.out)
				shown = true
			} else if grace == nil {
				grace = time.After(startGrace)
			}
		}
		if ended {
			break
		}
		select {
		case <-changed:
		case <-s.added:
		case <-grace:
			if !shown {
				s.p.opt.Catalog.Put(s.out)
				shown = true
			}
		case <-ctx.Done():
		}
	}
	wg.Wait()
	s.linger(ctx)
	s.log.Debug("packaging ended")
}

// linger waits until nobody can miss the presentation, or another has its name, and
// removes it.
func (s *stream) linger(ctx context.Context) {
	timer := time.NewTimer(s.p.opt.Window + s.p.opt.Linger)
	defer timer.Stop()
	for {
		changed := s.p.opt.Hub.Changed()
		if s.p.opt.Catalog.Stream(s.out.Name) != s.out {
			return // its name is used again, or it never was shown
		}
		select {
		case <-changed:
			continue
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		s.p.opt.Catalog.Remove(s.out)
		return
	}
}

// follow packages one track of a stream whose cadence is known, from where r stands
// until its log or ctx ends.
func (s *stream) follow(ctx context.Context, t *live.Track, r *live.Reader[media.Entry]) {
	var (
		log    = s.log.With("track", t.ID)
		c      = newCutter(t.ID, t.Kind, *s.live.Cadence(), s.p.opt.Window, &s.disc)
		out    = publisher{stream: s}
		counts counted
		buf    [32]media.Entry
	)
	if init := t.InitAt(r.Seq()); init != nil {
		out.publish(c.push(media.Entry{Event: &media.Event{Kind: media.NewInit, Init: init}}))
	}
	for {
		n, err := r.ReadWhen(ctx, buf[:], c.awaits())
		for _, e := range buf[:n] {
			out.publish(c.push(e))
		}
		clear(buf[:n])
		counts.add(s.p, c.stats)
		switch {
		case err == nil:
			continue
		case errors.Is(err, live.ErrLagged):
			s.p.lags.Add(1)
			log.Warn("the packager fell behind the stream: media is missing from the playlist")
			out.publish(c.lag(t.InitAt(r.Seq())))
			continue
		case ctx.Err() != nil:
			return // we end, the stream does not
		case !errors.Is(err, io.EOF):
			log.Info("the track's log was closed", "err", err)
		}
		out.publish(c.finish())
		counts.add(s.p, c.stats)
		return
	}
}

// publisher shows a track's snapshots.
type publisher struct {
	stream    *stream
	rendition *presentation.Rendition // nil before the first
}

// publish shows t, unless it is nil. The first one makes the rendition known:
// nothing is announced before it can be served.
func (p *publisher) publish(t *presentation.Track) {
	switch {
	case t == nil:
		return
	case p.rendition != nil:
		p.rendition.Set(t)
		return
	}
	p.rendition = p.stream.out.Add(t)
	select {
	case p.stream.added <- struct{}{}:
	default: // it will look anyway
	}
}

// counted is what of a cutter's counts has been added to the Packager's.
type counted cutterStats

func (c *counted) add(p *Packager, now cutterStats) {
	p.parts.Add(now.Parts - c.Parts)
	p.gapParts.Add(now.GapParts - c.GapParts)
	p.segments.Add(now.Segments - c.Segments)
	p.dropped.Add(now.Dropped - c.Dropped)
	*c = counted(now)
}
