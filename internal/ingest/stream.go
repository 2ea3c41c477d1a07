package ingest

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
)

// stream writes one live.Stream: it decides where segments begin, in all tracks
// alike, and keeps the numbering over the sources that come and go.
//
// The lead track (the first video, else the first audio) decides; the others follow.
// A follower's sample waits until the lead has reached its time, since the lead may
// yet begin a segment there; the lead never waits.
type stream struct {
	name string
	o    *Options
	log  *slog.Logger

	mu     sync.Mutex // guards all below; taken before any lock of live
	live   *live.Stream
	source *source // who feeds the stream now, nil while nobody does
	tracks []*track
	lead   *track
	grid   grid

	begun         bool // the first segment has
	discontinuity bool // what comes next does not continue what was
	forced        bool // the next sync sample of the lead begins a segment

	lost  time.Time     // since when there is no source
	gapTo time.Duration // up to where the timeline is filled with gaps; 0: it is not being filled
	seen  observation
	first time.Duration // time of the first sync sample of the lead
	late  bool          // the open segment has been reported as too long

	complained time.Time // when bad media was last logged
}

// track is one track of a stream as ingest writes it.
type track struct {
	*live.Track
	init    media.Init
	fresh   bool          // init has to be written before the next segment
	open    bool          // a segment has begun in it
	end     time.Duration // of its newest sample or gap
	floor   media.Ticks   // end of its newest gap: what lies before it comes too late
	lastDTS media.Ticks
	next    media.Ticks // lead: no sample before this will come

	pending []boundary     // followers: begun by the lead, not yet reached here
	held    []media.Sample // followers: ahead of the lead
	starts  []start        // the segments that are in the log, oldest first
	leading bool           // a run has just begun: pictures before its first one are skipped
	start   media.Ticks    // PTS of that first picture
}

// start is where a segment of a track begins in the log.
type start struct {
	seq live.Seq
	at  time.Time // when it was written
}

// boundary is the start of a segment, decided by the lead.
type boundary struct {
	msn           uint64
	at            time.Duration
	discontinuity bool
}

const (
	maxHeld  = 512              // samples a follower may be ahead
	maxAhead = time.Second      // or that much time
	decideIn = 10 * time.Second // the cadence is fixed at the latest after so much media
	shortGap = 100 * time.Millisecond
)

