package packager

import (
	"slices"
	"time"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// minSegments is how many complete segments a playlist lists at least, once there
// are that many. HLS Authoring Specification for Apple Devices, 8.11.
const minSegments = 6

// window is the segments of a track that can be fetched: those listed, and those
// that have left the list and are kept a while. What it has handed out in a
// snapshot it never changes: a segment that gains a part is a new value.
type window struct {
	id      string
	kind    media.Kind
	cadence media.Cadence
	length  time.Duration // of media to list

	list []*presentation.Segment // complete
	open *presentation.Segment   // the one that grows, nil while it has no part

	kept      []*presentation.Segment
	keptUntil []time.Duration // beside kept: on the clock

	clock         time.Duration // media completed so far
	listed        time.Duration // media in list
	discontinuity uint64        // sequence number of the first segment in list

	rate rate
}

// add appends p to the open segment; s says which segment that is.
func (w *window) add(s presentation.Segment, p *presentation.Part) {
	if w.open != nil {
		s = *w.open
	}
	s.Parts = append(s.Parts, p) // beyond what older snapshots look at
	s.Duration += p.Duration
	w.open = &s
	if len(w.list) == 0 { // until there is a complete one, to declare something
		w.measure(w.open)
	}
}

// complete ends the open segment. Without one it does nothing.
func (w *window) complete() {
	if w.open == nil {
		return
	}
	s := *w.open
	s.Complete = true
	w.open = nil
	w.list = append(w.list, &s)
	d := s.Duration.Duration(s.Timescale())
	w.listed += d
	w.clock += d
	w.measure(w.list...)
	w.slide()
}

// measure takes in the rates of segments, which are all there are.
func (w *window) measure(segments ...*presentation.Segment) {
	w.rate.measure(segments, w.cadence.TargetDuration)
	bytes, length := 0, time.Duration(0)
	for _, s := range segments {
		bytes += s.Size()
		length += s.Duration.Duration(s.Timescale())
	}
	w.rate.mean = max(w.rate.mean, bitrate(bytes, max(length, w.cadence.TargetDuration/2)))
}

// slide lets go of the oldest segments while the list is long enough without them
// (rfc8216bis, 6.2.2: never below three target durations).
func (w *window) slide() {
	least := max(w.length, 3*w.cadence.TargetDuration)
	for len(w.list) > minSegments {
		s := w.list[0]
		d := s.Duration.Duration(s.Timescale())
		if w.listed-d < least {
			break
		}
		w.drop(d)
	}
	n := 0
	for n < len(w.kept) && w.keptUntil[n] <= w.clock {
		n++
	}
	if n > 0 { // cloned, so that the array does not hold on to what has gone
		w.kept, w.keptUntil = slices.Clone(w.kept[n:]), slices.Clone(w.keptUntil[n:])
	}
}

// drop takes the oldest segment, of duration d, off the list. It can be fetched for
// its own duration and that of the list which held it (rfc8216bis, 6.2.2).
func (w *window) drop(d time.Duration) {
	s := w.list[0]
	w.kept = append(w.kept, s)
	w.keptUntil = append(w.keptUntil, w.clock+w.listed+d)
	w.list = slices.Clone(w.list[1:]) // the array would hold on to s
	w.listed -= d
	if s.Discontinuity {
		w.discontinuity++
	}
}

// empty reports whether nothing is listed.
func (w *window) empty() bool { return len(w.list) == 0 && w.open == nil }

// clear takes everything off the list.
func (w *window) clear() {
	for len(w.list) > 0 {
		s := w.list[0]
		w.drop(s.Duration.Duration(s.Timescale()))
	}
}

// snapshot returns the track as it is now. There is at least one segment.
func (w *window) snapshot(nextPart uint64, ended bool) *presentation.Track {
	segments := make([]*presentation.Segment, len(w.list), len(w.list)+1)
	copy(segments, w.list)
	if w.open != nil {
		segments = append(segments, w.open)
	}
	return &presentation.Track{
		ID:                    w.id,
		Kind:                  w.kind,
		Cadence:               w.cadence,
		Segments:              segments,
		Kept:                  w.kept[:len(w.kept):len(w.kept)],
		DiscontinuitySequence: w.discontinuity,
		NextPart:              nextPart,
		NextMSN:               segments[len(segments)-1].MSN + 1,
		Bandwidth:             w.rate.peak,
		AverageBandwidth:      w.rate.mean,
		Ended:                 ended,
	}
}

// rate is the bit rates that multivariant playlists declare, in bit/s with the
// bytes of the container. They only go up.
type rate struct{ peak, mean int }

// measure takes in every run of segments that ends with the newest one and lasts at
// most one and a half target durations (rfc8216bis, 4.4.6.2). A run shorter than half
// a target duration counts as if it were that long: the first part of a stream, a
// keyframe for the most part, says too little, and what is declared is not taken back.
func (r *rate) measure(segments []*presentation.Segment, target time.Duration) {
	least, most := target/2, target+target/2
	var bytes int
	var length time.Duration
	for i := len(segments) - 1; i >= 0; i-- {
		s := segments[i]
		d := s.Duration.Duration(s.Timescale())
		if length > 0 && length+d > most {
			return
		}
		bytes += s.Size()
		length += d
		r.peak = max(r.peak, bitrate(bytes, max(length, least)))
	}
}

func bitrate(bytes int, d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return int(float64(bytes) * 8 / d.Seconds())
}
