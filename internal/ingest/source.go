package ingest

import (
	"fmt"
	"slices"
	"time"

	"github.com/headrace/headrace/internal/codec"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/session"
)

// source is one publisher's attempt at a stream. Its samples are kept back until it
// is known which tracks it has; then it is placed on the stream's timeline.
type source struct {
	stream  *stream
	session *session.Session
	time    timeline
	lanes   map[session.TrackRef]*sourceTrack
	order   []*sourceTrack

	waiting []waitingSample // before ready
	bytes   int             // of them
	since   time.Time       // arrival of the first sample
	ready   bool
	closed  bool
}

// sourceTrack is one track of a source.
type sourceTrack struct {
	ref   session.TrackRef
	id    string
	init  media.Init
	lane  *lane
	track *track // of the stream; nil before the source is ready
	video *videoClock
	audio *audioClock
}

type waitingSample struct {
	t    *sourceTrack
	m    media.Sample
	unit codec.Unit
}

const (
	// readyAfter is how long a source may take to announce its tracks. One that has
	// announced video and audio is not waited for.
	readyAfter = 2 * time.Second
	maxWaiting = 64 << 20 // bytes of samples kept back
)

// trackID returns the name of a track of the stream: v1, v2, a1...
func trackID(ref session.TrackRef) string {
	return fmt.Sprintf("%c%d", ref.Kind.String()[0], int(ref.Index)+1)
}

// Configure implements session.Source.
func (src *source) Configure(ref session.TrackRef, init media.Init) error {
	src.stream.mu.Lock()
	defer src.stream.mu.Unlock()
	if ref.Kind != init.Kind() || init.Timescale() == 0 {
		return fmt.Errorf("configure %s track %d: the configuration is for %s", ref.Kind, ref.Index, init.Codec)
	}
	t := src.lanes[ref]
	if t == nil {
		t = &sourceTrack{ref: ref, id: trackID(ref)}
		src.lanes[ref] = t
		src.order = append(src.order, t)
	}
	return src.reconfigure(t, init)
}

// reconfigure takes up a configuration of t, from the container or found in band.
func (src *source) reconfigure(t *sourceTrack, init media.Init) error {
	if t.lane != nil && t.init.Same(init) {
		return nil
	}
	if t.lane == nil {
		t.lane = src.time.lane(init.Timescale())
	} else if t.lane.scale != init.Timescale() {
		t.lane.last = t.lane.last.Rescale(t.lane.scale, init.Timescale())
		t.lane.usual = t.lane.usual.Rescale(t.lane.scale, init.Timescale())
		t.lane.scale = init.Timescale()
	}
	t.init = init
	if init.Kind() == media.Video {
		t.video = newVideoClock(media.FromDuration(src.session.Request.ClockStep, media.VideoTimescale), init.FrameRate)
	} else {
		t.audio = &audioClock{scale: init.Timescale()}
	}
	if !src.ready {
		return nil
	}
	var err error
	t.track, err = src.stream.configure(t.id, init)
	return err
}

// Write implements session.Source. A unit that cannot be used is dropped and counted.
func (src *source) Write(ref session.TrackRef, m media.Sample) error {
	s := src.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	t := src.lanes[ref]
	if t == nil {
		s.drop(1)
		return nil
	}
	unit, err := codec.Inspect(t.init, m.Data, 4)
	if err != nil {
		s.drop(1)
		s.badUnit(t.id, err)
		return nil
	}
	if unit.Init != nil {
		if err := src.reconfigure(t, *unit.Init); err != nil {
			return err
		}
	}
	m.Data, m.Sync = unit.Data, unit.Sync
	if len(m.Data) == 0 {
		return nil // nothing but parameter sets
	}
	if src.ready {
		src.deliver(t, m, unit)
		return nil
	}
	return src.wait(t, m, unit)
}

// wait keeps a sample back until the source is ready.
func (src *source) wait(t *sourceTrack, m media.Sample, unit codec.Unit) error {
	if src.since.IsZero() {
		src.since = m.Arrived
	}
	src.waiting = append(src.waiting, waitingSample{t, m, unit})
	if src.bytes += len(m.Data); src.bytes > maxWaiting {
		return fmt.Errorf("more than %d MiB before the first keyframe", maxWaiting>>20)
	}
	if !src.complete(m.Arrived) || !src.decodable() {
		return nil
	}
	return src.begin(m.Arrived)
}

