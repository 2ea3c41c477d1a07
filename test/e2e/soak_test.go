//go:build soak

package e2e

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"
)

// soak is how long TestSoak runs: go test -tags soak ./test/e2e -run TestSoak -soak 10m
var soak = flag.Duration("soak", 10*time.Minute, "run TestSoak for so long")

// TestSoak plays one stream for long, its encoder coming and going once a minute, and
// samples what the server uses: after a warm-up neither memory nor goroutines grow.
func TestSoak(t *testing.T) {
	s := start(t)
	e := &encoder{t: t, url: s.push("soak"), tags: readFLV(t, avClip(t, "62"))}
	e.background(func(ctx context.Context) {
		for ctx.Err() == nil {
			e.session(ctx, time.Minute)
			pause(ctx, time.Second)
		}
	})
	s.waitLive(t, "soak", 3)
	var stops []func() *follower
	for _, r := range s.tracks(t, "soak") {
		f := newFollower(s, "soak", r.id)
		f.patient, f.forgetful = 10*time.Second, true
		stops = append(stops, follow(t, f))
	}
	page := s.watch(t, "soak", *soak)
	var memory, goroutines []float64
	for end := time.Now().Add(*soak); time.Now().Before(end); {
		pause(t.Context(), 5*time.Second)
		memory = append(memory, float64(s.rss(t)))
		goroutines = append(goroutines, s.mustMetric(t, "go_goroutines"))
	}
	page.report(t).playedBut(t, 4*time.Second*time.Duration(*soak/time.Minute+1))
	for _, stop := range stops {
		f := stop()
		for _, p := range f.problems {
			t.Error(p)
		}
		t.Logf("%d lists, %d segments, %v at most between two", f.lists, len(f.seen), f.longest)
	}
	// The first third fills the window and the kept segments.
	for what, samples := range map[string][]float64{"memory": memory, "goroutines": goroutines} {
		early, late := samples[len(samples)/3:len(samples)*2/3], samples[len(samples)*2/3:]
		t.Logf("%s: %.0f in the middle third, %.0f in the last (medians)", what, median(early), median(late))
		if median(late) > 1.15*median(early)+5 {
			t.Errorf("%s grows", what)
		}
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
