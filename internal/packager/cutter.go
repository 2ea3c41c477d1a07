package packager

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/headrace/headrace/internal/container/cmaf"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

const (
	trackID = 1 // in the files: each holds one track (ISO/IEC 23000-19, 7.3.1)

	// tolerance is how far before a point of the grid a part may end: frame durations
	// that senders round to milliseconds must not cost the wait for another frame.
	tolerance = 2 * time.Millisecond

	// maxHole is the longest hole that is covered by gap parts. Beyond it the
	// timeline starts over with the next segment, as a discontinuity.
	maxHole = 60 * time.Second

	// maxGapSegments is how many missing segments are made up for. When more are
	// missing, the list starts over.
	maxGapSegments = 64

	// maxTime bounds times, in ticks, so that sums of a few do not overflow: 400,000
	// years at 90 kHz.
	maxTime = 1 << 60

	// maxSegmentBytes bounds a segment that no keyframe ends.
	maxSegmentBytes = 64 << 20
)

// cutter is the packager of one track, as a pure function: entries of the log in,
// snapshots of the track out. Same entries, same bytes. It belongs to one goroutine.
//
// This file follows the log from segment to segment; parts.go cuts a segment.
type cutter struct {
	disc *discontinuities // of the stream

	init     *presentation.Init // of the newest segment
	nextInit *presentation.Init // of the next one, if that is another
	ts       media.Timescale    // of init

	// What the entries so far make of the next sample.
	boundary *media.Event // it begins this segment; nil: it goes on in the open one
	skip     bool         // it is of no use, like all up to the next boundary
	fresh    bool         // its segment begins a period: decode times start over at its PTS
	jump     bool         // its segment is a discontinuity
	unusable bool         // there is no init segment for what the log carries now

	started bool        // there is a segment, the writer's
	open    bool        // it is not complete
	bytes   int         // in it
	period  media.Ticks // PTS of the first sample of the period
	ended   bool

	writer
}

// cutterStats counts what happened. Plain numbers: the owner adds them up.
type cutterStats struct {
	Parts    uint64 // with media
	GapParts uint64
	Segments uint64 // complete, those of gaps included
	Dropped  uint64 // samples that found no place
}

func newCutter(id string, kind media.Kind, cadence media.Cadence, length time.Duration, disc *discontinuities) *cutter {
	return &cutter{
		disc:   disc,
		fresh:  true,
		skip:   true,
		writer: writer{win: window{id: id, kind: kind, cadence: cadence, length: length}},
	}
}

// push takes the next entry of the log and returns the track as it is then, nil if
// players would see no difference.
func (c *cutter) push(e media.Entry) *presentation.Track {
	switch {
	case e.Event == nil:
		c.sample(e.Sample)
	case e.Event.Kind == media.NewInit:
		c.newInit(*e.Event.Init)
	case e.Event.Kind == media.Boundary:
		c.newBoundary(e.Event)
	case e.Event.Kind == media.Discontinuity:
		c.flush()
		c.fresh, c.jump, c.skip = true, true, true
	case e.Event.Kind == media.Gap:
		c.gap(e.Event.MSN, e.Event.At, e.Event.At+e.Event.Duration)
	}
	return c.snapshot()
}

// awaits returns which entries make a difference to players, as far as can be told
// before they come: those that fill the open part, and those that cannot be judged by
// their time alone. The others may wait for them.
func (c *cutter) awaits() func(media.Entry) bool {
	if !c.open || c.skip || c.boundary != nil {
		return func(media.Entry) bool { return true }
	}
	from := c.writer.end - c.shift
	full := min(c.goal-c.grid.slack-c.shift, from+c.grid.most)
	if len(c.part.samples) == 0 { // a sample that leaves a cell of the grid empty
		full = min(full, c.grid.after(c.writer.end+c.grid.slack+1)-c.grid.slack-c.shift)
	}
	return func(e media.Entry) bool {
		s := e.Sample
		return e.Event != nil || s.Duration <= 0 || s.DTS < from || s.DTS+s.Duration >= full
	}
}

