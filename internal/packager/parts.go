package packager

import (
	"time"

	"github.com/headrace/headrace/internal/container/cmaf"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// grid is the cadence in ticks of a track.
type grid struct {
	part  media.Ticks // distance of the grid's points
	most  media.Ticks // the longest that a part may be
	least media.Ticks // a part that ends at a point of the grid is at least so long
	slack media.Ticks // tolerance

	extinf  media.Ticks // the longest segment that rounds to the target duration (rfc8216bis, 4.4.3.1)
	maxHole media.Ticks
	origin  media.Ticks // of the points, in the open segment
}

func newGrid(cadence media.Cadence, kind media.Kind, ts media.Timescale) grid {
	in := func(d time.Duration) media.Ticks { return media.FromDuration(d, ts) }
	g := grid{
		part:    max(in(cadence.Part), in(10*time.Millisecond), 1),
		most:    in(cadence.PartTarget),
		slack:   in(tolerance),
		extinf:  in(cadence.TargetDuration + 499*time.Millisecond),
		maxHole: in(maxHole),
	}
	if g.most.Duration(ts) > cadence.PartTarget {
		g.most-- // rounded up: a part must not exceed PART-TARGET by a tick
	}
	g.most = max(g.most, g.part)
	// rfc8216bis, 4.4.4.9: at least 85 % of the target, unless it is independent. All
	// audio parts are, so for them it is only kept from becoming tiny.
	g.least = min((g.most*85+99)/100+g.slack, g.part-g.slack)
	if kind == media.Audio {
		g.least = min(2*(g.most-g.part), g.part/2)
	}
	return g
}

// after returns the first point of the grid at or after t.
func (g grid) after(t media.Ticks) media.Ticks {
	n := (t - g.origin) / g.part
	if t > g.origin+n*g.part {
		n++
	}
	return g.origin + n*g.part
}

// writer cuts the samples of a segment into parts and writes them. It keeps the
// written decode timeline, which is without holes but for those that gap parts
// stand for.
type writer struct {
	win    window
	grid   grid
	number uint64 // of the next part

	segment presentation.Segment // the open one
	end     media.Ticks          // of the closed parts: where the open part begins
	goal    media.Ticks          // the point of the grid where the open part should end
	resumed bool                 // there is a hole before: the first sample need not be at end
	shift   media.Ticks          // from DTS to the written decode time

	held     held // the newest sample, while its end is not known
	holding  bool
	part     openPart
	duration media.Ticks // of the last sample whose end was known, 0 if none

	changed bool // since the last snapshot
	stats   cutterStats
}

// held is a sample and its place on the written decode timeline.
type held struct {
	media.Sample
	at media.Ticks
}

// openPart is the samples of the part that grows.
type openPart struct {
	samples []cmaf.Sample // reused
	first   media.Ticks   // decode time of the first
	last    media.Ticks   // decode time of the last
	end     media.Ticks   // of the last
	sync    bool
	arrived time.Time
}

// beginSegment begins to write s. origin is where its grid is counted from; resumed
// says that its first sample need not be where it starts.
func (w *writer) beginSegment(s presentation.Segment, origin media.Ticks, resumed bool) {
	w.segment = s
	w.grid.origin = origin
	w.resumed = resumed
	w.startPart(s.Start)
}

// completeSegment ends the segment, whose parts are all closed.
func (w *writer) completeSegment() {
	w.win.complete()
	w.stats.Segments++
	w.changed = true
}

// startPart makes t the beginning of the next part.
func (w *writer) startPart(t media.Ticks) {
	w.end = t
	w.goal = w.grid.after(t + w.grid.least)
}

// next takes a sample, whose place on the written decode timeline is at. The part is
// closed at once if the duration that the sample promises makes it full: waiting for
// the next sample would cost a frame of latency.
func (w *writer) next(s media.Sample, at media.Ticks) {
	if w.holding {
		w.settle(max(at, w.held.at+1))
	}
	if w.win.open != nil { // what is missing before a segment is not the segment's
		w.cover(at)
	}
	place := w.end
	switch {
	case len(w.part.samples) > 0:
		place = w.part.end
	case w.resumed:
		place = max(at, w.end)
	}
	w.held, w.holding = held{s, place}, true
	if s.Duration <= 0 {
		return
	}
	end := max(at+s.Duration, place+1)
	if len(w.part.samples) > 0 && end-w.end > w.grid.most && place-w.end >= w.grid.least {
		w.closePart(place) // it would be too long with this sample
	}
	if end >= w.goal-w.grid.slack || end-w.end > w.grid.most {
		w.settle(end)
	}
}

// settle puts the held sample into the part, now that its end is known, and closes
// the part if that makes it full. What goes on beyond the longest part is cut: the
// picture stands, but nothing that is written says so (E12).
func (w *writer) settle(end media.Ticks) {
	h := w.held
	w.held, w.holding = held{}, false
	w.duration = end - h.at
	if len(w.part.samples) > 0 && end-w.end > w.grid.most && h.at >= w.limit() {
		w.closePart(h.at)
	}
	p := &w.part
	if len(p.samples) == 0 {
		p.first = h.at
	}
	p.samples = append(p.samples, cmaf.Sample{
		Data:     h.Data,
		Duration: uint32(end - h.at),
		Offset:   int32(h.PTS - h.at),
		Sync:     h.Sync,
	})
	p.last, p.end = h.at, end
	p.sync = p.sync || h.Sync
	p.arrived = h.Arrived
	switch {
	case end-w.end > w.grid.most:
		w.closePart(w.limit())
	case end >= w.goal-w.grid.slack:
		w.closePart(end)
	}
}

// limit is where a part ends whose last sample goes on for too long.
func (w *writer) limit() media.Ticks { return min(w.goal, w.end+w.grid.most) }

// closePart writes the open part. Its last sample ends at end.
func (w *writer) closePart(end media.Ticks) {
	p := &w.part
	p.samples[len(p.samples)-1].Duration = uint32(end - p.last)
	w.add(&presentation.Part{
		Independent: p.sync,
		Arrived:     p.arrived,
		Samples:     len(p.samples),
		Data: cmaf.Chunk{
			TrackID:    trackID,
			Sequence:   uint32(w.number),
			DecodeTime: uint64(p.first),
			Samples:    p.samples,
		}.Bytes(),
	}, end)
	clear(p.samples) // the samples' bytes are the log's, not ours to keep
	*p = openPart{samples: p.samples[:0]}
	w.resumed = false
	w.stats.Parts++
}

// gapPart writes that there is nothing up to end.
func (w *writer) gapPart(end media.Ticks) {
	w.add(&presentation.Part{Gap: true}, end)
	w.resumed = true
	w.stats.GapParts++
}

func (w *writer) add(p *presentation.Part, end media.Ticks) {
	p.Number, p.Start, p.Duration = w.number, w.end, end-w.end
	w.number++
	w.win.add(w.segment, p)
	w.startPart(end)
	w.changed = true
}

// cover writes gap parts for the cells of the grid in which there is no sample, the
// next one being at. It does nothing while the part has samples.
func (w *writer) cover(at media.Ticks) {
	if len(w.part.samples) > 0 {
		return
	}
	for {
		cell := w.grid.after(w.end + w.grid.slack + 1)
		if at < cell-w.grid.slack {
			return
		}
		w.gapPart(min(cell, at))
	}
}

// flush closes the open part with all that is there: the next sample will not tell
// how long the last one is.
func (w *writer) flush() {
	if w.holding {
		d := w.held.Duration
		if d <= 0 {
			d = w.duration
		}
		if d <= 0 {
			d = w.limit() - w.held.at
		}
		w.settle(w.held.at + max(d, 1))
	}
	if len(w.part.samples) > 0 {
		w.closePart(w.part.end)
	}
}

// fill closes the open part and writes gap parts up to end, where the segment ends
// and, if there is no jump, the next sample stands. What is missing is left open if
// it is less than least: the next segment begins a little earlier then.
func (w *writer) fill(end, least media.Ticks) {
	if w.holding {
		w.settle(max(end, w.held.at+1))
	}
	if len(w.part.samples) > 0 {
		w.closePart(w.part.end)
	}
	if missing := end - w.end; missing <= 0 || missing < least {
		return
	}
	w.cover(end)
	if w.end < end {
		w.gapPart(end)
	}
}

// placeable reports whether a sample, placed at and presented at pts, can go on in
// the period.
func (w *writer) placeable(at, pts media.Ticks) bool {
	offset := pts - at
	return at >= 0 && at-w.end <= w.grid.maxHole && w.end-at <= w.grid.maxHole &&
		offset >= -w.grid.maxHole && offset <= w.grid.maxHole
}
