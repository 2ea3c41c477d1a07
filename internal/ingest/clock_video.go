package ingest

import (
	"math"

	"github.com/headrace/headrace/internal/media"
)

// videoClock undoes what rounding to the publisher's clock has done to the times of
// a constant frame rate: frames that lie within the rounding of an exact grid of
// their rate are put on it. What does not fit (variable frame rate, a dropped
// frame, a hole) keeps its own time. Pure; one per video track of a source.
type videoClock struct {
	step media.Ticks // the publisher's clock step, in ticks of 90 kHz

	rate   media.Rational // zero: not known; frames keep their own times
	base   media.Ticks    // frame 0 of the grid
	n      int64          // frames since base: the newest frame
	strays int            // frames off the grid lately, leaking by one each 8 frames on it

	recent []media.Ticks // the newest times, to find a rate from
}

const (
	maxStrays    = 6  // more than these: the rate is not constant
	rateEvidence = 24 // frames that a rate is found from
)

// commonRates are what cameras and encoders make, the likelier first.
var commonRates = []media.Rational{
	{Num: 30, Den: 1}, {Num: 25, Den: 1}, {Num: 60, Den: 1}, {Num: 50, Den: 1}, {Num: 24, Den: 1},
	{Num: 30000, Den: 1001}, {Num: 60000, Den: 1001}, {Num: 24000, Den: 1001},
	{Num: 15, Den: 1}, {Num: 20, Den: 1}, {Num: 12, Den: 1}, {Num: 10, Den: 1}, {Num: 5, Den: 1},
	{Num: 1, Den: 1}, {Num: 48, Den: 1}, {Num: 90, Den: 1}, {Num: 100, Den: 1}, {Num: 120, Den: 1}, {Num: 240, Den: 1},
}

// newVideoClock returns a clock for frames whose publisher rounds times to step. The
// hint is what the bitstream says of its rate; it is dropped when the frames belie it.
func newVideoClock(step media.Ticks, hint media.Rational) *videoClock {
	c := &videoClock{step: step, n: -1}
	for _, r := range commonRates {
		if f := hint.Float(); math.Abs(f/r.Float()-1) < 1e-4 {
			c.rate = r
		}
	}
	return c
}

// frames returns the length of n frames, rounded to ticks.
func (c *videoClock) frames(n int64) media.Ticks {
	return media.Ticks(n*int64(c.rate.Den)).Rescale(media.Timescale(c.rate.Num), media.VideoTimescale)
}

// tolerance is how far rounding can have moved a time.
func (c *videoClock) tolerance() media.Ticks { return c.step + c.step/2 + 1 }

// place returns the decoding and presentation time of the next frame, whose own
// times are dts and pts, and how long it lasts if that is known, else 0.
func (c *videoClock) place(dts, pts media.Ticks) (d, p, duration media.Ticks) {
	if c.rate.Num == 0 {
		c.learn(dts)
	}
	if c.rate.Num == 0 {
		return dts, pts, 0
	}
	if !c.snap(dts) {
		c.base, c.n = dts, 0
		if c.strays += 2; c.strays > maxStrays {
			c.rate, c.recent = media.Rational{}, append(c.recent[:0], dts)
			return dts, pts, 0
		}
	} else if c.strays > 0 && c.n%8 == 0 {
		c.strays--
	}
	d = c.base + c.frames(c.n)
	p = d + (pts - dts)
	// Both times were rounded: the reordering is a whole number of frames.
	if exact := c.base + c.frames(c.n+c.count(pts-dts)); abs(exact-p) <= c.tolerance()+c.step {
		p = exact
	}
	return d, p, c.base + c.frames(c.n+1) - d
}

// snap moves n to the frame of the grid that dts stands for, and reports whether there is one.
func (c *videoClock) snap(dts media.Ticks) bool {
	n := c.count(dts - c.base)
	if c.n < 0 || n <= c.n || abs(c.base+c.frames(n)-dts) > c.tolerance() {
		return false
	}
	if n > c.n+1 {
		c.strays++ // a frame was dropped
	}
	c.n = n
	if whole := int64(c.rate.Num) * 10; c.n >= whole { // a whole number of ticks: keep the counts small
		c.base += c.frames(whole)
		c.n -= whole
	}
	return true
}

// count returns how many frames t is, rounded to nearest.
func (c *videoClock) count(t media.Ticks) int64 {
	return int64(t.Rescale(media.VideoTimescale*media.Timescale(c.rate.Den), media.Timescale(c.rate.Num)))
}

// learn looks for a common rate that the newest times fit.
func (c *videoClock) learn(dts media.Ticks) {
	c.recent = append(c.recent, dts)
	if len(c.recent) < rateEvidence {
		return
	}
	for _, r := range commonRates {
		if fits(r, c.recent, c.tolerance()) {
			c.rate, c.strays = r, 0
			c.base, c.n = c.recent[0], int64(len(c.recent))-2
			break
		}
	}
	c.recent = c.recent[:copy(c.recent, c.recent[len(c.recent)/2:])]
}

// fits reports whether the times are those of a constant rate r.
func fits(r media.Rational, times []media.Ticks, tolerance media.Ticks) bool {
	for i, t := range times {
		exact := times[0] + media.Ticks(int64(i)*int64(r.Den)).Rescale(media.Timescale(r.Num), media.VideoTimescale)
		if abs(t-exact) > tolerance {
			return false
		}
	}
	return true
}

func abs(t media.Ticks) media.Ticks {
	if t < 0 {
		return -t
	}
	return t
}
