package ingest

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/internal/codec"
	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/session"
)

const (
	// What x264 makes of 1280x720 and 640x360, 30 fps, baseline.
	avc720 = "0142c01fffe100176742c01fda014016ec0440000003004000000f03c60ca801000468ce0fc8"
	avc360 = "0142c01effe100196742c01eda0280bfe5c0440000030004000003 00f03c58ba8001000468ce0fc8"
	aac48k = "1190"
)

var (
	videoRef = session.TrackRef{Kind: media.Video}
	audioRef = session.TrackRef{Kind: media.Audio}
)

func parseInit(t *testing.T, c media.Codec, record string) media.Init {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(record, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	init, err := codec.ParseInit(c, b)
	if err != nil {
		t.Fatal(err)
	}
	return init
}

// bench is an Ingest that runs in a synctest bubble, and encoders for it.
type bench struct {
	t   *testing.T
	in  *Ingest
	hub *live.Hub
}

func newBench(t *testing.T, o Options) *bench {
	t.Helper()
	o.Hub = &live.Hub{}
	in, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = in.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	time.Sleep(6300 * time.Millisecond) // off the grid, and past the numbers that a former run can have used
	return &bench{t, in, o.Hub}
}

// streams returns how many streams there are, with those that are not live yet.
func (b *bench) streams() int {
	synctest.Wait()
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	return len(b.in.streams)
}

// encoder is a publisher of 30 fps video, one keyframe each gop frames, and AAC.
type encoder struct {
	b            *bench
	src          session.Source
	ses          *session.Session
	start        time.Duration // its clock when it begins
	gop          int
	frame, audio int
	noVideo      bool
	noAudio      bool
	audioFrom    time.Duration // audio begins this much later
	skew         func(time.Duration) time.Duration
}

func (b *bench) encoder(start time.Duration) *encoder {
	b.t.Helper()
	ses := &session.Session{Stream: "s", Request: session.Request{ClockStep: time.Millisecond}}
	src, err := b.in.Open(ses)
	if err != nil {
		b.t.Fatal(err)
	}
	return &encoder{b: b, src: src, ses: ses, start: start, gop: 30}
}

func (e *encoder) configure(avc string) {
	e.b.t.Helper()
	if !e.noVideo {
		if err := e.src.Configure(videoRef, parseInit(e.b.t, media.H264, avc)); err != nil {
			e.b.t.Fatal(err)
		}
	}
	if !e.noAudio && e.audioFrom == 0 {
		e.configureAudio()
	}
}

func (e *encoder) configureAudio() {
	if err := e.src.Configure(audioRef, parseInit(e.b.t, media.AAC, aac48k)); err != nil {
		e.b.t.Fatal(err)
	}
}

// stamp rounds an instant of the encoder to RTMP's clock.
func (e *encoder) stamp(at time.Duration) time.Duration {
	if e.skew != nil {
		at = e.skew(at)
	}
	return (e.start + at).Round(time.Millisecond)
}

// run publishes for d, in real time.
func (e *encoder) run(d time.Duration) {
	e.b.t.Helper()
	videoAt := func() time.Duration { return time.Duration(math.Round(float64(e.frame) * 1e9 / 30)) }
	audioAt := func() time.Duration {
		return e.audioFrom + time.Duration(math.Round(float64(e.audio)*1024*1e9/48000))
	}
	from := min(videoAt(), audioAt())
	begun := time.Now()
	for {
		v, a := videoAt(), audioAt()
		if e.noVideo {
			v = time.Hour * 1e4
		}
		if e.noAudio {
			a = time.Hour * 1e4
		}
		next := min(v, a)
		if next >= from+d {
			time.Sleep(from + d - time.Since(begun) - from)
			return
		}
		time.Sleep(next - from - time.Since(begun))
		var err error
		if v <= a {
			nal := []byte{0, 0, 0, 3, 0x41, 1, byte(e.frame)}
			if e.frame%e.gop == 0 {
				nal[4] = 0x65
			}
			at := media.FromDuration(e.stamp(v), 90000)
			err = e.src.Write(videoRef, media.Sample{DTS: at, PTS: at, Data: nal, Arrived: time.Now()})
			e.frame++
		} else {
			if e.audio == 0 && e.audioFrom > 0 {
				e.configureAudio()
			}
			at := media.FromDuration(e.stamp(a), 48000)
			err = e.src.Write(audioRef, media.Sample{DTS: at, PTS: at, Data: []byte{0x21, byte(e.audio)}, Arrived: time.Now()})
			e.audio++
		}
		if err != nil {
			e.b.t.Fatal(err)
		}
	}
}

// follower collects what is written to the tracks.
type follower struct {
	entries map[string][]media.Entry
	done    chan struct{}
}

func (b *bench) follow() *follower {
	f := &follower{entries: map[string][]media.Entry{}, done: make(chan struct{})}
	var mu sync.Mutex
	go func() {
		defer close(f.done)
		for b.hub.Stream("s") == nil {
			<-b.hub.Changed()
		}
		s := b.hub.Stream("s")
		var wg sync.WaitGroup
		for n := 0; !s.Ended(); {
			up := s.Changed()
			for _, tr := range s.Tracks()[n:] {
				n++
				r := tr.Log.Oldest()
				wg.Go(func() {
					for {
						e, err := r.Next(context.Background())
						if err != nil {
							return
						}
						mu.Lock()
						f.entries[tr.ID] = append(f.entries[tr.ID], e)
						mu.Unlock()
					}
				})
			}
			if !s.Ended() {
				<-up
			}
		}
		wg.Wait()
	}()
	return f
}

// summary renders the events of a track, with the number of samples after each.
func (f *follower) summary(id string) string {
	var out []string
	n := 0
	var base uint64
	for _, e := range f.entries[id] {
		if e.Event == nil {
			n++
			continue
		}
		if n > 0 {
			out = append(out, fmt.Sprint(n))
			n = 0
		}
		switch ev := e.Event; ev.Kind {
		case media.Boundary, media.Gap:
			if base == 0 {
				base = ev.MSN
			}
			out = append(out, fmt.Sprintf("%s+%d", ev.Kind, ev.MSN-base))
		default:
			out = append(out, ev.Kind.String())
		}
	}
	if n > 0 {
		out = append(out, fmt.Sprint(n))
	}
	return strings.Join(out, " ")
}

// check asserts what holds for every log: numbers go up by one, boundaries are the
// same in all tracks, decode times strictly increase, samples lie in their segment.
func (f *follower) check(t *testing.T) {
	t.Helper()
	starts := map[uint64]time.Duration{}
	for id, entries := range f.entries {
		var init *media.Init
		var msn uint64
		last, at := media.Ticks(-1), media.Ticks(0)
		for i, e := range entries {
			if e.Event == nil {
				s := e.Sample
				if s.DTS <= last {
					t.Errorf("%s entry %d: DTS %d after %d", id, i, s.DTS, last)
				}
				if s.PTS < at {
					t.Errorf("%s entry %d: PTS %d before its segment, that begins at %d", id, i, s.PTS, at)
				}
				last = s.DTS
				continue
			}
			switch e.Event.Kind {
			case media.NewInit:
				init, last = e.Event.Init, -1
			case media.Boundary, media.Gap:
				if msn != 0 && e.Event.MSN != msn+1 {
					t.Errorf("%s entry %d: segment %d after %d", id, i, e.Event.MSN, msn)
				}
				msn, at = e.Event.MSN, e.Event.At
				start := at.Duration(init.Timescale())
				if other, ok := starts[msn]; ok && (start-other).Abs() > time.Millisecond/10 {
					t.Errorf("%s: segment %d begins at %v, in another track at %v", id, msn, start, other)
				}
				starts[msn] = start
			}
		}
	}
}

func (b *bench) stop(f *follower) {
	b.in.close()
	<-f.done
	f.check(b.t)
}

func expect(t *testing.T, f *follower, id, want string) {
	t.Helper()
	if got := f.summary(id); got != want {
		t.Errorf("%s:\n got %s\nwant %s", id, got, want)
	}
}

func TestSegmentsLieOnTheGridInAllTracks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{})
		f := b.follow()
		e := b.encoder(0)
		e.configure(avc720)
		e.run(10 * time.Second)
		e.src.Close(nil)
		b.stop(f)
		expect(t, f, "v1", "init boundary+0 60 boundary+1 60 boundary+2 60 boundary+3 60 boundary+4 60")
		for _, e := range f.entries["v1"] {
			if e.Event == nil && e.Sample.Duration != 3000 {
				t.Fatalf("a frame of 30 fps lasts %d ticks", e.Sample.Duration)
			}
		}
	})
}

