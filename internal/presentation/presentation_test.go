package presentation

import (
	"testing"

	"github.com/headrace/headrace/internal/media"
)

// video returns a track of complete segments, each of n samples in so many ticks.
func video(rate media.Rational, segments ...[2]int) *Track {
	t := &Track{ID: "v1", Kind: media.Video}
	in := &Init{Version: "a", Media: media.Init{Codec: media.H264, FrameRate: rate}}
	number := uint64(100)
	for i, s := range segments {
		seg := &Segment{MSN: uint64(10 + i), Init: in, Complete: true, Duration: media.Ticks(s[1])}
		for _, n := range []int{s[0] / 2, s[0] - s[0]/2} {
			seg.Parts = append(seg.Parts, &Part{Number: number, Samples: n})
			number++
		}
		t.Segments = append(t.Segments, seg)
	}
	return t
}

func TestFrameRate(t *testing.T) {
	for name, c := range map[string]struct {
		track *Track
		want  float64
	}{
		"said by the bitstream":   {video(media.Rational{Num: 25, Den: 1}, [2]int{60, 180000}), 25},
		"30":                      {video(media.Rational{}, [2]int{60, 180000}), 30},
		"29.97, rounded to 1 ms":  {video(media.Rational{}, [2]int{60, 180180}, [2]int{60, 180200}), 30000. / 1001},
		"variable: the highest":   {video(media.Rational{}, [2]int{20, 180000}, [2]int{37, 180000}), 19},
		"nothing to tell it from": {video(media.Rational{}), 0},
	} {
		if got := c.track.FrameRate(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	tr := video(media.Rational{}, [2]int{60, 180000}, [2]int{60, 180000}, [2]int{60, 180000})
	tr.Kept, tr.Segments = tr.Segments[:1], tr.Segments[1:]
	for n := uint64(100); n < 106; n++ {
		if p := tr.Part(n); p == nil || p.Number != n {
			t.Errorf("part %d: %+v", n, p)
		}
	}
	if tr.Part(99) != nil || tr.Part(106) != nil || tr.Segment(9) != nil || tr.Segment(13) != nil {
		t.Error("found what is not there")
	}
	if tr.Segment(10).MSN != 10 || tr.Segment(12).MSN != 12 {
		t.Error("segment")
	}
	for _, c := range []struct {
		msn   uint64
		index int
		want  bool
	}{{9, 5, true}, {11, 7, true}, {12, 1, true}, {12, 2, false}, {13, 0, false}} {
		if got := tr.HasPart(c.msn, c.index); got != c.want {
			t.Errorf("HasPart(%d, %d) = %v", c.msn, c.index, got)
		}
	}
	if !tr.HasSegment(12) || tr.HasSegment(13) {
		t.Error("HasSegment")
	}
}