// lag tells that entries are missing here, and which configuration holds after them.
func (c *cutter) lag(init *media.Init) *presentation.Track {
	c.flush()
	c.boundary = nil
	c.fresh, c.jump, c.skip = true, c.started, true
	if init != nil {
		c.newInit(*init)
	}
	return c.snapshot()
}

// finish tells that the log has ended.
func (c *cutter) finish() *presentation.Track {
	c.flush()
	c.complete()
	c.ended, c.changed = true, true
	return c.snapshot()
}

// snapshot returns the track if it has changed since the last one. Nothing is
// shown before there is a part with media in it.
func (c *cutter) snapshot() *presentation.Track {
	if !c.changed || c.stats.Parts == 0 || c.win.empty() {
		return nil
	}
	c.changed = false
	return c.win.snapshot(c.number, c.ended)
}

// newInit takes note of a configuration. Another one than now is for the next
// segment: what comes before that is of no use to either decoder.
func (c *cutter) newInit(in media.Init) {
	data, err := cmaf.Init(trackID, in)
	c.unusable = err != nil || in.Timescale() == 0
	if c.unusable {
		c.flush()
		c.nextInit, c.boundary = nil, nil
		c.fresh, c.jump, c.skip = true, c.started, true
		return
	}
	sum := sha256.Sum256(data)
	init := &presentation.Init{Version: hex.EncodeToString(sum[:6]), Media: in, Data: data}
	if c.init != nil && c.init.Version == init.Version {
		c.nextInit = nil
		return
	}
	c.flush()
	c.nextInit, c.fresh, c.skip = init, true, true
}

// newBoundary takes note that the next sample begins a segment.
func (c *cutter) newBoundary(b *media.Event) {
	if c.unusable || c.init == nil && c.nextInit == nil || !c.unused(b.MSN) || !sane(b.At) {
		return
	}
	if p := c.boundary; p != nil { // no sample came in the segment before
		c.gap(p.MSN, p.At, b.At)
	}
	c.boundary, c.skip = b, false
}

// sane reports whether t can be written.
func sane(t media.Ticks) bool { return t >= 0 && t <= maxTime }

// unused reports whether msn is beyond all numbers so far: each is used once.
func (c *cutter) unused(msn uint64) bool {
	return (!c.started || msn > c.segment.MSN) && (c.boundary == nil || msn > c.boundary.MSN)
}

// sample takes the next sample.
func (c *cutter) sample(s media.Sample) {
	if c.boundary == nil && c.bytes+len(s.Data) > maxSegmentBytes || len(s.Data) > maxSegmentBytes {
		c.flush()
		c.skip = true // E10: bounded, whatever comes
	}
	if c.skip {
		c.stats.Dropped++
		return
	}
	if c.boundary != nil && !c.begin(s) {
		c.stats.Dropped++
		return
	}
	at := s.DTS + c.shift
	if !c.placeable(at, s.PTS) { // the clock jumped, and nobody said so: E6
		c.flush()
		c.fresh, c.jump, c.skip = true, true, true
		c.stats.Dropped++
		return
	}
	if !s.Sync && s.PTS < c.period && c.win.kind == media.Video {
		// A leading picture of an open GOP: it refers to what is not in the period (E4).
		c.stats.Dropped++
		return
	}
	c.bytes += len(s.Data)
	c.next(s, at)
}

