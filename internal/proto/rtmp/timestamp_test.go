package rtmp

import "testing"

func TestUnwrap(t *testing.T) {
	for name, c := range map[string]struct {
		in   []timestamp
		want []int64
	}{
		"over 2^32":               {[]timestamp{0xFFFFFF00, 0xFFFFFFFF, 0, 40}, []int64{0xFFFFFF00, 0xFFFFFFFF, 1 << 32, 1<<32 + 40}},
		"back over 2^32":          {[]timestamp{0xFFFFFFF0, 5, 0xFFFFFFFA}, []int64{0xFFFFFFF0, 1<<32 + 5, 0xFFFFFFFA}},
		"audio and video crossed": {[]timestamp{1000, 980, 1040, 1003}, []int64{1000, 980, 1040, 1003}},
		"reset to 0":              {[]timestamp{3_600_000, 0, 40}, []int64{3_600_000, 0, 40}},
		"back 5 s":                {[]timestamp{10_000, 5_000}, []int64{10_000, 5_000}},
		"below the start":         {[]timestamp{0, 0xFFFFFFFF}, []int64{0, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			var u unwrapper
			for i, in := range c.in {
				if got := u.unwrap(in); got != c.want[i] {
					t.Errorf("timestamp %d (%#x): got %d, want %d", i, uint32(in), got, c.want[i])
				}
			}
		})
	}
}

func TestUnwrapTwice(t *testing.T) {
	var u unwrapper
	var want int64
	for range 10_000 { // in steps of 15 minutes, about twice around and a bit
		if got := u.unwrap(timestamp(want)); got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
		want += 900_000
	}
}
