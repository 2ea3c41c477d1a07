package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// refused dials and returns what a publisher is told, without the names that differ.
func refused(t *testing.T, address, stream string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := dial(ctx, address)
	if err == nil {
		c.close()
		t.Fatalf("%s: the publisher was let in", address)
	}
	return strings.ReplaceAll(err.Error(), stream, "NAME")
}

// TestWrongKeyLooksAlike: who has no key cannot find out which streams there are.
func TestWrongKeyLooksAlike(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	pushFFmpeg(t, avClip(t, "12"), s.push("there"))
	s.waitLive(t, "there", 1)
	want := refused(t, s.pull("there")+"?key=wrong-but-long", "there")
	for what, got := range map[string]string{
		"unknown stream, wrong key": refused(t, s.pull("nowhere")+"?key=wrong-but-long", "nowhere"),
		"unknown stream, no key":    refused(t, s.pull("nowhere"), "nowhere"),
		"live stream, no key":       refused(t, s.pull("there"), "there"),
		"live stream, short key":    refused(t, s.pull("there")+"?key=x", "there"),
	} {
		if got != want {
			t.Errorf("%s: %q, want what a live stream with a wrong key answers: %q", what, got, want)
		}
	}
	// A real encoder must notice too, and give up.
	p := pushFFmpeg(t, avClip(t, "12"), s.pull("nowhere")+"?key=wrong-but-long")
	if err := p.wait(8 * time.Second); err == nil {
		t.Error("ffmpeg thinks that it has published with a wrong key")
	}
	if err := s.expect("/live/nowhere/master.m3u8", http.StatusNotFound); err != nil {
		t.Error(err)
	}
}

