package media

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRescaleIsExactToNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64Range(-1<<52, 1<<52).Draw(t, "t")
		from := Timescale(rapid.Uint32Range(1, 1_000_000_000).Draw(t, "from"))
		to := Timescale(rapid.Uint32Range(1, 1_000_000).Draw(t, "to"))
		got := int64(Ticks(v).Rescale(from, to))
		// |got*from - v*to| <= from/2
		diff := new(big.Int).Mul(big.NewInt(got), big.NewInt(int64(from)))
		diff.Sub(diff, new(big.Int).Mul(big.NewInt(v), big.NewInt(int64(to))))
		if diff.Abs(diff).Cmp(big.NewInt(int64(from)/2+1)) > 0 {
			t.Fatalf("%d from %d to %d = %d: off by %v/%d", v, from, to, got, diff, from)
		}
	})
}

// Row E9: arithmetic holds after 400 days, and in the year 2100.
func TestFault_E9_LongUptime(t *testing.T) {
	for _, at := range []time.Time{time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC).Add(400 * 24 * time.Hour), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)} {
		for _, ts := range []Timescale{90000, 48000, 44100, 1000} {
			got := FromTime(at, ts).Time(ts)
			if d := got.Sub(at); d < -time.Second/time.Duration(ts) || d > time.Second/time.Duration(ts) {
				t.Errorf("%v in 1/%d s and back = %v", at, ts, got)
			}
		}
	}
}

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		t    Ticks
		ts   Timescale
		want time.Duration
	}{{90000, 90000, time.Second}, {1, 90000, 11111}, {-3003, 90000, -33366667}, {1024, 48000, 21333333}, {0, 1, 0}} {
		if got := c.t.Duration(c.ts); got != c.want {
			t.Errorf("%d/%d = %d, want %d", c.t, c.ts, got, c.want)
		}
	}
}