// Row P1: the encoder reconnects after 0.2, 2 and 20 s with timestamps from zero.
func TestFault_P1_ReconnectContinues(t *testing.T) {
	for _, c := range []struct {
		away time.Duration
		gaps int
	}{{200 * time.Millisecond, 0}, {2 * time.Second, 0}, {20 * time.Second, 10}} {
		t.Run(c.away.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Options{})
				f := b.follow()
				e := b.encoder(77 * time.Hour)
				e.configure(avc720)
				e.run(5 * time.Second)
				e.src.Close(fmt.Errorf("gone"))
				time.Sleep(c.away)
				e = b.encoder(0)
				e.configure(avc720)
				back := time.Duration(time.Now().UnixNano())
				e.run(5 * time.Second)
				e.src.Close(nil)
				b.stop(f)
				for _, id := range []string{"v1", "a1"} {
					got := f.summary(id)
					if n := strings.Count(got, "gap"); n < c.gaps-1 || n > c.gaps+1 {
						t.Errorf("%s: %d gaps, want about %d: %s", id, n, c.gaps, got)
					}
					if n := strings.Count(got, "discontinuity"); n != 1 {
						t.Errorf("%s: %d discontinuities: %s", id, n, got)
					}
					if strings.Count(got, "init") != 1 {
						t.Errorf("%s: the configuration did not change, yet: %s", id, got)
					}
				}
				// The second run lies where it belongs on the clock.
				seen := false
				for i, en := range f.entries["v1"] {
					if en.Event != nil && en.Event.Kind == media.Discontinuity {
						seen = true
						at := f.entries["v1"][i+1].Event.At.Duration(90000)
						if d := at - back; d < -50*time.Millisecond || d > 200*time.Millisecond {
							t.Errorf("goes on %v off the wall clock", d)
						}
					}
				}
				if !seen {
					t.Error("no discontinuity")
				}
			})
		})
	}
}

func TestStreamEndsWhenNobodyComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{Hold: 5 * time.Second})
		f := b.follow()
		e := b.encoder(0)
		e.configure(avc720)
		e.run(3 * time.Second)
		e.src.Close(nil)
		start := time.Now()
		<-f.done // EOF
		if d := time.Since(start); d < 4*time.Second || d > 6*time.Second {
			t.Errorf("held for %v", d)
		}
		if b.hub.Stream("s") != nil || b.streams() != 0 {
			t.Error("the stream is still there")
		}
		f.check(t)
	})
}

// Row P8 (ingest): a publisher that sends nothing leaves nothing.
func TestFault_P8_EmptyPublishLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{})
		e := b.encoder(0)
		e.src.Close(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if b.streams() != 0 || len(b.hub.Streams()) != 0 {
			t.Error("the stream is still there")
		}
	})
}

// Row P5: another resolution in mid-stream.
func TestFault_P5_ResolutionChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{})
		f := b.follow()
		e := b.encoder(0)
		e.configure(avc720)
		e.run(3 * time.Second)
		e.configure(avc360)
		e.run(3 * time.Second)
		e.src.Close(nil)
		b.stop(f)
		for id, inits := range map[string]int{"v1": 2, "a1": 1} {
			got := f.summary(id)
			if strings.Count(got, "init") != inits || strings.Count(got, "discontinuity boundary") != 1 {
				t.Errorf("%s: %s", id, got)
			}
		}
	})
}

