package packager

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// node is a packager at work in a synctest bubble.
type node struct {
	hub     live.Hub
	catalog presentation.Catalog
	p       *Packager
}

// start runs a packager until the test ends.
func start(t *testing.T) *node {
	n := new(node)
	p, err := New(Options{Hub: &n.hub, Catalog: &n.catalog})
	if err != nil {
		t.Fatal(err)
	}
	n.p = p
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return n
}

func (n *node) stream(t *testing.T, name string, maxBytes int) *live.Stream {
	t.Helper()
	s := live.NewStream(name, time.Now(), maxBytes)
	s.SetCadence(halfSecond)
	if err := n.hub.Add(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// feed writes a track's log.
type feed struct {
	*live.Track
	step media.Ticks
	now  media.Ticks
}

func addTrack(t *testing.T, s *live.Stream, id, init string) *feed {
	t.Helper()
	in := testInits[init]
	tr, err := s.AddTrack(id, in.Kind())
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{Track: tr, step: 3000, now: epoch * media.Ticks(in.Timescale())}
	if in.Kind() == media.Audio {
		f.step = 1024
	}
	f.event(media.Event{Kind: media.NewInit, Init: &in})
	return f
}

func (f *feed) event(e media.Event) { f.Append(media.Entry{Event: &e}) }

func (f *feed) boundary(msn uint64) { f.event(media.Event{Kind: media.Boundary, MSN: msn, At: f.now}) }

func (f *feed) samples(n, size int) {
	for i := range n {
		f.Append(media.Entry{Sample: media.Sample{
			DTS: f.now, PTS: f.now, Duration: f.step, Sync: i == 0 || f.Kind == media.Audio,
			Data: make([]byte, size), Arrived: time.Now(),
		}})
		f.now += f.step
	}
}

func TestRunShowsAStreamFromItsFirstPartToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		s := n.stream(t, "a", 1<<20)
		v := addTrack(t, s, "v1", "h264")
		v.boundary(100)
		v.samples(14, 100)
		synctest.Wait()
		if n.catalog.Stream("a") != nil {
			t.Fatal("the stream is shown before its first part is complete")
		}
		v.samples(1, 100) // the fifteenth frame makes half a second
		synctest.Wait()
		out := n.catalog.Stream("a")
		if out == nil {
			t.Fatal("the stream is not shown although it has a part")
		}
		if out.Cadence != halfSecond || out.Window != DefaultWindow {
			t.Errorf("cadence %v, window %v", out.Cadence, out.Window)
		}
		r := out.Rendition("v1")
		if r == nil || r.Kind != media.Video || len(r.Load().Segments[0].Parts) != 1 {
			t.Fatalf("rendition v1 is %+v", r)
		}

		a := addTrack(t, s, "a1", "aac48")
		a.boundary(100)
		a.samples(30, 10)
		synctest.Wait()
		if all := out.Renditions(); len(all) != 2 || all[1].ID != "a1" {
			t.Fatalf("%d renditions, want the late track to be there", len(all))
		}

		n.hub.Remove(s)
		s.End()
		synctest.Wait()
		for _, r := range out.Renditions() {
			tr := r.Load()
			if last := tr.Segments[len(tr.Segments)-1]; !tr.Ended || !last.Complete {
				t.Errorf("%s: ended %v, last segment complete %v", r.ID, tr.Ended, last.Complete)
			}
		}
		time.Sleep(DefaultWindow + DefaultLinger - time.Second)
		synctest.Wait()
		if n.catalog.Stream("a") != out {
			t.Error("the ended stream went too early: players must find its end")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n.catalog.Stream("a") != nil {
			t.Error("the ended stream is still there")
		}
		if st := n.p.Stats(); st.Streams != 1 || st.Parts != 3 || st.Segments != 2 || st.Dropped != 0 {
			t.Errorf("stats: %+v", st)
		}
	})
}

func TestRunShowsAllTracksTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		s := n.stream(t, "a", 1<<20)
		v, a := addTrack(t, s, "v1", "h264"), addTrack(t, s, "a1", "aac48")
		silent := n.stream(t, "b", 1<<20)
		v2 := addTrack(t, silent, "v1", "h264")
		addTrack(t, silent, "a1", "aac48")
		for _, f := range []*feed{v, v2} {
			f.boundary(100)
			f.samples(15, 100)
		}
		synctest.Wait()
		if n.catalog.Stream("a") != nil {
			t.Fatal("the stream is shown without its sound, a moment before that comes")
		}
		a.boundary(100)
		a.samples(24, 10)
		synctest.Wait()
		if out := n.catalog.Stream("a"); out == nil || len(out.Renditions()) != 2 {
			t.Fatalf("the stream is %+v, want two renditions", out)
		}
		if n.catalog.Stream("b") != nil {
			t.Fatal("the stream with the silent track is shown at once")
		}
		time.Sleep(startGrace)
		synctest.Wait()
		if n.catalog.Stream("b") == nil {
			t.Fatal("a silent track holds the stream up")
		}
	})
}

func TestRunReplacesAnEndedStreamThatStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		begin := func(msn uint64) *live.Stream {
			s := n.stream(t, "a", 1<<20)
			v := addTrack(t, s, "v1", "h264")
			v.now += media.Ticks(msn) * 180000
			v.boundary(msn)
			v.samples(15, 100)
			synctest.Wait()
			return s
		}
		s := begin(100)
		first := n.catalog.Stream("a")
		n.hub.Remove(s)
		s.End()
		synctest.Wait()
		begin(110)
		second := n.catalog.Stream("a")
		if second == first || second == nil {
			t.Fatal("the new stream does not replace the old one")
		}
		a, b := first.Rendition("v1").Load(), second.Rendition("v1").Load()
		if b.Segments[0].Parts[0].Number < a.NextPart || b.DiscontinuitySequence < a.DiscontinuitySequence {
			t.Error("the new stream uses numbers of the old one")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n.catalog.Stream("a") != second {
			t.Error("the end of the old stream removed the new one")
		}
	})
}

// A late track counts discontinuities as the others do, or players cannot bring
// them together.
func TestFault_E11_LateAudio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		s := n.stream(t, "a", 1<<20)
		v := addTrack(t, s, "v1", "h264")
		for k := range uint64(10) {
			if k == 4 || k == 9 {
				v.event(media.Event{Kind: media.Discontinuity})
			}
			v.boundary(100 + k)
			v.samples(60, 100)
		}
		synctest.Wait()
		a := addTrack(t, s, "a1", "aac48")
		a.now += 9 * 96000
		a.event(media.Event{Kind: media.Discontinuity})
		a.boundary(109)
		a.samples(30, 10)
		synctest.Wait()
		video, audio := n.catalog.Stream("a").Rendition("v1").Load(), n.catalog.Stream("a").Rendition("a1").Load()
		number := func(tr *presentation.Track, msn uint64) uint64 {
			d := tr.DiscontinuitySequence
			for _, s := range tr.Segments {
				if s.Discontinuity {
					d++
				}
				if s.MSN == msn {
					break
				}
			}
			return d
		}
		// Segments 104 and 109 are discontinuities.
		if v, a := number(video, 109), number(audio, 109); v != number(video, 100)+2 || a != v {
			t.Errorf("discontinuity sequence of segment 109: video %d, audio %d, want %d", v, a, number(video, 100)+2)
		}
	})
}

func TestFault_E11_VideoOnlyAndNoData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		s := n.stream(t, "a", 1<<20)
		v := addTrack(t, s, "v1", "h264")
		addTrack(t, s, "a1", "aac48") // announced, and silent
		v.boundary(100)
		v.samples(15, 100)
		s.End()
		synctest.Wait()
		if all := n.catalog.Stream("a").Renditions(); len(all) != 1 || all[0].ID != "v1" {
			t.Errorf("%d renditions, want what has media", len(all))
		}
		empty := n.stream(t, "b", 1<<20)
		synctest.Wait()
		empty.End()
		synctest.Wait()
		if n.catalog.Stream("b") != nil {
			t.Error("a stream without media is shown")
		}
	})
}

