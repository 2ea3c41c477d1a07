package hls

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headrace/headrace/internal/manifest/hls/hlstest"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
	"github.com/headrace/headrace/internal/presentation/presentationtest"
)

// publisher cuts what an encoder might make anyone cut: lengths that fit no grid and
// no decimal, gaps, discontinuities, changes of configuration.
type publisher struct {
	*presentationtest.Packager
	parts int // in the open segment
}

func newPublisher(t *rapid.T) *publisher {
	cadence := presentationtest.Low
	if rapid.IntRange(0, 4).Draw(t, "plain") == 0 {
		cadence.PartTarget = 0
	}
	init := presentationtest.AVC
	if rapid.Bool().Draw(t, "audio") {
		init = presentationtest.AAC
		init.SampleRate = rapid.SampledFrom([]int{44100, 48000, 22050}).Draw(t, "rate")
	}
	return &publisher{Packager: presentationtest.New(presentationtest.Options{
		Cadence: cadence, Init: init,
		Start:    presentationtest.Epoch.Add(time.Duration(rapid.Int64Range(0, 1e10).Draw(t, "start"))),
		FirstMSN: rapid.Uint64Range(0, 1<<30).Draw(t, "msn"), FirstPart: rapid.Uint64Range(0, 1<<40).Draw(t, "part"),
		Listed: 8,
	})}
}

func (p *publisher) step(t *rapid.T) {
	full := p.Ticks(presentationtest.Low.PartTarget)
	cut := func() { p.Cut(); p.parts = 0 }
	switch what := rapid.IntRange(0, 20).Draw(t, "what"); {
	case p.parts == 9:
		cut()
	case what < 14:
		p.Part(full-media.Ticks(rapid.Int64Range(0, int64(full)/8).Draw(t, "short")), 100)
		p.parts++
	case what < 15 && p.parts > 6:
		p.GapPart(full)
		p.parts++
	case what < 16 && p.parts > 6:
		cut()
	case what == 17 && p.parts > 6:
		cut()
		p.Gap(full)
	case what == 18 && p.parts > 6:
		cut()
		p.Discontinuity(media.Ticks(rapid.Int64Range(0, 1e6).Draw(t, "jump")))
		p.Segment(8, full, 100)
	case what == 19 && p.parts > 6:
		cut()
		init := presentationtest.AVC
		if p.Track().Kind == media.Audio {
			init = presentationtest.AAC
			init.SampleRate = 96000
		}
		p.Configure(init)
		p.Segment(8, p.Ticks(presentationtest.Low.PartTarget), 100)
	}
}

// lists renders t in full and as a delta and checks both, and that they agree.
func lists(t *rapid.T, tr *presentation.Track, prev *hlstest.Playlist) *hlstest.Playlist {
	o := MediaOptions{Window: 20 * time.Second}
	full := Media(tr, o)
	p, err := hlstest.Parse(full)
	if err != nil {
		t.Fatalf("%v\n%s", err, full)
	}
	for _, err := range hlstest.CheckPlaylist(prev, p) {
		t.Errorf("%v\n%s", err, full)
	}
	o.Skip = true
	short := Media(tr, o)
	delta, err := hlstest.Parse(short)
	if err != nil {
		t.Fatalf("%v\n%s", err, short)
	}
	if prev == nil || tr.Ended {
		return p
	}
	if d := cmp.Diff(p.Skipped > 0, false); d != "" {
		t.Fatal("a full list skips")
	}
	applied, err := prev.Apply(delta)
	if err != nil {
		t.Fatalf("%v\n%s", err, short)
	}
	if d := cmp.Diff(p, applied); d != "" {
		t.Errorf("delta applied to the previous list (-full +applied):\n%s\n%s", d, short)
	}
	return p
}

func TestPropertyListsOnlyGrowAndDeltasAgree(t *testing.T) {
	deltas := 0
	rapid.Check(t, func(t *rapid.T) {
		p := newPublisher(t)
		for range 12 { // a list that is long enough for all rules
			p.Segment(9, p.Ticks(presentationtest.Low.PartTarget), 100)
		}
		prev := lists(t, p.Track(), nil)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			for range rapid.IntRange(1, 3).Draw(t, "at once") {
				p.step(t)
			}
			prev = lists(t, p.Track(), prev)
			if o := (MediaOptions{Window: 20 * time.Second, Skip: true}); len(Media(p.Track(), o)) < len(Media(p.Track(), MediaOptions{Window: o.Window})) {
				deltas++
			}
		}
		p.End()
		lists(t, p.Track(), prev)
	})
	if deltas == 0 {
		t.Error("no delta update was shorter than the full list")
	}
}

// The sum of EXTINF over segments that adjoin is their time, to the last decimal
// written, however long the stream goes on.
func TestPropertyDurationsDoNotDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		init := presentationtest.AAC
		init.SampleRate = rapid.IntRange(8000, 96000).Draw(t, "rate")
		p := presentationtest.New(presentationtest.Options{Init: init, Listed: 1000})
		d := media.Ticks(rapid.IntRange(1000, 8000).Draw(t, "duration"))
		n := rapid.IntRange(1, 300).Draw(t, "segments")
		for range n {
			p.Segment(1, d, 1)
		}
		list, err := hlstest.Parse(Media(p.Track(), MediaOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		want := float64(d) * float64(n) / float64(init.SampleRate)
		if got := list.Duration(); math.Abs(got-want) > 1.1e-5 {
			t.Errorf("%d segments of %d/%d s sum up to %.6f s, want %.6f", n, d, init.SampleRate, got, want)
		}
	})
}

// Audio and video of the same instant have the same date.
func TestSameMediaHasSameDate(t *testing.T) {
	dates := map[string]string{}
	for _, init := range []media.Init{presentationtest.AVC, presentationtest.AAC} {
		p := presentationtest.New(presentationtest.Options{Init: init, Start: presentationtest.Epoch.Add(123456789)})
		for range 3 {
			p.Segment(10, p.Ticks(part), 10)
		}
		list, err := hlstest.Parse(Media(p.Track(), MediaOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list.Segments {
			date := s.Date.String()
			if was, ok := dates[s.URI]; ok && was != date {
				t.Errorf("segment %s is of %s in one list, of %s in the other", s.URI, was, date)
			}
			dates[s.URI] = date
		}
	}
}

func TestReportOf(t *testing.T) {
	p := presentationtest.New(presentationtest.Options{FirstMSN: 7})
	if r, ok := ReportOf(p.Track()); ok {
		t.Errorf("report %v of nothing", r)
	}
	p.Segment(10, p.Ticks(part), 1)
	p.Part(p.Ticks(part), 1)
	if r, ok := ReportOf(p.Track()); !ok || r != (Report{"../v1/media.m3u8", 8, 0}) {
		t.Errorf("report = %v, %v", r, ok)
	}
	plain := *p.Track()
	plain.Cadence.PartTarget = 0
	if r, ok := ReportOf(&plain); !ok || r != (Report{"../v1/media.m3u8", 7, -1}) {
		t.Errorf("plain report = %v, %v", r, ok)
	}
}

func BenchmarkMedia(b *testing.B) {
	p := cut(presentationtest.Options{Listed: 30}, 30)
	o := MediaOptions{Window: time.Minute, Reports: []Report{{"../a1/media.m3u8", 817, 1}}}
	b.ReportAllocs()
	for b.Loop() {
		Media(p.Track(), o)
	}
}
