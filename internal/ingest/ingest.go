// Package ingest turns what publishers send into live streams: it places each source
// on its stream's epoch timeline, decides once where segments begin and what number
// they have, and keeps the stream alive between sources (docs/adr/0004). It speaks
// no protocol and packages nothing.
package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/session"
)

// Defaults of Options.
const (
	DefaultSegment  = 2 * time.Second        // a GOP of most encoders, or a multiple
	DefaultPart     = 500 * time.Millisecond // 1.5 s behind live in the player
	DefaultHold     = 30 * time.Second       // an encoder that restarts is back by then
	DefaultMaxBytes = 64 << 20               // 10 s at 50 Mb/s
)

// Options say how streams are made.
type Options struct {
	Hub      *live.Hub
	Logger   *slog.Logger
	Counters *Counters

	Segment  time.Duration // grid of segment boundaries
	Part     time.Duration // length of parts that is aimed at
	Hold     time.Duration // how long a stream without a source waits for one to come back
	MaxBytes int           // bytes of samples that a track's log keeps at most

	MaxStreams int // more are refused; 0: no limit

	boot time.Duration // when the process started, since the epoch
}

// Counters are what has happened in all streams so far.
type Counters struct {
	Dropped         atomic.Uint64 // access units that could not be used
	Discontinuities atomic.Uint64 // segments that did not continue the one before
	Gaps            atomic.Uint64 // segments that went missing whole
	LongSegments    atomic.Uint64 // segments longer than the target duration
}

// Ingest opens sources and owns the streams they feed. It implements session.Ingest.
type Ingest struct {
	o Options

	mu      sync.Mutex // guards streams and done; taken before stream.mu
	streams map[string]*stream
	done    bool
}

// tickEvery is how often streams without a source are looked at.
const tickEvery = 100 * time.Millisecond

// New returns an Ingest with the defaults for what o leaves zero.
func New(o Options) (*Ingest, error) {
	if o.Hub == nil {
		return nil, errors.New("ingest needs a hub")
	}
	if o.Segment < 0 || o.Part < 0 || o.Hold < 0 || o.MaxBytes < 0 {
		return nil, errors.New("ingest options must not be negative")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Counters == nil {
		o.Counters = &Counters{}
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&o.Segment, DefaultSegment}, {&o.Part, DefaultPart}, {&o.Hold, DefaultHold}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	o.boot = time.Duration(time.Now().UnixNano())
	return &Ingest{o: o, streams: map[string]*stream{}}, nil
}

// Open implements session.Ingest.
func (in *Ingest) Open(ses *session.Session) (session.Source, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.done {
		return nil, errors.New("the server is shutting down")
	}
	s := in.streams[ses.Stream]
	if s == nil {
		if in.o.MaxStreams > 0 && len(in.streams) >= in.o.MaxStreams {
			return nil, &session.RejectError{Reason: session.Busy, Text: "the server has all the streams it takes"}
		}
		s = &stream{name: ses.Stream, o: &in.o, log: in.o.Logger.With("stream", ses.Stream)}
		in.streams[ses.Stream] = s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	src := &source{stream: s, session: ses, lanes: map[session.TrackRef]*sourceTrack{}}
	s.source, s.lost = src, time.Time{}
	return src, nil
}

// Run keeps the streams that have lost their source until one comes back, and ends
// those for which none does. When ctx ends it ends all streams, so that players are
// told, and returns nil.
func (in *Ingest) Run(ctx context.Context) error {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			in.tick(now)
		case <-ctx.Done():
			in.close()
			return nil
		}
	}
}

func (in *Ingest) tick(now time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for name, s := range in.streams {
		if s.tick(now) {
			delete(in.streams, name)
		}
	}
}

func (in *Ingest) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.done = true
	for name, s := range in.streams {
		s.mu.Lock()
		s.close()
		s.mu.Unlock()
		delete(in.streams, name)
	}
}
