package hls

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/Eyevinn/hls-m3u8/m3u8"
	"github.com/bluenviron/gohlslib/v2/pkg/playlist"
	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/manifest/hls/hlstest"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
	"github.com/headrace/headrace/internal/presentation/presentationtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares a playlist with testdata/name, and reads it with everything we have.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
	readByOthers(t, got)
}

// readByOthers parses a playlist with two readers that are not ours.
func readByOthers(t testing.TB, b []byte) {
	t.Helper()
	// hls-m3u8 cannot read parts before the first whole segment of a list.
	if part, inf := bytes.Index(b, []byte("#EXT-X-PART:")), bytes.Index(b, []byte("#EXTINF")); part < 0 || inf < part {
		if _, _, err := m3u8.Decode(*bytes.NewBuffer(b), true); err != nil {
			t.Errorf("hls-m3u8: %v\n%s", err, b)
		}
	}
	if _, err := playlist.Unmarshal(b); err != nil {
		t.Errorf("gohlslib: %v\n%s", err, b)
	}
}

func lint(t testing.TB, prev, cur []byte) {
	t.Helper()
	for _, err := range hlstest.Check(prev, cur) {
		t.Errorf("%v\n%s", err, cur)
	}
}

const part = 200 * time.Millisecond

// cut returns a packager that has cut n complete segments of ten parts.
func cut(o presentationtest.Options, n int) *presentationtest.Packager {
	p := presentationtest.New(o)
	for range n {
		p.Segment(10, p.Ticks(part), 75_000)
	}
	return p
}

func TestGoldenMedia(t *testing.T) {
	window := 20 * time.Second
	for _, c := range []struct {
		name  string
		track func() *presentation.Track
		o     MediaOptions
	}{
		{"ll-growing.m3u8", func() *presentation.Track {
			p := cut(presentationtest.Options{FirstMSN: 812, FirstPart: 4871}, 5)
			p.Part(p.Ticks(part), 9000)
			p.Part(p.Ticks(part), 9000)
			return p.Track()
		}, MediaOptions{Window: 10 * time.Second, Reports: []Report{{"../a1/media.m3u8", 817, 1}, {"../a2/media.m3u8", 817, -1}}}},
		{"ll-delta.m3u8", func() *presentation.Track {
			p := cut(presentationtest.Options{FirstMSN: 100, FirstPart: 7}, 15)
			p.Part(p.Ticks(part), 9000)
			return p.Track()
		}, MediaOptions{Window: window, Skip: true}},
		{"ll-discontinuity-gap.m3u8", func() *presentation.Track {
			p := cut(presentationtest.Options{FirstMSN: 5}, 4)
			p.Gap(p.Ticks(part))
			p.Part(p.Ticks(part), 100)
			p.GapPart(p.Ticks(part))
			p.Discontinuity(p.Ticks(time.Second))
			p.Segment(3, p.Ticks(part), 100)
			other := presentationtest.AVC
			other.CodecString = "avc1.640028"
			p.Configure(other)
			p.Part(p.Ticks(part), 100)
			return p.Track()
		}, MediaOptions{Window: window}},
		{"ll-ended.m3u8", func() *presentation.Track {
			p := cut(presentationtest.Options{}, 2)
			p.End()
			return p.Track()
		}, MediaOptions{Window: window, Skip: true, Reports: []Report{{"../a1/media.m3u8", 1, 9}}}},
		{"plain.m3u8", func() *presentation.Track {
			cadence := presentationtest.Low
			cadence.PartTarget = 0
			p := cut(presentationtest.Options{Cadence: cadence, FirstMSN: 3, Init: presentationtest.AAC}, 4)
			p.Part(p.Ticks(part), 100)
			return p.Track()
		}, MediaOptions{Window: window}},
	} {
		t.Run(c.name, func(t *testing.T) {
			track := c.track()
			got := Media(track, c.o)
			golden(t, c.name, got)
			c.o.Skip = false
			full := Media(track, c.o)
			lint(t, nil, full)
			lint(t, full, got)
		})
	}
}

func TestGoldenMultivariant(t *testing.T) {
	track := func(id string, init media.Init, peak, average int) *presentation.Track {
		p := presentationtest.New(presentationtest.Options{ID: id, Init: init})
		p.Segment(10, p.Ticks(part), 1000)
		tr := *p.Track()
		tr.Bandwidth, tr.AverageBandwidth = peak, average
		return &tr
	}
	video := func(id, codec string, w, h, peak int, transfer uint8) *presentation.Track {
		in := presentationtest.AVC
		in.CodecString, in.Width, in.Height, in.Color.Transfer = codec, w, h, transfer
		in.FrameRate = media.Rational{Num: 30000, Den: 1001}
		return track(id, in, peak, peak*9/10)
	}
	aac, opus := presentationtest.AAC, media.Init{Codec: media.Opus, CodecString: "opus", Channels: 2, SampleRate: 48000}
	noRate := presentationtest.AVC
	noRate.FrameRate = media.Rational{}
	for _, c := range []struct {
		name   string
		tracks []*presentation.Track
	}{
		{"master-av.m3u8", []*presentation.Track{video("v1", "avc1.64001f", 1280, 720, 3_100_000, 1), track("a1", aac, 130_000, 128_000)}},
		{"master-ladder.m3u8", []*presentation.Track{
			video("v1", "avc1.640028", 1920, 1080, 6_000_000, 0), video("v2", "avc1.64001f", 1280, 720, 2_500_000, 0), video("v3", "avc1.64001e", 640, 360, 700_000, 0),
			track("a1", aac, 130_000, 128_000), track("a2", aac, 190_000, 180_000),
		}},
		{"master-two-codecs.m3u8", []*presentation.Track{video("v1", "hvc1.2.4.L123.b0", 1280, 720, 3_000_000, 16), track("a1", opus, 100_000, 90_000), track("a2", aac, 130_000, 128_000)}},
		{"master-uneven-audio.m3u8", []*presentation.Track{video("v1", "av01.0.05M.10", 1280, 720, 3_000_000, 18), track("a1", opus, 100_000, 90_000), track("a2", aac, 130_000, 128_000), track("a3", aac, 130_000, 128_000)}},
		{"master-audio-only.m3u8", []*presentation.Track{track("a1", aac, 130_000, 128_000)}},
		{"master-video-only.m3u8", []*presentation.Track{track("v1", noRate, 3_000_000, 2_900_000), {ID: "a1", Kind: media.Audio}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Multivariant(c.tracks)
			golden(t, c.name, got)
			lint(t, nil, got)
		})
	}
}