// complete reports whether the source has announced the tracks it will have.
func (src *source) complete(now time.Time) bool {
	if now.Sub(src.since) >= readyAfter {
		return true
	}
	var kinds [3]bool
	for _, t := range src.order {
		kinds[t.ref.Kind] = true
	}
	for _, t := range src.stream.tracks { // what an earlier source had is likely to come
		if !slices.ContainsFunc(src.order, func(st *sourceTrack) bool { return st.id == t.ID }) {
			return false
		}
	}
	return len(src.stream.tracks) > 0 || kinds[media.Video] && kinds[media.Audio]
}

// decodable reports whether a sample is there to begin with: a sync sample of the
// video, if there is video.
func (src *source) decodable() bool {
	video := false
	for _, t := range src.order {
		video = video || t.ref.Kind == media.Video
	}
	for _, w := range src.waiting {
		if w.m.Sync && (!video || w.t.ref.Kind == media.Video) {
			return true
		}
	}
	return false
}

// begin places the source on the stream's timeline and delivers what was kept back.
func (src *source) begin(now time.Time) error {
	s := src.stream
	if s.live == nil {
		if err := s.makeLive(now); err != nil {
			return err
		}
	}
	// Some encoders send what they had stored as fast as they can: the sample that
	// came soonest for its time tells where the source's clock stands.
	first, offset := time.Duration(1<<62), time.Duration(1<<62)
	for _, w := range src.waiting {
		at := w.m.DTS.Duration(w.t.init.Timescale())
		first, offset = min(first, at), min(offset, time.Duration(w.m.Arrived.UnixNano())-at)
	}
	src.time.anchor(max(offset, s.mediaEnd()-first))
	for _, t := range src.order {
		var err error
		if t.track, err = s.configure(t.id, t.init); err != nil {
			return err
		}
	}
	s.forced, s.discontinuity = true, s.begun
	s.lead = src.lead()
	src.ready = true
	for _, w := range src.waiting {
		src.deliver(w.t, w.m, w.unit)
	}
	src.waiting = nil
	return nil
}

// lead returns the track that decides where segments begin: the first video, else the first audio.
func (src *source) lead() *track {
	lead := src.order[0]
	for _, t := range src.order {
		if t.ref.Kind < lead.ref.Kind || t.ref.Kind == lead.ref.Kind && t.ref.Index < lead.ref.Index {
			lead = t
		}
	}
	return lead.track
}

// deliver places one sample on the stream's timeline and hands it to the stream.
func (src *source) deliver(t *sourceTrack, m media.Sample, unit codec.Unit) {
	s := src.stream
	shift, jump := src.time.place(t.lane, m.DTS, m.Arrived)
	if jump {
		s.forced, s.discontinuity = true, true
	}
	m.DTS, m.PTS = m.DTS+shift, m.PTS+shift
	if t.video != nil {
		m.DTS, m.PTS, m.Duration = t.video.place(m.DTS, m.PTS)
		if unit.Leading && t.track.leading {
			s.drop(1)
			return
		}
	} else {
		var ok bool
		if m.DTS, m.Duration, ok = t.audio.place(m.DTS, unit.Duration); !ok {
			s.drop(1)
			return
		}
		m.PTS = m.DTS
		if s.live.Cadence() == nil {
			s.seen.audioFrame = max(s.seen.audioFrame, unit.Duration.Duration(t.lane.scale))
		}
	}
	s.put(t.track, m)
}

// frameDuration returns how long each frame of t lasts, 0 when that varies or is not known.
func (src *source) frameDuration(t *track) time.Duration {
	for _, st := range src.order {
		if st.track == t && st.video != nil && st.video.rate.Num != 0 {
			return media.Ticks(st.video.rate.Den).Duration(media.Timescale(st.video.rate.Num))
		}
	}
	return 0
}

// Close implements session.Source.
func (src *source) Close(reason error) {
	s := src.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if src.closed {
		return
	}
	src.closed = true
	if s.source == src {
		s.source = nil
		s.lost = time.Now()
		if s.live != nil && !s.live.Ended() {
			s.settle()
			s.log.Info("source gone, stream held", "hold", s.o.Hold, "reason", reason)
		}
	}
}
