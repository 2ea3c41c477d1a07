package e2e

import (
	"testing"
	"time"
)

// TestFault_E6_TimestampsJump: an encoder's clock leaps while it goes on sending. The
// stream's own timeline goes on, every unit comes out, and a leap of all tracks is
// announced as a discontinuity.
func TestFault_E6_TimestampsJump(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	file := avClip(t, "12")
	const hour = 3_600_000 // milliseconds
	after := func(from int64, f func(g *tag)) func(*tag) bool {
		return func(g *tag) bool {
			if g.ms >= from {
				f(g)
			}
			return true
		}
	}
	for _, c := range []struct {
		name   string
		breaks int // discontinuities
		edit   func(*tag) bool
	}{
		{"forward-one-hour", 1, after(5000, func(g *tag) { g.ms += hour })},
		{"back-one-hour", 1, func(g *tag) bool {
			if g.ms < 5000 {
				g.ms += hour
			}
			return true
		}},
		{"to-zero", 1, after(5000, func(g *tag) { g.ms -= 5000 })},
		{"audio-alone", 0, after(5000, func(g *tag) {
			if g.kind == flvAudio {
				g.ms += hour
			}
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pushTags(t, s.push(c.name), readFLV(t, file), c.edit)
			s.waitLive(t, c.name, 1)
			stop := s.followAll(t, c.name)
			out := ffprobe(t, time.Minute, s.master(c.name), fromStart...)
			breaks := 0
			for _, seg := range stop().tracks["video"].seen {
				if seg.discontinuity {
					breaks++
				}
			}
			if breaks != c.breaks {
				t.Errorf("%d discontinuities, want %d", breaks, c.breaks)
			}
			in := ffprobe(t, time.Minute, file)
			for _, kind := range []string{"video", "audio"} {
				m, err := align(in.of(kind), out.of(kind))
				if err != nil {
					t.Errorf("%s: %v", kind, err)
					continue
				}
				// Where the clock leaps only arrival tells the time, to within the network's jitter.
				if m.spread > 0.3 {
					t.Errorf("%s: the timeline moves by %.3f s against the input's", kind, m.spread)
				}
				if missing := len(in.of(kind)) - m.count; missing > 3 {
					t.Errorf("%s: %d packets are missing", kind, missing)
				}
			}
		})
	}
}

// TestFault_E12_HoleOfFiveSeconds: the encoder pauses and goes on with its clock. The
// hole stays a hole: what comes after it is five seconds later.
func TestFault_E12_HoleOfFiveSeconds(t *testing.T) {
	t.Parallel()
	s := start(t, quick, map[string]string{"ingest.hold": "12s"})
	file := avClip(t, "16")
	pushTags(t, s.push("hole"), readFLV(t, file), func(g *tag) bool { return g.config() || g.ms < 5000 || g.ms >= 10000 })
	s.waitLive(t, "hole", 1)
	f := newFollower(s, "hole", s.trackOf(t, "hole", "video"))
	f.patient = 14 * time.Second
	f.run(t.Context())
	if n := len(f.check(t)); n < 10*30 {
		t.Errorf("%d frames, want those before and after the hole", n)
	}
	if len(f.seen) < 2 {
		t.Fatalf("%d segments", len(f.seen))
	}
	first, last := f.seen[0], f.seen[len(f.seen)-1]
	for i := len(f.seen) - 1; last.gap; i-- { // the encoder has gone, the stream is held for it
		last = f.seen[i]
	}
	span := last.date.Sub(first.date).Seconds() + last.duration
	if span < 14.5 || span > 17 {
		t.Errorf("the list spans %.3f s of wall clock, want about 16", span)
	}
}