// Row E11: audio only, video only, audio that starts 20 s late.
func TestFault_E11_TracksMissingOrLate(t *testing.T) {
	run := func(name string, set func(*encoder), d time.Duration, check func(*testing.T, *follower)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Options{})
				f := b.follow()
				e := b.encoder(0)
				set(e)
				e.configure(avc720)
				e.run(d)
				e.src.Close(nil)
				b.stop(f)
				check(t, f)
			})
		})
	}
	run("audio only", func(e *encoder) { e.noVideo = true }, 10*time.Second, func(t *testing.T, f *follower) {
		if n := strings.Count(f.summary("a1"), "boundary"); n < 5 || f.entries["v1"] != nil {
			t.Errorf("a1: %s", f.summary("a1"))
		}
	})
	run("video only", func(e *encoder) { e.noAudio = true }, 10*time.Second, func(t *testing.T, f *follower) {
		expect(t, f, "v1", "init boundary+0 60 boundary+1 60 boundary+2 60 boundary+3 60 boundary+4 60")
	})
	run("late audio", func(e *encoder) { e.audioFrom = 20 * time.Second }, 30*time.Second, func(t *testing.T, f *follower) {
		v, a := f.summary("v1"), f.summary("a1")
		if strings.Count(v, "discontinuity") != 1 || strings.Count(a, "boundary") < 4 {
			t.Errorf("v1: %s\na1: %s", v, a)
		}
	})
}

// Rows E5 and E6: wraps were undone by the adapter; here the source's clock jumps.
func TestFault_E6_ClockJumpInMidStream(t *testing.T) {
	for name, jump := range map[string]time.Duration{"ahead": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Options{})
				f := b.follow()
				e := b.encoder(2 * time.Hour)
				e.skew = func(at time.Duration) time.Duration {
					if at > 4500*time.Millisecond {
						return at + jump
					}
					return at
				}
				e.configure(avc720)
				e.run(10 * time.Second)
				e.src.Close(nil)
				b.stop(f)
				var last time.Duration
				for _, en := range f.entries["v1"] {
					if en.Event == nil {
						at := en.Sample.PTS.Duration(90000)
						if last != 0 && at-last > 100*time.Millisecond {
							t.Errorf("a step of %v", at-last)
						}
						last = at
					}
				}
				if got := f.summary("v1"); strings.Count(got, "discontinuity") != 1 {
					t.Errorf("v1: %s", got)
				}
			})
		})
	}
}

// Row E10: no keyframe for a minute, and nothing but keyframes.
func TestFault_E10_KeyframeIntervals(t *testing.T) {
	for name, gop := range map[string]int{"a minute": 1800, "every frame": 1, "10 s": 300} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Options{})
				f := b.follow()
				e := b.encoder(0)
				e.gop = gop
				e.configure(avc720)
				e.run(61 * time.Second)
				c := b.hub.Stream("s").Cadence()
				e.src.Close(nil)
				b.stop(f)
				got := f.summary("v1")
				switch name {
				case "a minute":
					if strings.Count(got, "boundary") != 2 || b.in.o.Counters.LongSegments.Load() != 1 {
						t.Errorf("alarms %d, v1: %s", b.in.o.Counters.LongSegments.Load(), got)
					}
				case "every frame":
					if n := strings.Count(got, "boundary"); n != 31 {
						t.Errorf("%d segments, v1: %s", n, got)
					}
				case "10 s":
					if c.TargetDuration != 10*time.Second || strings.Count(got, "boundary") != 7 {
						t.Errorf("target %v, v1: %s", c.TargetDuration, got)
					}
				}
			})
		})
	}
}

// Row E1 (ingest): access units that are none are dropped, counted, and harm nothing.
func TestFault_E1_BadUnitsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{})
		f := b.follow()
		e := b.encoder(0)
		e.configure(avc720)
		e.run(2 * time.Second)
		for _, bad := range [][]byte{nil, {0}, {0, 0, 0, 200, 0x65}, {255, 255, 255, 255, 1, 2}} {
			if err := e.src.Write(videoRef, media.Sample{Data: bad, Arrived: time.Now()}); err != nil {
				t.Error(err)
			}
		}
		_ = e.src.Write(session.TrackRef{Kind: media.Video, Index: 7}, media.Sample{Data: []byte{1}, Arrived: time.Now()})
		if n := e.ses.Dropped.Load(); n < 5 {
			t.Errorf("%d dropped, want 5 at least", n)
		}
		e.run(2 * time.Second)
		e.src.Close(nil)
		b.stop(f)
		expect(t, f, "v1", "init boundary+0 60 boundary+1 60")
	})
}
