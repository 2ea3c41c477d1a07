package packager

import (
	"testing"
	"time"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// tape feeds a cutter and keeps what comes out.
type tape struct {
	t     *testing.T
	c     *cutter
	base  media.Ticks // of the times given
	last  *presentation.Track
	seen  []*presentation.Segment // by number, as last seen
	count int                     // of snapshots
}

var halfSecond = media.Cadence{
	Segment: 2 * time.Second, Part: 500 * time.Millisecond,
	PartTarget: 521333 * time.Microsecond, TargetDuration: 2 * time.Second,
}

func newTape(t *testing.T, init string) *tape {
	in := testInits[init]
	x := &tape{
		t: t, base: epoch * media.Ticks(in.Timescale()),
		c: newCutter("x1", in.Kind(), halfSecond, 6*time.Second, new(discontinuities)),
	}
	x.event(media.Event{Kind: media.NewInit, Init: &in})
	return x
}

func (x *tape) see(tr *presentation.Track) {
	if tr == nil {
		return
	}
	x.last = tr
	x.count++
	for _, s := range tr.Segments {
		if n := len(x.seen); n == 0 || s.MSN > x.seen[n-1].MSN {
			x.seen = append(x.seen, s)
		} else if i := n - 1 - int(x.seen[n-1].MSN-s.MSN); i >= 0 {
			x.seen[i] = s
		}
	}
}

func (x *tape) event(e media.Event) { x.see(x.c.push(media.Entry{Event: &e})) }
func (x *tape) boundary(msn uint64, at int64) {
	x.event(media.Event{Kind: media.Boundary, MSN: msn, At: x.base + media.Ticks(at)})
}
func (x *tape) init(name string) {
	in := testInits[name]
	x.event(media.Event{Kind: media.NewInit, Init: &in})
}
func (x *tape) end()                             { x.see(x.c.finish()) }
func (x *tape) sample(dts, dur int64, sync bool) { x.push(dts, dts, dur, sync, 100) }

func (x *tape) push(dts, pts, dur int64, sync bool, size int) {
	x.see(x.c.push(media.Entry{Sample: media.Sample{
		DTS: x.base + media.Ticks(dts), PTS: x.base + media.Ticks(pts), Duration: media.Ticks(dur),
		Sync: sync, Data: make([]byte, size),
	}}))
}

// parts calls f for every part that came.
func (x *tape) parts(f func(*presentation.Segment, *presentation.Part)) {
	for _, s := range x.seen {
		for _, p := range s.Parts {
			f(s, p)
		}
	}
}

// checkParts checks the length of the parts and that they add up.
func (x *tape) checkParts() {
	x.t.Helper()
	var sum media.Ticks
	x.parts(func(s *presentation.Segment, p *presentation.Part) {
		if d := p.Duration.Duration(s.Timescale()); d <= 0 || d > halfSecond.PartTarget {
			x.t.Errorf("part %d lasts %v, target %v", p.Number, d, halfSecond.PartTarget)
		}
		sum += p.Duration
	})
	for _, s := range x.seen {
		sum -= s.Duration
	}
	if sum != 0 {
		x.t.Errorf("the parts are %d ticks longer than the segments", sum)
	}
}

func TestFault_E4_DecodeTimesRiseAndPresentationIsExact(t *testing.T) {
	x := newTape(t, "h264")
	var want []media.Ticks
	for gop := range int64(3) {
		start := gop * 180000
		x.boundary(uint64(100+gop), start+9000)
		// An open GOP: I, then two pictures that are presented before it, then P.
		for j := range int64(60) {
			pts := start + j*3000 + 3000
			switch j {
			case 0:
				pts = start + 9000
			case 1, 2:
				pts = start + j*3000
			}
			if gop > 0 || j == 0 || pts > 9000 {
				want = append(want, x.base+media.Ticks(pts))
			}
			x.push(start+j*3000, pts, 3000, j == 0, 100)
		}
	}
	x.end()
	var got []media.Ticks
	last := media.Ticks(-1)
	x.parts(func(s *presentation.Segment, p *presentation.Part) {
		for _, sm := range parse(t, p.Data).samples {
			if dts := media.Ticks(sm.DecodeTime); dts <= last {
				t.Errorf("decode time %d after %d", dts, last)
			} else {
				last = dts
			}
			got = append(got, media.Ticks(sm.PresentationTime()))
		}
	})
	if len(got) != len(want) {
		t.Fatalf("%d samples, want %d: the leading pictures of the first GOP only are left out", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("sample %d is presented at %d, want %d", i, got[i], want[i])
		}
	}
	if first := parse(t, x.seen[0].Parts[0].Data); first.time != want[0] || !first.samples[0].IsSync() {
		t.Errorf("the first sample: tfdt %d, PTS %d, sync %v", first.time, want[0], first.samples[0].IsSync())
	}
}

// Ingest repairs such clocks; what gets past it must not break the timeline.
func TestFault_E6_ClockJumps(t *testing.T) {
	const hour = 3600 * 90000
	for name, jump := range map[string]func(dts int64) int64{
		"one hour ahead": func(d int64) int64 { return d + hour },
		"one hour back":  func(d int64) int64 { return d - hour },
		"to zero":        func(d int64) int64 { return d - epoch*90000 },
		"frozen":         func(int64) int64 { return 90000 },
		"repeated":       func(d int64) int64 { return d / 6000 * 6000 },
	} {
		t.Run(name, func(t *testing.T) {
			x := newTape(t, "h264")
			for i := range int64(240) {
				dts := i * 3000
				if i >= 45 { // in the middle of the first segment
					dts = jump(dts)
				}
				if i%60 == 0 {
					x.boundary(uint64(100+i/60), dts)
				}
				x.sample(dts, 3000, i%60 == 0)
			}
			x.end()
			x.checkParts()
			if n := len(x.last.Segments); n != 4 {
				t.Errorf("%d segments, want 4", n)
			}
			jumped := name != "frozen" && name != "repeated"
			if got := x.seen[1].Discontinuity; got != jumped {
				t.Errorf("the segment after the jump: discontinuity %v, want %v", got, jumped)
			}
			for i, s := range x.seen {
				if i > 1 && s.Discontinuity {
					t.Errorf("segment %d is a discontinuity again", s.MSN)
				}
			}
		})
	}
}

func TestFault_E6_AnnouncedJump(t *testing.T) {
	x := newTape(t, "h264")
	x.boundary(100, 0)
	for i := range int64(45) {
		x.sample(i*3000, 3000, i == 0)
	}
	x.event(media.Event{Kind: media.Discontinuity})
	x.boundary(101, 180000)
	for i := range int64(30) {
		x.sample(180000+i*3000, 3000, i == 0)
	}
	x.end()
	x.checkParts()
	if s := x.seen[1]; !s.Discontinuity || s.Start != x.base+180000 {
		t.Errorf("segment %d begins at %d, discontinuity %v", s.MSN, s.Start-x.base, s.Discontinuity)
	}
	if d := x.last.DiscontinuitySequence; d != epoch/86400 {
		t.Errorf("discontinuity sequence %d, want %d: none has left the list", d, epoch/86400)
	}
}

func TestFault_E9_400Days(t *testing.T) {
	for _, init := range []string{"h264", "aac48", "aac44"} {
		var first *tape
		for _, days := range []int64{0, 400, 36500} {
			x := newTape(t, init)
			ts := int64(testInits[init].Timescale())
			x.base += media.Ticks(days * 86400 * ts)
			step := map[string]int64{"h264": 3000}[init]
			if step == 0 {
				step = 1024
			}
			for k, dts := int64(0), int64(0); dts < 6*ts; dts += step {
				if dts >= k*2*ts {
					x.boundary(uint64(100+k), k*2*ts)
					k++
					x.sample(dts, step, true)
					continue
				}
				x.sample(dts, step, init != "h264")
			}
			x.end()
			x.checkParts()
			if first == nil {
				first = x
				continue
			}
			for i, s := range x.seen {
				for j, p := range s.Parts {
					want := first.seen[i].Parts[j]
					if p.Duration != want.Duration || p.Start-x.base != want.Start-first.base {
						t.Fatalf("%s, day %d: part %d.%d is %d+%d, want %d+%d", init, days, i, j,
							p.Start-x.base, p.Duration, want.Start-first.base, want.Duration)
					}
					if got := parse(t, p.Data).time; got != p.Start {
						t.Fatalf("%s, day %d: tfdt %d, want %d", init, days, got, p.Start)
					}
				}
			}
			if x.seen[0].Parts[0].Number <= first.seen[0].Parts[0].Number {
				t.Errorf("%s, day %d: part numbers went back", init, days)
			}
		}
	}
}

func TestFault_E10_NoKeyframeForAMinute(t *testing.T) {
	x := newTape(t, "h264")
	x.boundary(100, 0)
	for i := range int64(1800) {
		x.sample(i*3000, 3000, i == 0)
	}
	x.boundary(101, 1800*3000)
	x.sample(1800*3000, 3000, true)
	x.end()
	x.checkParts()
	if s := x.seen[0]; len(s.Parts) != 120 || s.Duration != 1800*3000 {
		t.Errorf("%d parts, %d ticks; want one segment of 120 parts: it ends at a keyframe only", len(s.Parts), s.Duration)
	}
}

func TestFault_E10_SegmentIsBounded(t *testing.T) {
	x := newTape(t, "h264")
	x.boundary(100, 0)
	for i := range int64(80) {
		x.push(i*3000, i*3000, 3000, i == 0, 1<<20)
	}
	if got := x.last.Segments[0].Size(); got > maxSegmentBytes+1<<16 {
		t.Errorf("the segment has %d bytes, want %d at most", got, maxSegmentBytes)
	}
	if got := x.c.stats.Dropped; got != 80-64 {
		t.Errorf("%d samples dropped, want 16", got)
	}
	x.boundary(101, 240000)
	for i := range int64(30) {
		x.sample(240000+i*3000, 3000, i == 0)
	}
	x.end()
	x.checkParts()
	if s := x.seen[1]; s.Start != x.base+240000 || s.Discontinuity {
		t.Errorf("the next segment begins at %d, discontinuity %v", s.Start-x.base, s.Discontinuity)
	}
}

func TestFault_E10_EveryFrameIsAKeyframe(t *testing.T) {
	x := newTape(t, "h264")
	for i := range int64(120) {
		if i%60 == 0 {
			x.boundary(uint64(100+i/60), i*3000)
		}
		x.sample(i*3000, 3000, true)
	}
	x.end()
	x.checkParts()
	if len(x.seen) != 2 {
		t.Errorf("%d segments, want 2: boundaries make them, not keyframes", len(x.seen))
	}
	x.parts(func(_ *presentation.Segment, p *presentation.Part) {
		if !p.Independent {
			t.Errorf("part %d is not independent", p.Number)
		}
	})
}

func TestFault_E12_FrameRates(t *testing.T) {
	for name, step := range map[string]int64{"1 fps": 90000, "2 fps": 45000, "3 fps": 30000, "7 fps": 12857, "240 fps": 375} {
		for _, promise := range []int64{0, step} {
			x := newTape(t, "h264")
			for i, k := int64(0), int64(0); i*step < 8*90000; i++ {
				if first := i*step >= k*180000; first {
					x.boundary(uint64(100+k), i*step)
					k++
					x.sample(i*step, promise, true)
					continue
				}
				x.sample(i*step, promise, false)
			}
			x.end()
			x.checkParts()
			gaps := 0
			x.parts(func(_ *presentation.Segment, p *presentation.Part) {
				if p.Gap {
					gaps++
				}
			})
			if (gaps > 0) != (step > 45000) {
				t.Errorf("%s, promise %d: %d gap parts", name, promise, gaps)
			}
			if x.c.stats.Dropped != 0 {
				t.Errorf("%s, promise %d: %d samples dropped", name, promise, x.c.stats.Dropped)
			}
		}
	}
}

func TestFault_E12_HoleOfFiveSeconds(t *testing.T) {
	x := newTape(t, "h264")
	x.boundary(100, 0)
	for i := range int64(300) {
		if i < 20 || i >= 170 {
			x.sample(i*3000, 3000, i == 0)
		}
	}
	x.end()
	x.checkParts()
	var gap media.Ticks
	x.parts(func(_ *presentation.Segment, p *presentation.Part) {
		if p.Gap {
			gap += p.Duration
		}
	})
	if gap < 4*90000 || gap > 5*90000 {
		t.Errorf("gap parts of %d ticks, want about 5 s", gap)
	}
}

func TestFault_P5_NewInit(t *testing.T) {
	x := newTape(t, "h264")
	second := func(k int64) {
		x.boundary(uint64(100+k), k*90000)
		for i := range int64(30) {
			x.sample(k*90000+i*3000, 3000, i == 0)
		}
	}
	second(0)
	old := x.last.Init().Version
	x.init("h264b")
	x.event(media.Event{Kind: media.Discontinuity})
	x.sample(90000, 3000, true) // it has no segment: neither decoder wants it
	for k := int64(1); k < 8; k++ {
		second(k)
	}
	x.init("h264b") // the same again is nothing new
	second(8)
	x.end()
	for i, s := range x.seen {
		if got, want := s.Discontinuity, i == 1; got != want {
			t.Errorf("segment %d: discontinuity %v, want %v", s.MSN, got, want)
		}
		if got, want := s.Init.Version == old, i == 0; got != want {
			t.Errorf("segment %d: it has the old init segment: %v", s.MSN, got)
		}
	}
	if in := x.last.Init(); in.Version == old || in.Media.Width != 1280 {
		t.Errorf("the newest init segment is %s, %d wide", in.Version, in.Media.Width)
	}
	if x.last.InitVersion(old) == nil {
		t.Error("the old init segment is gone, while a segment that needs it can be fetched")
	}
	if x.c.stats.Dropped != 1 {
		t.Errorf("%d samples dropped, want 1", x.c.stats.Dropped)
	}
}

func TestFault_P5_NewCodecNobodyKnows(t *testing.T) {
	x := newTape(t, "h264")
	x.boundary(100, 0)
	for i := range int64(30) {
		x.sample(i*3000, 3000, i == 0)
	}
	x.event(media.Event{Kind: media.NewInit, Init: &media.Init{}})
	x.boundary(101, 90000)
	x.sample(90000, 3000, true)
	x.init("h264")
	x.boundary(102, 180000)
	for i := range int64(30) {
		x.sample(180000+i*3000, 3000, i == 0)
	}
	x.end()
	x.checkParts()
	if len(x.seen) != 3 || !x.seen[1].Gap || !x.seen[2].Discontinuity {
		t.Errorf("%d segments, want media, gap, discontinuity", len(x.seen))
	}
}