func (s *stream) track(id string) *track {
	for _, t := range s.tracks {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// configure makes sure that track id exists with that configuration. A new or changed
// one takes effect with the next segment, which does not continue the one before.
func (s *stream) configure(id string, init media.Init) (*track, error) {
	t := s.track(id)
	if t == nil {
		lt, err := s.live.AddTrack(id, init.Kind())
		if err != nil {
			return nil, err
		}
		t = &track{Track: lt, init: init, fresh: true}
		s.tracks = append(s.tracks, t)
	} else if t.init.Same(init) {
		return t, nil
	} else if from, to := t.init.Timescale(), init.Timescale(); from != to {
		s.drop(uint64(len(t.held)))
		t.held = t.held[:0]
		t.lastDTS, t.floor, t.next = t.lastDTS.Rescale(from, to), t.floor.Rescale(from, to), t.next.Rescale(from, to)
	}
	if s.lead == nil || s.lead.Kind == media.Audio && init.Kind() == media.Video {
		s.lead = t
	}
	t.init, t.fresh = init, true
	s.forced, s.discontinuity = true, true
	return t, nil
}

// put takes one sample, placed on the stream's timeline, of track t.
func (s *stream) put(t *track, m media.Sample) {
	if t.lastDTS != 0 && m.DTS <= t.lastDTS {
		// Half the usual step: what was pushed back catches up again.
		shift := t.lastDTS + max(1, m.Duration/2) - m.DTS
		m.DTS, m.PTS = m.DTS+shift, m.PTS+shift
	}
	t.lastDTS = m.DTS
	if t != s.lead {
		t.held = append(t.held, m)
		s.release(t)
		return
	}
	s.follow(m)
	t.next = m.DTS + max(1, m.Duration)
	for _, f := range s.tracks {
		if f != t {
			s.release(f)
		}
	}
}

// follow writes a sample of the lead, beginning a segment before it where one is due.
func (s *stream) follow(m media.Sample) {
	t, ts := s.lead, s.lead.init.Timescale()
	at := m.PTS.Duration(ts)
	switch {
	case m.Sync && (!s.begun || s.forced || s.grid.due(at)):
		s.begin(at)
	case t.fresh || !t.open:
		s.drop(1) // not decodable before the segment that brings its configuration
		return
	case at-s.grid.from > s.targetDuration() && !s.late:
		s.late = true
		s.o.Counters.LongSegments.Add(1)
		s.log.Warn("no keyframe for longer than the target duration: players may stall; set the encoder's keyframe interval",
			"seconds", (at - s.grid.from).Seconds(), "target", s.targetDuration().Seconds())
	}
	s.write(t, m)
	s.observe(at, m.Sync)
}

// begin starts a segment at the instant at, in the lead now and in the others as they get there.
func (s *stream) begin(at time.Duration) {
	if !s.begun {
		s.begun = true
		s.grid = grid{step: s.o.Segment, from: at, msn: firstMSN(at, s.o.boot, s.o.Segment)}
		s.first = at
	} else {
		if end := s.mediaEnd(); s.gapTo == 0 && at-end > s.targetDuration() {
			s.gapTo = end // a hole in a source that is still there: E12
		}
		s.fill(at)
		s.grid.next(at)
	}
	b := boundary{msn: s.grid.msn, at: at, discontinuity: s.discontinuity}
	if b.discontinuity {
		s.o.Counters.Discontinuities.Add(1)
	}
	s.open(s.lead, b)
	for _, f := range s.tracks {
		if f != s.lead {
			f.pending = append(f.pending, b)
			for len(f.pending) > 1 && len(f.held) == 0 { // it has been silent for a whole segment
				s.miss(f)
			}
		}
	}
	s.discontinuity, s.forced, s.late, s.gapTo = false, false, false, 0
}

// open writes the start of a segment into track t.
func (s *stream) open(t *track, b boundary) {
	if t.fresh {
		init := t.init
		t.Append(media.Entry{Event: &media.Event{Kind: media.NewInit, Init: &init}})
		t.fresh = false
	}
	if b.discontinuity {
		t.Append(media.Entry{Event: &media.Event{Kind: media.Discontinuity}})
	}
	ts := t.init.Timescale()
	seq := t.Append(media.Entry{Event: &media.Event{Kind: media.Boundary, MSN: b.msn, At: media.FromDuration(b.at, ts)}})
	if b.discontinuity || !t.open {
		t.leading, t.start = true, media.FromDuration(b.at, ts)
	}
	t.open = true
	t.trim(seq, time.Now())
}

const (
	// packagingTime is how long after its end a segment stays in the log: a source whose
	// connection stood still sends many at once, and the packager must get to run
	// before they go.
	packagingTime = 1500 * time.Millisecond

	// maxStarts bounds how many segments are remembered in that time; the log has a
	// bound of its own.
	maxStarts = 64
)

// trim notes that a segment begins at seq, and lets go of those that the packager has
// had time for. The one before it stays whole, for readers that start late.
func (t *track) trim(seq live.Seq, now time.Time) {
	t.starts = append(t.starts, start{seq, now})
	n := 0
	for len(t.starts)-n > 2 && (now.Sub(t.starts[n+1].at) >= packagingTime || len(t.starts)-n > maxStarts) {
		n++
	}
	if n > 0 {
		t.starts = slices.Delete(t.starts, 0, n)
		t.Log.Trim(t.starts[0].seq)
	}
}

// write appends a sample of an open segment.
func (s *stream) write(t *track, m media.Sample) {
	if t.leading && t.Kind == media.Video {
		switch {
		case m.PTS < t.start && !m.Sync:
			s.drop(1) // a leading picture of an open GOP: what it refers to is not there
			return
		case !m.Sync:
			t.leading = false
		}
	}
	if m.DTS < t.floor {
		s.drop(1)
		return
	}
	t.end = (m.DTS + m.Duration).Duration(t.init.Timescale())
	t.Append(media.Entry{Sample: m})
}

// release writes the held samples of a follower that the lead has passed.
func (s *stream) release(t *track) {
	ts := t.init.Timescale()
	horizon := s.lead.next.Rescale(s.lead.init.Timescale(), ts)
	newest := media.Ticks(0)
	if n := len(t.held); n > 0 {
		newest = t.held[n-1].DTS
	}
	n := 0
	for _, m := range t.held {
		if ahead := (newest - m.DTS).Duration(ts); m.DTS >= horizon && ahead < maxAhead && len(t.held)-n < maxHeld {
			break
		}
		n++
		s.passBoundaries(t, m)
		if t.fresh || !t.open {
			s.drop(1)
			continue
		}
		s.write(t, m)
	}
	t.held = t.held[:copy(t.held, t.held[n:])]
}

// passBoundaries writes the boundaries that lie before m, a sample of a follower.
func (s *stream) passBoundaries(t *track, m media.Sample) {
	ts := t.init.Timescale()
	for len(t.pending) > 0 && m.Sync && m.PTS >= media.FromDuration(t.pending[0].at, ts) {
		if len(t.pending) > 1 && m.PTS >= media.FromDuration(t.pending[1].at, ts) {
			s.miss(t)
			continue
		}
		s.open(t, t.pending[0])
		t.pending = t.pending[:copy(t.pending, t.pending[1:])]
	}
}

// miss writes the oldest of several pending segments of a follower as a gap.
func (s *stream) miss(t *track) {
	if b := t.pending[0]; t.open {
		s.gap(t, b.msn, b.at, t.pending[1].at)
	}
	t.pending = t.pending[:copy(t.pending, t.pending[1:])]
}

func (s *stream) gap(t *track, msn uint64, from, to time.Duration) {
	ts := t.init.Timescale()
	at := media.FromDuration(from, ts)
	t.Append(media.Entry{Event: &media.Event{Kind: media.Gap, MSN: msn, At: at, Duration: media.FromDuration(to, ts) - at}})
	t.end, t.floor = to, media.FromDuration(to, ts)
}

// drop counts access units that could not be used.
func (s *stream) drop(n uint64) {
	s.o.Counters.Dropped.Add(n)
	if s.source != nil {
		s.source.session.Dropped.Add(n)
	}
}

// observe fixes the cadence when enough of the source has been seen.
func (s *stream) observe(at time.Duration, sync bool) {
	if s.live.Cadence() != nil {
		return
	}
	if s.lead.Kind == media.Video {
		if sync && at > s.first {
			s.seen.keyframes = at - s.first
		} else if at-s.first < decideIn {
			return
		} else {
			s.seen.keyframes = at - s.first
		}
		s.seen.frame = s.source.frameDuration(s.lead)
	}
	c := cadence(s.o.Segment, s.o.Part, s.seen)
	s.live.SetCadence(c)
	s.log.Info("cadence fixed", "segment", c.Segment, "part", c.Part, "part_target", c.PartTarget, "target_duration", c.TargetDuration)
}

func (s *stream) targetDuration() time.Duration {
	if c := s.live.Cadence(); c != nil {
		return c.TargetDuration
	}
	return decideIn
}

// fill writes gaps, if any have been written since the source was lost, up to the
// instant at which media goes on.
func (s *stream) fill(at time.Duration) {
	if s.gapTo == 0 {
		return
	}
	s.gapsUntil(at)
	if at-s.gapTo >= shortGap {
		s.gapAll(at)
	}
}

// gapsUntil writes the whole grid cells up to the instant t as gaps into all tracks.
func (s *stream) gapsUntil(t time.Duration) {
	for {
		end := time.Duration(cell(s.gapTo, s.o.Segment)+1) * s.o.Segment
		if end-s.gapTo < s.o.Segment/2 {
			end += s.o.Segment // the rest of a cell joins the next
		}
		if end > t {
			return
		}
		s.gapAll(end)
	}
}

// gapAll writes one gap from where the media or the gaps end to the instant end.
func (s *stream) gapAll(end time.Duration) {
	msn := s.grid.next(s.gapTo)
	for _, t := range s.tracks {
		if t.open {
			s.gap(t, msn, s.gapTo, end)
		}
	}
	s.gapTo = end
	s.o.Counters.Gaps.Add(1)
}

// settle writes out what the followers still hold when the source has gone, so that
// all tracks stand in the same segment.
func (s *stream) settle() {
	for _, t := range s.tracks {
		if t == s.lead {
			continue
		}
		for _, m := range t.held {
			if s.passBoundaries(t, m); t.open && !t.fresh {
				s.write(t, m)
			}
		}
		t.held = t.held[:0]
	}
	for _, t := range s.tracks {
		for i, b := range t.pending {
			end := s.mediaEnd()
			if i+1 < len(t.pending) {
				end = t.pending[i+1].at
			}
			if t.open && end > b.at {
				s.gap(t, b.msn, b.at, end)
			}
		}
		t.pending = t.pending[:0]
	}
}

// mediaEnd returns where the stream's media ends.
func (s *stream) mediaEnd() time.Duration {
	end := s.gapTo
	for _, t := range s.tracks {
		end = max(end, t.end)
	}
	return end
}

// tick does what is due while nobody feeds the stream, and reports whether it is over.
func (s *stream) tick(now time.Time) (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source != nil || s.lost.IsZero() {
		return false
	}
	if s.live == nil {
		return true
	}
	if now.Sub(s.lost) >= s.o.Hold {
		s.close()
		return true
	}
	if c := s.live.Cadence(); s.begun && c != nil {
		if s.gapTo == 0 && now.Sub(s.lost) >= c.TargetDuration {
			s.gapTo = s.mediaEnd()
		}
		if s.gapTo != 0 {
			s.gapsUntil(time.Duration(now.UnixNano()) - c.TargetDuration)
		}
	}
	return false
}

// close ends the stream for good.
func (s *stream) close() {
	if s.live == nil {
		return
	}
	s.settle()
	s.live.End()
	s.o.Hub.Remove(s.live)
	s.log.Info("stream ended")
}

// makeLive makes the live stream when its first source is ready.
func (s *stream) makeLive(now time.Time) error {
	s.live = live.NewStream(s.name, now, s.o.MaxBytes)
	if err := s.o.Hub.Add(s.live); err != nil {
		s.live = nil
		return fmt.Errorf("begin stream: %w", err)
	}
	return nil
}

// badUnit logs the newest trouble with the media, once a second at most.
func (s *stream) badUnit(id string, err error) {
	if now := time.Now(); now.Sub(s.complained) >= time.Second {
		s.complained = now
		s.log.Warn("access unit dropped", "track", id, "err", err)
	}
}
