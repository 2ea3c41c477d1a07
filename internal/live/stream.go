package live

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/media"
)

// Track is one elementary stream of a Stream: its log of samples and events. The
// first entry is always a NewInit event. Times are ticks of the timescale of the
// newest NewInit before them.
type Track struct {
	ID   string // "v1", "a2": letter of the kind and a number from 1; stable over the stream's life
	Kind media.Kind
	Log  *Log[media.Entry]

	mu    sync.Mutex // guards all below; a leaf
	inits []initAt   // oldest first, the newest maxInits of them
	meter meter
}

// initAt is a configuration and the number of the entry that brought it.
type initAt struct {
	seq  Seq
	init *media.Init
}

// maxInits bounds the configurations remembered for readers that start late; no
// more of them than this can stand among the entries that a log keeps in practice.
const maxInits = 64

// Append adds e to the track's log. Only the track's one writer calls it.
func (t *Track) Append(e media.Entry) Seq {
	_, end := t.Log.Bounds()
	t.mu.Lock()
	switch {
	case e.Event == nil:
		t.meter.add(e.Sample, t.inits)
	case e.Event.Kind == media.NewInit:
		t.inits = append(t.inits, initAt{end, e.Event.Init})
		if n := len(t.inits) - maxInits; n > 0 {
			t.inits = append([]initAt(nil), t.inits[n:]...)
		}
	}
	t.mu.Unlock()
	return t.Log.Append(e)
}

// Meter returns what has been measured of the track so far.
func (t *Track) Meter() Meter {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.meter.Meter
}

// Init returns the newest configuration, nil before the first.
func (t *Track) Init() *media.Init {
	_, end := t.Log.Bounds()
	return t.InitAt(end)
}

// InitAt returns the configuration that holds for the entry numbered seq, nil when
// there is none: a reader that does not start at the first entry asks for it.
func (t *Track) InitAt(seq Seq) *media.Init {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.inits) - 1; i >= 0; i-- {
		if t.inits[i].seq <= seq {
			return t.inits[i].init
		}
	}
	return nil
}

// Stream is what viewers see under one name, whichever source feeds it. It outlives
// its sources: an encoder that reconnects goes on in the same logs.
type Stream struct {
	Name    string
	Started time.Time

	maxBytes int  // of each track's log
	bell     bell // rung at each entry
	shape    bell // rung when a track is added, the cadence is fixed, the stream ends
	clock    clock
	cadence  Latest[*media.Cadence]

	mu     sync.Mutex // guards all below; a leaf
	tracks []*Track   // replaced, never changed in place
	ended  bool
}

// NewStream returns a stream without tracks, whose logs keep at most maxBytes each.
func NewStream(name string, started time.Time, maxBytes int) *Stream {
	return &Stream{Name: name, Started: started, maxBytes: maxBytes}
}

// SetCadence fixes the stream's rhythm, once, when enough of the source has been
// seen; the logs keep what came before. Only the stream's writer calls it.
func (s *Stream) SetCadence(c media.Cadence) {
	s.cadence.Set(&c)
	s.shape.ring()
}

// Cadence returns the stream's rhythm, nil while it is not known. It never changes
// once it is: whatever cuts segments waits for it (Reshaped tells) and then reads the
// logs from their oldest entry.
func (s *Stream) Cadence() *media.Cadence { return s.cadence.Load() }

// AddTrack adds a track. Its writer is whoever called.
func (s *Stream) AddTrack(id string, kind media.Kind) (*Track, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, fmt.Errorf("add track %s to stream %s: %w", id, s.Name, io.EOF)
	}
	for _, t := range s.tracks {
		if t.ID == id {
			return nil, fmt.Errorf("add track %s to stream %s: it is there already", id, s.Name)
		}
	}
	log := NewLog[media.Entry](s.maxBytes)
	log.streamUp, log.clock = &s.bell, &s.clock
	t := &Track{ID: id, Kind: kind, Log: log}
	s.tracks = append(s.tracks[:len(s.tracks):len(s.tracks)], t)
	s.bell.ring()
	s.shape.ring()
	return t, nil
}

// Tracks returns the tracks in the order they were added. The caller must not change the slice.
func (s *Stream) Tracks() []*Track {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tracks
}

// End ends the stream for good: every log is closed, readers get io.EOF at its end.
func (s *Stream) End() {
	s.mu.Lock()
	s.ended = true
	tracks := s.tracks
	s.mu.Unlock()
	for _, t := range tracks {
		t.Log.Close(nil)
	}
	s.bell.ring()
	s.shape.ring()
}

// Ended reports whether End was called.
func (s *Stream) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Reshaped returns a channel that is closed when a track is added, the cadence is
// fixed or the stream ends. Take it, look at the stream, then wait.
func (s *Stream) Reshaped() <-chan struct{} { return s.shape.up() }

// Changed returns a channel that is closed when a track or an entry is added, or
// the stream ends. Take it, look at the stream, then wait.
func (s *Stream) Changed() <-chan struct{} { return s.bell.up() }
