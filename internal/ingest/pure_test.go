package ingest

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/internal/media"
)

// ms returns n frames of rate r after start as RTMP would stamp them, in 90 kHz ticks.
func stamp(start time.Duration, n int, r media.Rational) media.Ticks {
	exact := float64(start)/1e6 + float64(n)*1000*float64(r.Den)/float64(r.Num)
	return media.Ticks(math.Round(exact)) * 90
}

func TestVideoClockUndoesRounding(t *testing.T) {
	for _, r := range commonRates {
		for _, hinted := range []bool{true, false} {
			c := newVideoClock(90, media.Rational{})
			if hinted {
				c = newVideoClock(90, r)
			}
			var last, end media.Ticks
			exact := 0
			for n := range 2000 {
				dts := stamp(123456*time.Millisecond, n, r)
				d, _, dur := c.place(dts, dts)
				if n > 0 && d <= last {
					t.Fatalf("%v hinted=%v: frame %d at %d after %d", r, hinted, n, d, last)
				}
				if abs(d-dts) > 200 {
					t.Fatalf("%v hinted=%v: frame %d moved by %d ticks", r, hinted, n, d-dts)
				}
				if n > 0 && end == d {
					exact++
				}
				last, end = d, d+dur
			}
			if want := 1999; hinted && exact != want {
				t.Errorf("%v: %d of %d promised durations were true", r, exact, want)
			}
			if !hinted && exact < 1900 {
				t.Errorf("%v without a hint: only %d of 1999 promised durations were true", r, exact)
			}
		}
	}
}

func TestVideoClockSnapsReorderedFrames(t *testing.T) {
	c := newVideoClock(90, media.Rational{Num: 30, Den: 1})
	// I P B B: presentation order 0 3 1 2, delayed by 2 frames.
	for n, p := range []int{2, 5, 3, 4, 8, 6, 7} {
		dts, pts := stamp(0, n, media.Rational{Num: 30, Den: 1}), stamp(0, p, media.Rational{Num: 30, Den: 1})
		d, got, dur := c.place(dts, pts)
		if d != media.Ticks(n*3000) || got != media.Ticks(p*3000) || dur != 3000 {
			t.Errorf("frame %d: dts %d, pts %d, duration %d; want %d, %d, 3000", n, d, got, dur, n*3000, p*3000)
		}
	}
}

func TestVideoClockLeavesVariableRateAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newVideoClock(90, media.Rational{Num: 30, Den: 1})
		var dts media.Ticks
		for range 500 {
			dts += 90 * media.Ticks(rapid.IntRange(5, 150).Draw(t, "step"))
			d, p, _ := c.place(dts, dts)
			if abs(d-dts) > c.tolerance() || abs(p-dts) > c.tolerance() {
				t.Fatalf("a frame of a variable rate was moved by %d, %d ticks", d-dts, p-dts)
			}
		}
	})
}

func TestAudioClockCountsSamples(t *testing.T) {
	for _, hz := range []int{48000, 44100, 32000, 8000} {
		scale := media.Timescale(hz)
		c := &audioClock{scale: scale}
		for n := range 100_000 {
			exact := float64(n) * 1024 * 1000 / float64(hz)
			stamp := media.Ticks(math.Round(exact)).Rescale(1000, scale) // rounded to 1 ms
			at, dur, ok := c.place(stamp, 1024)
			if !ok || at != media.Ticks(n*1024) || dur != 1024 {
				t.Fatalf("%d Hz: packet %d at %d for %d, want %d for 1024", hz, n, at, dur, n*1024)
			}
		}
	}
}

func TestAudioClockFollowsDriftAndHoles(t *testing.T) {
	c := &audioClock{scale: 48000}
	var next media.Ticks
	for n := range 200_000 { // 200 ppm, more than an hour
		stamp := media.Ticks(float64(n) * 1024 * 1.0002)
		at, dur, ok := c.place(stamp, 1024)
		if !ok || n > 0 && at != next {
			t.Fatalf("packet %d at %d, the one before ended at %d", n, at, next)
		}
		if off := (stamp - at).Duration(48000); off > 40*time.Millisecond || off < -40*time.Millisecond {
			t.Fatalf("packet %d is %v off its timestamp", n, off)
		}
		next = at + dur
	}
	if at, _, _ := c.place(next+48000, 1024); at != next+48000 {
		t.Errorf("after a hole of a second the packet lies %d ticks off", next+48000-at)
	}
}

