// Package presentation is what players can ask for at one moment: renditions, their
// segments and parts, as immutable values. Packagers make them, manifests and
// delivery read them. It knows no manifest syntax and no HTTP.
package presentation

import (
	"math"
	"sort"
	"time"

	"github.com/headrace/headrace/internal/media"
)

// Init is an initialisation segment, named by its content, so that the name is the
// same on every node and never means two things: init-{Version}.mp4.
type Init struct {
	Version string // [0-9a-f]+
	Media   media.Init
	Data    []byte // ftyp, moov
}

// Part is a run of samples as written to the wire: one CMAF chunk, or what is
// missing where a chunk should be.
type Part struct {
	Number          uint64 // counted over the track, not within the segment; names the part: p-{Number}.m4s
	Start, Duration media.Ticks
	Independent     bool      // it contains a sync sample (rfc8216bis, 4.4.4.9: INDEPENDENT)
	Gap             bool      // there is no media: Data is nil
	Samples         int       // in it
	Data            []byte    // moof, mdat
	Arrived         time.Time // when the newest sample in it reached us
}

// Segment is a run of parts under one media sequence number.
type Segment struct {
	MSN             uint64
	Start, Duration media.Ticks // of Timescale; Duration: of the parts so far
	Init            *Init       // never nil
	Discontinuity   bool        // it does not continue the one before
	Gap             bool        // it is missing whole
	Complete        bool        // no further part will come
	Parts           []*Part
}

// Timescale returns what the times of the segment and its parts are counted in. It
// can differ between segments: an encoder may come back with another sample rate.
func (s *Segment) Timescale() media.Timescale { return s.Init.Media.Timescale() }

// Size returns the bytes of the parts so far.
func (s *Segment) Size() int {
	n := 0
	for _, p := range s.Parts {
		n += len(p.Data)
	}
	return n
}

// Track is one rendition at one moment. It never changes: a packager that has more
// to tell makes a new Track, which shares segments and parts with the old one.
type Track struct {
	ID      string
	Kind    media.Kind
	Cadence media.Cadence

	// Segments is what playlists list, oldest first. Only the last may be incomplete;
	// an incomplete segment has at least one part.
	Segments []*Segment

	// Kept are segments that have left the list and can still be fetched, oldest first.
	Kept []*Segment

	DiscontinuitySequence uint64 // of Segments[0] (EXT-X-DISCONTINUITY-SEQUENCE)
	NextPart              uint64 // the number that the next part will have: the preload hint
	NextMSN               uint64 // the number of the segment after the last of Segments

	// Measured over the list, in bit/s with container overhead: the highest rate of
	// any run of segments between half and one and a half target durations, and the
	// mean. They only go up in the stream's life (rfc8216bis, 4.4.6.2).
	Bandwidth, AverageBandwidth int

	Ended bool // nothing will be added: EXT-X-ENDLIST
}

// Init returns the newest initialisation segment, nil while there is none.
func (t *Track) Init() *Init {
	if len(t.Segments) == 0 {
		return nil
	}
	return t.Segments[len(t.Segments)-1].Init
}

// FrameRate returns the frames a second of a video track: what its bitstream says, else
// the highest rate of a complete segment, taken for the common rate that it is near to,
// or else for a whole number. 0 while there is nothing to tell it from.
func (t *Track) FrameRate() float64 {
	in := t.Init()
	if in == nil || t.Kind != media.Video {
		return 0
	}
	if f := in.Media.FrameRate.Float(); f > 0 {
		return f
	}
	most := 0.0
	for _, s := range t.Segments {
		if s.Complete && !s.Gap && s.Duration > 0 {
			n := 0
			for _, p := range s.Parts {
				n += p.Samples
			}
			most = max(most, float64(n)/s.Duration.Seconds(s.Timescale()))
		}
	}
	for _, common := range []float64{24000. / 1001, 24, 25, 30000. / 1001, 30, 48, 50, 60000. / 1001, 60, 120} {
		if math.Abs(most/common-1) < 0.0004 {
			return common
		}
	}
	return math.Round(most)
}

// Last returns the sequence number of the newest segment that has a part, and how
// many parts that has. ok is false while there is none.
func (t *Track) Last() (msn uint64, parts int, ok bool) {
	if len(t.Segments) == 0 {
		return 0, 0, false
	}
	s := t.Segments[len(t.Segments)-1]
	return s.MSN, len(s.Parts), true
}

// HasSegment reports whether segment msn is complete, or older than the list.
func (t *Track) HasSegment(msn uint64) bool {
	last, _, ok := t.Last()
	if !ok || msn > last {
		return false
	}
	return msn < last || t.Segments[len(t.Segments)-1].Complete
}

// HasPart reports whether part index of segment msn is there, or anything later. An
// index beyond the last part of a complete segment means the first part of the next
// one (rfc8216bis, 6.2.5.2).
func (t *Track) HasPart(msn uint64, index int) bool {
	last, parts, ok := t.Last()
	if !ok || msn > last {
		return false
	}
	return msn < last || index < parts
}

// index returns the place of segment msn in the list, -1 when it is not there.
func (t *Track) index(msn uint64) int {
	if n := len(t.Segments); n > 0 && msn >= t.Segments[0].MSN && msn-t.Segments[0].MSN < uint64(n) {
		return int(msn - t.Segments[0].MSN)
	}
	return -1
}

// Segment returns segment msn if it can be fetched, listed or kept; else nil.
func (t *Track) Segment(msn uint64) *Segment {
	if i := t.index(msn); i >= 0 {
		return t.Segments[i]
	}
	i := sort.Search(len(t.Kept), func(i int) bool { return t.Kept[i].MSN >= msn })
	if i < len(t.Kept) && t.Kept[i].MSN == msn {
		return t.Kept[i]
	}
	return nil
}

// Part returns the part of that number if it can be fetched; else nil.
func (t *Track) Part(number uint64) *Part {
	for _, list := range [][]*Segment{t.Segments, t.Kept} {
		i := sort.Search(len(list), func(i int) bool {
			p := list[i].Parts
			return len(p) > 0 && p[len(p)-1].Number >= number
		})
		if i < len(list) {
			if p := list[i].Parts; p[0].Number <= number && number-p[0].Number < uint64(len(p)) {
				return p[number-p[0].Number]
			}
		}
	}
	return nil
}

// InitVersion returns the initialisation segment of that version if a fetchable segment refers to it; else nil.
func (t *Track) InitVersion(version string) *Init {
	for _, list := range [][]*Segment{t.Segments, t.Kept} {
		for i := len(list) - 1; i >= 0; i-- {
			if in := list[i].Init; in.Version == version {
				return in
			}
		}
	}
	return nil
}
