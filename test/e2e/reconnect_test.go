package e2e

import (
	"context"
	"testing"
	"time"
)

// outages are how long the encoder of TestFault_P1 stays away.
var outages = []time.Duration{200 * time.Millisecond, 2 * time.Second, 20 * time.Second}

// TestFault_P1_EncoderReturnsWithTimestampsFromZero: whatever the outage, players stay
// on their playlist, sequence numbers go up by one, and nothing but the outage is lost.
// A follower of each track holds that against the rules; a Chromium page plays all along.
func TestFault_P1_EncoderReturnsWithTimestampsFromZero(t *testing.T) {
	t.Parallel()
	const each, last = 12 * time.Second, 22 * time.Second
	s := start(t)
	e := &encoder{t: t, url: s.push("flaky"), tags: readFLV(t, avClip(t, "22"))}
	finished := make(chan struct{})
	e.background(func(ctx context.Context) {
		defer close(finished)
		e.session(ctx, each)
		for i, d := range outages {
			pause(ctx, d)
			e.session(ctx, []time.Duration{each, each, last}[i])
		}
	})
	s.waitLive(t, "flaky", 1)
	stops := map[string]func() *follower{}
	for _, r := range s.tracks(t, "flaky") {
		f := newFollower(s, "flaky", r.id)
		f.patient = 25 * time.Second
		stops[r.kind] = follow(t, f)
	}
	page := s.watch(t, "flaky", 3*each+last+22*time.Second-16*time.Second)
	<-finished
	for kind, stop := range stops {
		f := stop()
		samples := len(f.check(t))
		breaks := 0
		for _, seg := range f.seen {
			if seg.discontinuity {
				breaks++
			}
		}
		if breaks != len(outages) {
			t.Errorf("%s: %d discontinuities in %d segments, want %d", kind, breaks, len(f.seen), len(outages))
		}
		if f.longest > outages[2]+5*time.Second {
			t.Errorf("%s: nothing new for %v", kind, f.longest)
		}
		if kind != "video" {
			continue
		}
		// A segment is two seconds: one may be lost at each end, besides what was in flight.
		sent := int(e.frames.Load())
		if lost := sent - samples; lost < 0 || lost > (len(outages)+1)*2*30 {
			t.Errorf("%d frames were sent, %d came out", sent, samples)
		}
	}
	r := page.report(t)
	lost := 4 * time.Second // for each outage, to notice, and to fill the buffer anew
	r.playedBut(t, outages[0]+outages[1]+outages[2]+time.Duration(len(outages))*lost)
	// hls.js gets stuck on a run of gaps and the page sets it up again, by itself.
	if r.Starts > 4 {
		t.Errorf("the player was set up %d times", r.Starts)
	}
}

// TestKill9AndRestart: the server dies without warning and starts again. Numbers go up,
// no name is used twice, and the page plays again by itself.
func TestKill9AndRestart(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := &encoder{t: t, url: s.push("phoenix"), tags: readFLV(t, avClip(t, "62"))}
	e.background(func(ctx context.Context) {
		for ctx.Err() == nil {
			e.session(ctx, time.Minute)
		}
	})
	s.waitLive(t, "phoenix", 3)
	stops := map[string]func() *follower{}
	for _, r := range s.tracks(t, "phoenix") {
		f := newFollower(s, "phoenix", r.id)
		f.patient, f.restarts = 25*time.Second, true
		stops[r.kind] = follow(t, f)
	}
	page := s.watch(t, "phoenix", 40*time.Second)
	s.waitLive(t, "phoenix", 7) // by then the page plays
	s.kill9()
	s.run()
	down := time.Now()
	s.waitLive(t, "phoenix", 3)
	t.Logf("three segments %v after the restart", time.Since(down).Round(time.Millisecond))
	page.report(t).playedBut(t, 14*time.Second)
	for kind, stop := range stops {
		f := stop()
		f.check(t)
		jumps := 0
		for i := 1; i < len(f.seen); i++ {
			if f.seen[i].msn != f.seen[i-1].msn+1 {
				jumps++
			}
		}
		if jumps > 1 {
			t.Errorf("%s: numbers jump %d times, want once at most", kind, jumps)
		}
		if n := len(f.seen); n == 0 || f.seen[n-1].date.Before(down) {
			t.Errorf("%s: the follower has seen nothing of the restarted server in %d segments", kind, n)
		}
	}
}