// TestFault_P3_SecondPublisherOtherKey: two keys may publish a stream. While the owner
// of one does, the other is refused, and no viewer notices.
func TestFault_P3_SecondPublisherOtherKey(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "headrace.yaml")
	if err := os.WriteFile(config, []byte("streams:\n  shared:\n    publish_keys: [first-canary-key, second-canary-key]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, quick, map[string]string{"config": config})
	file := avClip(t, "12")
	pushFFmpeg(t, file, s.pull("shared")+"?key=first-canary-key")
	s.waitLive(t, "shared", 1)
	stop := s.followAll(t, "shared")
	for range 3 {
		refused(t, s.pull("shared")+"?key=second-canary-key", "shared")
	}
	// The key for all streams is no key for one that has its own.
	refused(t, s.push("shared"), "shared")
	out := ffprobe(t, time.Minute, s.master("shared"), fromStart...)
	stop()
	sameMedia(t, ffprobe(t, time.Minute, file), out, 3, inSync)
	if log := s.proc.out.String(); strings.Contains(log, "first-canary-key") || strings.Contains(log, "second-canary-key") {
		t.Error("a stream key is in the log")
	}
}

// TestFault_P2_HalfOpenPublisherIsReplaced: an encoder falls silent without closing its
// connection, as when its network is pulled, and comes back at once with its key. It is
// let in within 500 ms, the old connection is closed, and players stay on their list.
func TestFault_P2_HalfOpenPublisherIsReplaced(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	tags := readFLV(t, avClip(t, "12"))
	first, err := dial(t.Context(), s.push("half"))
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	sending := make(chan error, 1)
	go func() {
		sending <- first.play(t.Context(), tags, func(g *tag) bool { return g.ms < 5000 })
	}()
	s.waitLive(t, "half", 2)
	f := newFollower(s, "half", s.trackOf(t, "half", "video"))
	f.patient = 10 * time.Second
	stop := follow(t, f)
	eventually(t, 15*time.Second, "the encoder silent", func() error {
		var st struct {
			Tracks []struct {
				Silent float64 `json:"silent_seconds"`
			}
		}
		if s.api(t, "/api/v1/streams/half", &st); len(st.Tracks) == 0 || st.Tracks[0].Silent < 0.2 {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	begin := time.Now()
	result := pushTags(t, s.push("half"), tags, nil)
	if d := time.Since(begin); d > 500*time.Millisecond {
		t.Errorf("let in after %v", d)
	}
	select {
	case <-first.closed:
	case <-time.After(5 * time.Second):
		t.Error("the old connection is still open")
	}
	<-sending
	if err := <-result; err != nil {
		t.Error(err)
	}
	n := len(stop().check(t))
	if want := 30 * (5 + 12 - 3); n < want { // a segment at each end
		t.Errorf("%d frames came out, want %d", n, want)
	}
}

// TestFault_P8_EmptyPublish: a publisher that never sends anything is put out, and its
// name is free again.
func TestFault_P8_EmptyPublish(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	c, err := dial(t.Context(), s.push("empty"))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	select {
	case <-c.closed:
	case <-time.After(15 * time.Second):
		t.Error("still connected after 15 s")
	}
	if d := time.Since(begin); d < 5*time.Second {
		t.Errorf("put out after %v: slow encoders need longer", d)
	}
	c.close()
	pushFFmpeg(t, avClip(t, "12"), s.push("empty"))
	s.waitLive(t, "empty", 1)
}

// TestFault_R7_NoSequenceHeader: media that nobody can decode makes no stream. The
// publisher is told after 10 s; one whose configuration comes late is played from there.
func TestFault_R7_NoSequenceHeader(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	file := avClip(t, "22")
	for _, c := range []struct {
		name string
		edit func(*tag) bool
	}{
		{"missing", func(g *tag) bool { return !g.config() }},
		{"empty", func(g *tag) bool {
			if g.config() {
				g.body = g.body[:2+3*int((g.kind-flvAudio))]
			}
			return true
		}},
		{"null-SPS", func(g *tag) bool {
			if g.config() && g.kind == flvVideo {
				g.body = append(g.body[:5:5], 1, 66, 0, 30, 0xFF, 0xE1, 0, 0, 1, 0, 0)
			}
			return g.kind == flvVideo
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			result := pushTags(t, s.push(c.name), readFLV(t, file), c.edit)
			select {
			case err := <-result:
				if err == nil {
					t.Error("the publisher was let go on to its end")
				}
				t.Logf("after %v: %v", time.Since(begin).Round(time.Millisecond), err)
			case <-time.After(18 * time.Second):
				t.Error("still let in after 18 s")
			}
			if err := s.expect("/live/"+c.name+"/master.m3u8", http.StatusNotFound); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("late", func(t *testing.T) {
		t.Parallel()
		tags := readFLV(t, file)
		var configs []tag
		for _, g := range tags {
			if g.config() {
				configs = append(configs, g)
			}
		}
		var late []tag
		for _, g := range tags {
			if g.ms >= 3000 {
				for _, k := range configs {
					late = append(late, tag{k.kind, g.ms, k.body})
				}
				configs = nil
			}
			if !g.config() {
				late = append(late, g)
			}
		}
		pushTags(t, s.push("late"), late, nil)
		s.waitLive(t, "late", 1)
		out := ffprobe(t, time.Minute, s.master("late"), fromStart...)
		found := sameMedia(t, ffprobe(t, time.Minute, file), out, 30*5+47*5, inSync)
		if m := found["video"]; m.first < 80 || m.first > 121 {
			t.Errorf("video begins with frame %d, want the first keyframe after 3 s", m.first)
		}
	})
}

// TestFault_P5_ResolutionChanges: the encoder changes its picture size, on one
// connection and by coming back. Players get a new initialisation segment after a
// discontinuity, and each says its own size.
func TestFault_P5_ResolutionChanges(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	small := readFLV(t, avClip(t, "6"))
	large := readFLV(t, makeClip(t, "large", encode("6", "testsrc2=s=640x360:r=30", sound, x264...)...))
	var joined []tag
	joined = append(joined, small...)
	for _, g := range large {
		joined = append(joined, tag{g.kind, g.ms + 6016, g.body})
	}
	for name, publish := range map[string]func(stream string){
		"one-connection": func(stream string) { pushTags(t, s.push(stream), joined, nil) },
		"reconnect": func(stream string) {
			e := &encoder{t: t, url: s.push(stream), tags: small}
			e.background(func(ctx context.Context) {
				e.session(ctx, 6*time.Second)
				e.tags = large
				e.session(ctx, 8*time.Second)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			publish(name)
			s.waitLive(t, name, 1)
			f := newFollower(s, name, s.trackOf(t, name, "video"))
			f.patient = 10 * time.Second
			f.run(t.Context())
			f.check(t)
			if len(f.runs) != 2 {
				t.Fatalf("%d initialisation segments, want 2", len(f.runs))
			}
			for i, want := range []string{"320x180", "640x360"} {
				path := filepath.Join(t.TempDir(), "run.mp4")
				if err := os.WriteFile(path, f.runs[i].bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
				p := ffprobe(t, time.Minute, path)
				if got := fmt.Sprintf("%dx%d", p.streams[0].Width, p.streams[0].Height); got != want {
					t.Errorf("run %d is %s, want %s", i, got, want)
				}
				if n := len(p.packets); n < 5*30 || !p.packets[0].key {
					t.Errorf("run %d: %d packets, keyframe first %v", i, n, n > 0 && p.packets[0].key)
				}
			}
			breaks := 0
			for _, seg := range f.seen {
				if seg.discontinuity {
					breaks++
				}
			}
			if breaks != 1 {
				t.Errorf("%d discontinuities, want 1", breaks)
			}
		})
	}
}