// begin opens the segment of c.boundary with s as its first sample, and completes
// the one before. It reports false if s cannot be the first.
func (c *cutter) begin(s media.Sample) bool {
	b, at := c.boundary, s.DTS+c.shift
	if !s.Sync {
		return false
	}
	if !c.fresh && (!c.placeable(at, s.PTS) || b.MSN != c.segment.MSN+1) {
		c.flush()
		c.fresh, c.jump = true, true
	}
	if c.fresh {
		at = s.PTS
	}
	if !sane(at) {
		return false
	}
	first := !c.started
	c.leave(b.MSN, b.At, at)

	start := c.end
	if c.fresh {
		// Without a discontinuity (after a gap, or with another init segment) time goes
		// on, unless it cannot.
		if first || at-c.end > c.grid.maxHole || c.end-at > c.grid.part/2 {
			c.jump = c.jump || !first
		}
		if first || c.jump {
			start = at
		}
		c.shift, c.period = at-s.DTS, s.PTS
	}
	c.segment = presentation.Segment{MSN: b.MSN, Start: start, Init: c.init, Discontinuity: c.jump}
	switch {
	case first:
		c.number = uint64(max(start, 0).Duration(c.ts)/time.Millisecond) / 10
		c.win.discontinuity = c.disc.first(b.MSN, start.Duration(c.ts), c.jump)
	case c.jump:
		c.disc.note(b.MSN)
	}
	origin := b.At // audio: where the video's parts are counted from
	if c.win.kind == media.Video {
		origin = at
	}
	c.beginSegment(c.segment, origin, c.fresh)
	if at-start >= c.grid.part/2 {
		c.cover(at)
	}
	c.started, c.open, c.bytes = true, true, 0
	c.boundary, c.fresh, c.jump = nil, false, false
	return true
}

// leave ends the newest segment, since the next entry is for segment msn, which
// begins at; its first sample stands at, boundary is where the grid puts it. Both
// are ticks of the next segment's timescale. It makes up for segments in between.
func (c *cutter) leave(msn uint64, boundary, at media.Ticks) {
	next := c.init
	if c.nextInit != nil {
		next = c.nextInit
	}
	if c.open {
		to := at
		missing := media.Ticks(min(msn-c.segment.MSN-1, maxGapSegments))
		if missing > 0 {
			to = boundary - missing*media.FromDuration(c.win.cadence.Segment, next.Media.Timescale())
		}
		to = to.Rescale(next.Media.Timescale(), c.ts)
		if c.fresh {
			c.flush()
		}
		if !c.fresh {
			c.fill(to, c.grid.part/2)
		} else if to-c.segment.Start <= c.grid.extinf {
			c.fill(to, c.grid.slack)
		}
		c.complete()
	}
	c.adopt(next)
	c.makeUp(msn, boundary)
}

// makeUp adds gap segments for those missing before segment msn, which begins at boundary.
func (c *cutter) makeUp(msn uint64, boundary media.Ticks) {
	if !c.started || msn == c.segment.MSN+1 {
		return
	}
	missing := msn - c.segment.MSN - 1
	if missing > maxGapSegments {
		c.win.clear()
		c.jump = true
		return
	}
	from, each := c.end, (boundary-c.end)/media.Ticks(missing)
	for i := range missing {
		c.gapSegment(c.segment.MSN+1, from+each*media.Ticks(i+1))
	}
}

// adopt makes init the configuration of what comes.
func (c *cutter) adopt(init *presentation.Init) {
	ts := init.Media.Timescale()
	if c.init != nil {
		c.end = c.end.Rescale(c.ts, ts)
	}
	c.init, c.nextInit = init, nil
	if ts != c.ts {
		c.ts, c.duration = ts, 0
		c.grid = newGrid(c.win.cadence, c.win.kind, ts)
	}
}

// gap takes note that segment msn is missing whole.
func (c *cutter) gap(msn uint64, from, to media.Ticks) {
	if p := c.boundary; p != nil && msn > p.MSN { // no sample came in that one either
		c.boundary = nil
		c.gap(p.MSN, p.At, from)
	}
	c.boundary = nil
	if !c.started || !c.unused(msn) || c.unusable || !sane(from) || !sane(to) {
		return
	}
	c.flush()
	c.fresh, c.skip = true, true
	c.leave(msn, from, from)
	c.end = max(c.end, from)
	c.gapSegment(msn, to)
}

// gapSegment adds a segment without media that ends at to.
func (c *cutter) gapSegment(msn uint64, to media.Ticks) {
	to = min(max(to, c.end+c.grid.part), c.end+c.grid.maxHole)
	c.segment = presentation.Segment{MSN: msn, Start: c.end, Init: c.init, Gap: true}
	c.beginSegment(c.segment, c.end, true)
	c.open = true
	c.fill(to, 1)
	c.complete()
}

// complete ends the newest segment, all of which has been written.
func (c *cutter) complete() {
	if !c.open {
		return
	}
	c.open = false
	c.completeSegment()
}
