package node

import "testing"

func TestGCPercentLeavesLittleGarbageBesideMedia(t *testing.T) {
	const mb = 1 << 20
	for name, c := range map[string]struct {
		heap, media uint64
		want        int
	}{
		"nothing yet":                       {0, 0, 100},
		"no media":                          {8 * mb, 0, 100},
		"a hundred streams":                 {2500 * mb, 2400 * mb, 8},
		"one stream":                        {30 * mb, 25 * mb, 20},
		"a stream and thousands of viewers": {300 * mb, 25 * mb, 92},
		"more media than the last collection saw": {100 * mb, 150 * mb, 5},
	} {
		t.Run(name, func(t *testing.T) {
			if got := gcPercent(c.heap, c.media); got != c.want {
				t.Errorf("gcPercent(%d MB, %d MB) = %d, want %d", c.heap/mb, c.media/mb, got, c.want)
			}
		})
	}
}