func TestGridNumbersNeverGoBackOverARestart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := 2 * time.Second
		now := time.Duration(1_800_000_000) * time.Second
		highest := uint64(0)
		for range rapid.IntRange(1, 6).Draw(t, "runs") {
			boot := now
			now += time.Duration(rapid.IntRange(0, 3000).Draw(t, "start")) * time.Millisecond
			g := grid{step: step, from: now, msn: firstMSN(now, boot, step)}
			if g.msn <= highest {
				t.Fatalf("after a restart %d, before it %d", g.msn, highest)
			}
			gop := time.Duration(rapid.IntRange(200, 9000).Draw(t, "gop")) * time.Millisecond
			for i := range rapid.IntRange(0, 40).Draw(t, "syncs") {
				now += gop
				reconnect := i == 25 && rapid.Bool().Draw(t, "reconnect") && now > boot+3*step
				if reconnect || g.due(now) {
					if msn := g.msn; g.next(now) != msn+1 {
						t.Fatal("numbers go up by one")
					}
				}
			}
			highest = g.msn
			now += 2 * step // a run shorter than that can see its first number again
		}
	})
}

func TestGridFindsTheFirstSyncAfterEachPoint(t *testing.T) {
	start := 1_800_000_000*time.Second + 700*time.Millisecond
	g := grid{step: 2 * time.Second, from: start, msn: firstMSN(start, 0, 2*time.Second)}
	var lengths []time.Duration
	for i := 1; i <= 12; i++ {
		if at := start + time.Duration(i)*1500*time.Millisecond; g.due(at) {
			lengths = append(lengths, at-g.from)
			g.next(at)
		}
	}
	longest := longestSegment(2*time.Second, 1500*time.Millisecond)
	for _, l := range lengths {
		if l > longest {
			t.Errorf("segment of %v; cadence expects %v at most", l, longest)
		}
	}
	if len(lengths) < 6 {
		t.Errorf("segments %v", lengths)
	}
}

func TestCadence(t *testing.T) {
	frame := func(r float64) time.Duration { return time.Duration(float64(time.Second) / r) }
	aac := 21333 * time.Microsecond
	for _, c := range []struct {
		name                     string
		o                        observation
		part, partTarget, target time.Duration
	}{
		{"30 fps, GOP 2 s", observation{frame(30), 2 * time.Second, aac}, 500 * time.Millisecond, 525 * time.Millisecond, 4 * time.Second},
		{"25 fps, GOP 1 s", observation{frame(25), time.Second, aac}, 520 * time.Millisecond, 545 * time.Millisecond, 4 * time.Second},
		{"29.97 fps", observation{frame(29.97), 2002 * time.Millisecond, aac}, 500500 * time.Microsecond, 526 * time.Millisecond, 4 * time.Second},
		{"1 fps", observation{frame(1), 10 * time.Second, aac}, time.Second, 1025 * time.Millisecond, 10 * time.Second},
		{"5 fps", observation{frame(5), 2 * time.Second, 0}, 600 * time.Millisecond, 625 * time.Millisecond, 4 * time.Second},
		{"OBS: keyframe each 8.33 s", observation{frame(30), 8333 * time.Millisecond, aac}, 500 * time.Millisecond, 525 * time.Millisecond, 8 * time.Second},
		{"audio only", observation{0, 0, aac}, 500 * time.Millisecond, 525 * time.Millisecond, 4 * time.Second},
		{"variable rate", observation{0, 2 * time.Second, aac}, 500 * time.Millisecond, 540 * time.Millisecond, 4 * time.Second},
		{"a keyframe a minute", observation{frame(30), 60 * time.Second, aac}, 500 * time.Millisecond, 525 * time.Millisecond, 10 * time.Second},
	} {
		got := cadence(2*time.Second, 500*time.Millisecond, c.o)
		if got.Part.Round(time.Microsecond*100) != c.part.Round(time.Microsecond*100) || got.PartTarget != c.partTarget || got.TargetDuration != c.target {
			t.Errorf("%s: part %v, target %v, TARGETDURATION %v; want %v, %v, %v", c.name, got.Part, got.PartTarget, got.TargetDuration, c.part, c.partTarget, c.target)
		}
		if got.Part < got.PartTarget*85/100 {
			t.Errorf("%s: parts of %v are under 85 %% of PART-TARGET %v", c.name, got.Part, got.PartTarget)
		}
	}
}

