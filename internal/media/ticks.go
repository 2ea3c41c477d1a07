package media

import (
	"math/bits"
	"time"
)

// Timescale is a number of ticks a second.
type Timescale uint32

// Ticks counts media time in some Timescale, which the owner of the value knows.
// Points in time are counted from the Unix epoch once ingest has placed a source
// on its stream's timeline; before that they are the source's own.
type Ticks int64

// Rescale returns t, counted in from, as a count in to, rounded to nearest.
// The product is kept in 128 bits, so years of 90 kHz time do not overflow.
func (t Ticks) Rescale(from, to Timescale) Ticks {
	if from == to || from == 0 {
		return t
	}
	neg := t < 0
	u := uint64(t)
	if neg {
		u = -u
	}
	hi, lo := bits.Mul64(u, uint64(to))
	lo, carry := bits.Add64(lo, uint64(from)/2, 0)
	hi += carry
	if hi >= uint64(from) {
		hi %= uint64(from) // beyond 64 bits: only a broken caller gets here; stay defined
	}
	q, _ := bits.Div64(hi, lo, uint64(from))
	if neg {
		return -Ticks(q)
	}
	return Ticks(q)
}

// Duration returns t, counted in ts, as wall-clock time.
func (t Ticks) Duration(ts Timescale) time.Duration {
	return time.Duration(t.Rescale(ts, Timescale(time.Second)))
}

// Seconds returns t, counted in ts, in seconds.
func (t Ticks) Seconds(ts Timescale) float64 {
	return float64(t) / float64(ts)
}

// Time returns the wall-clock time of t, counted in ts from the Unix epoch, in UTC.
func (t Ticks) Time(ts Timescale) time.Time {
	return time.Unix(0, int64(t.Duration(ts))).UTC()
}

// FromDuration returns d as a count of ts, rounded to nearest.
func FromDuration(d time.Duration, ts Timescale) Ticks {
	return Ticks(d).Rescale(Timescale(time.Second), ts)
}

// FromTime returns the ticks of ts between the Unix epoch and t.
func FromTime(t time.Time, ts Timescale) Ticks {
	return FromDuration(time.Duration(t.UnixNano()), ts)
}