// The log keeps less than is written at once: whatever the packager misses, it goes
// on at a boundary, and segments stay in a row.
func TestRunOutlivesAFastLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t)
		s := n.stream(t, "a", 10_000)
		v := addTrack(t, s, "v1", "h264")
		for k := range uint64(200) {
			v.boundary(100 + k)
			v.samples(60, 100)
		}
		synctest.Wait()
		v.boundary(300)
		v.samples(60, 10)
		s.End()
		synctest.Wait()
		tr := n.catalog.Stream("a").Rendition("v1").Load()
		if last := tr.Segments[len(tr.Segments)-1]; !tr.Ended || last.MSN != 300 || last.Gap {
			t.Errorf("ended %v, last segment %d, gap %v", tr.Ended, last.MSN, last.Gap)
		}
		for i, s := range tr.Segments {
			if s.MSN != tr.Segments[0].MSN+uint64(i) {
				t.Errorf("segment %d stands at place %d after %d", s.MSN, i, tr.Segments[0].MSN)
			}
		}
	})
}

func TestFollowGoesOnAfterALag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(node)
		p, err := New(Options{Hub: &n.hub, Catalog: &n.catalog})
		if err != nil {
			t.Fatal(err)
		}
		ls := n.stream(t, "a", 10_000)
		v := addTrack(t, ls, "v1", "h264")
		r := v.Log.Oldest()
		for k := range uint64(10) {
			v.boundary(100 + k)
			v.samples(60, 100)
		}
		s := p.newStream(ls)
		go s.follow(t.Context(), v.Track, r)
		synctest.Wait() // it has lagged, and stands inside segment 109
		v.boundary(110)
		v.samples(60, 10)
		v.Log.Close(errors.New("the disk is full"))
		synctest.Wait()
		if st := p.Stats(); st.Lags != 1 || st.Parts != 4 || st.Dropped != 60 {
			t.Errorf("stats: %+v, want one lag and the four parts of the last segment", st)
		}
		if tr := s.out.Rendition("v1").Load(); !tr.Ended || tr.Segments[0].MSN != 110 {
			t.Errorf("ended %v, first segment %d, want 110", tr.Ended, tr.Segments[0].MSN)
		}
	})
}

func TestDiscontinuitiesAreCountedAlike(t *testing.T) {
	d := new(discontinuities)
	if got := d.first(100, 100*24*time.Hour+time.Minute, false); got != 100 {
		t.Errorf("the first track begins with %d, want the hundredth day", got)
	}
	for i := range uint64(2 * maxRecent) {
		d.note(110 + i*10)
		d.note(110 + i*10) // by another track
	}
	last := uint64(110 + (2*maxRecent-1)*10)
	for _, c := range []struct {
		msn  uint64
		jump bool
		want uint64
	}{
		{last - 1, false, 100 + 2*maxRecent - 1},
		{last, true, 100 + 2*maxRecent - 1},
		{last, false, 100 + 2*maxRecent},
		{last + 5, false, 100 + 2*maxRecent},
		{last + 6, true, 100 + 2*maxRecent},
		{last + 7, false, 100 + 2*maxRecent + 1},
	} {
		if got := d.first(c.msn, time.Hour, c.jump); got != c.want {
			t.Errorf("a track that begins with %d (jump %v) counts from %d, want %d", c.msn, c.jump, got, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, opt := range map[string]Options{
		"nothing":         {},
		"no catalog":      {Hub: new(live.Hub)},
		"negative window": {Hub: new(live.Hub), Catalog: new(presentation.Catalog), Window: -1},
	} {
		if _, err := New(opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// BenchmarkPackager packages 3 Mb/s of 30 fps video with segments of 2 s; an
// operation is a second of it.
func BenchmarkPackager(b *testing.B) {
	const bytesPerSecond = 3_000_000 / 8
	in := testInits["h264"]
	c := newCutter("v1", media.Video, halfSecond, DefaultWindow, new(discontinuities))
	c.push(media.Entry{Event: &media.Event{Kind: media.NewInit, Init: &in}})
	data := make([]byte, bytesPerSecond/30)
	now, msn := media.Ticks(epoch*90000), uint64(100)
	b.SetBytes(bytesPerSecond)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			c.push(media.Entry{Event: &media.Event{Kind: media.Boundary, MSN: msn, At: now}})
			msn++
		}
		for j := range 30 {
			c.push(media.Entry{Sample: media.Sample{
				DTS: now, PTS: now + 3000, Duration: 3000, Sync: i%2 == 0 && j == 0, Data: data,
			}})
			now += 3000
		}
	}
}