func TestTimelineOverrulesOneWildTimestamp(t *testing.T) {
	tl := &timeline{}
	l := tl.lane(1000)
	tl.anchor(0)
	now := time.Unix(0, 0)
	for i := range 100 {
		dts := media.Ticks(i * 40)
		if i == 50 {
			dts += 3_600_000
		}
		now = now.Add(40 * time.Millisecond)
		shift, jump := tl.place(l, dts, now)
		if jump {
			t.Fatalf("sample %d: one wild timestamp became a jump of the clock", i)
		}
		if got := dts + shift; got != media.Ticks(i*40) {
			t.Errorf("sample %d at %d, want %d", i, got, i*40)
		}
	}
}

// Row E6: the clock jumps by an hour, back by an hour, to zero; audio and video at
// different times.
func TestFault_E6_TimestampJumps(t *testing.T) {
	for name, jump := range map[string]media.Ticks{"ahead": 3_600_000, "back": -3_600_000, "to zero": -10_000_000} {
		tl := &timeline{}
		v, a := tl.lane(1000), tl.lane(1000)
		tl.anchor(0)
		now := time.Unix(0, 0)
		jumps, lastV, lastA := 0, media.Ticks(-1), media.Ticks(-1)
		for i := range 400 {
			base := media.Ticks(10_000_000 + i*20)
			now = now.Add(20 * time.Millisecond)
			place := func(l *lane, from int, last *media.Ticks) {
				dts := base
				if i >= from {
					dts += jump
				}
				shift, j := tl.place(l, dts, now)
				if j {
					jumps++
				}
				if got := dts + shift; *last >= 0 && (got-*last < 1 || got-*last > 60) {
					t.Errorf("%s: sample %d follows %d at %d", name, i, *last, got)
				} else {
					*last = got
				}
			}
			place(v, 200, &lastV)
			place(a, 210, &lastA)
		}
		if jumps != 1 {
			t.Errorf("%s: %d discontinuities, want 1", name, jumps)
		}
		if d := lastV - lastA; d != 0 {
			t.Errorf("%s: audio and video end up %d ms apart", name, d)
		}
	}
}

// Row E12: the source pauses for five seconds and its clock goes on, or starts over.
func TestFault_E12_HoleStaysAHole(t *testing.T) {
	for name, after := range map[string]media.Ticks{"clock goes on": 5000, "clock starts over": -5000} {
		tl := &timeline{}
		l := tl.lane(1000)
		tl.anchor(0)
		now := time.Unix(0, 0)
		for i := range 200 {
			dts, want := media.Ticks(5000+i*40), media.Ticks(5000+i*40)
			if i >= 100 {
				dts, want = dts+after, want+5000
			}
			if i == 100 {
				now = now.Add(5 * time.Second)
			}
			now = now.Add(40 * time.Millisecond)
			shift, jump := tl.place(l, dts, now)
			if got := dts + shift; got < want || got > want+40 {
				t.Fatalf("%s: sample %d at %d, want %d", name, i, got, want)
			}
			if jump && after > 0 {
				t.Errorf("%s: sample %d is a jump of the clock", name, i)
			}
		}
	}
}

func TestTimelineKeepsATrackThatJumpsAlone(t *testing.T) {
	tl := &timeline{}
	v, a := tl.lane(1000), tl.lane(1000)
	tl.anchor(0)
	now := time.Unix(0, 0)
	for i := range 400 {
		dts := media.Ticks(i * 20)
		now = now.Add(20 * time.Millisecond)
		if shift, j := tl.place(v, dts, now); j || shift != 0 {
			t.Fatalf("video moved by %d at %d", shift, i)
		}
		if i >= 200 {
			dts += 500_000
		}
		if shift, j := tl.place(a, dts, now); j || dts+shift != media.Ticks(i*20) {
			t.Fatalf("audio sample %d at %d, jump %v", i, dts+shift, j)
		}
	}
}
