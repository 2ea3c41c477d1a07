package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOperation asks for what an operator and his tools look at.
func TestOperation(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	pushFFmpeg(t, avClip(t, "22"), s.push("ops"))
	s.waitLive(t, "ops", 2)
	for path, code := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/watch/ops": 200, "/api/v1/streams": 401, "/api/v1/sessions": 401} {
		if err := s.expect(path, code); err != nil {
			t.Error(err)
		}
	}
	for what, header := range map[string][]string{
		"wrong token":          {"Authorization", "Bearer wrong"},
		"publish key":          {"Authorization", "Bearer " + publishKey},
		"token in another way": {"Cookie", "token=" + adminToken},
	} {
		res, body, err := s.get(s.url("/api/v1/streams"), header...)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusUnauthorized || strings.Contains(string(body), "ops") {
			t.Errorf("API with %s: %s", what, res.Status)
		}
	}
	var streams struct {
		Streams []struct {
			Name    string
			Cadence struct {
				Part float64 `json:"part_seconds"`
			}
			Tracks []struct {
				ID, Kind, Codec string
				BitrateBPS      int     `json:"bitrate_bps"`
				GOP             float64 `json:"gop_seconds"`
				Latency         float64 `json:"latency_seconds"`
				Width, Height   int
			}
			Sessions []struct{ Role, Protocol, Agent string }
		}
	}
	s.api(t, "/api/v1/streams", &streams)
	if len(streams.Streams) != 1 || streams.Streams[0].Name != "ops" {
		t.Fatalf("streams: %+v", streams)
	}
	st := streams.Streams[0]
	if st.Cadence.Part < 0.2 || st.Cadence.Part > 0.3 || len(st.Tracks) != 2 || len(st.Sessions) != 1 || st.Sessions[0].Protocol != "rtmp" {
		t.Errorf("stream: %+v", st)
	}
	for _, k := range st.Tracks {
		if k.BitrateBPS < 20_000 || k.Latency < 0 || k.Latency > 2 || k.Codec == "" {
			t.Errorf("track: %+v", k)
		}
		if k.Kind == "video" && (k.Width != 320 || k.Height != 180 || k.GOP < 0.9 || k.GOP > 1.1) {
			t.Errorf("video track: %+v", k)
		}
	}
	if n := s.mustMetric(t, "go_goroutines"); n < 5 {
		t.Errorf("go_goroutines %v", n)
	}
	own := 0
	for line := range strings.Lines(string(s.mustGet(t, "/metrics"))) {
		if strings.HasPrefix(line, "headrace_") {
			own++
		}
	}
	if own < 10 {
		t.Errorf("%d lines of metrics are ours", own)
	}
}

// TestSIGTERM: a server that is told to stop ends its playlists, lets players fetch
// the rest, and goes with status 0.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	s := start(t, quick, map[string]string{"drain": "4s"})
	e := &encoder{t: t, url: s.push("end"), tags: readFLV(t, avClip(t, "22"))}
	e.background(func(ctx context.Context) { e.session(ctx, 20*time.Second) })
	s.waitLive(t, "end", 3)
	f := newFollower(s, "end", s.trackOf(t, "end", "video"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.run(t.Context())
	}()
	eventually(t, 5*time.Second, "viewer connected", func() error { return s.expect("/live/end/master.m3u8", 200) })
	s.proc.signal(syscall.SIGTERM)
	select {
	case <-done: // the list has ended
	case <-time.After(4 * time.Second):
		t.Error("the playlist did not end while the server drains")
	}
	f.check(t)
	if err := s.proc.wait(10 * time.Second); err != nil {
		t.Errorf("exit: %v", err)
	}
}

// TestSecretsStayInside runs everything that prints, with planted secrets, and finds
// them nowhere (fault A4).
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	const planted = "canary-of-this-very-test-77aa"
	s := start(t, quick, map[string]string{"auth.publish_key": planted, "log.level": "debug"})
	push := s.pull("secret") + "?key=" + planted
	pushTags(t, push, readFLV(t, avClip(t, "12")), nil)
	s.waitLive(t, "secret", 2)
	refused(t, s.pull("other")+"?key="+planted+"-wrong", "other") // what is nearly right stays inside too
	refused(t, push, "secret")                                    // a second one with the right key
	track := s.trackOf(t, "secret", "video")
	outputs := map[string]string{}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/watch/secret", "/live/secret/master.m3u8", "/live/secret/" + track + "/media.m3u8"} {
		outputs[path] = string(s.mustGet(t, path))
	}
	for _, path := range []string{"/api/v1/streams", "/api/v1/sessions", "/api/v1/streams/secret"} {
		_, body, err := s.get(s.url(path), "Authorization", "Bearer "+adminToken)
		if err != nil {
			t.Fatal(err)
		}
		outputs[path] = string(body)
	}
	check := launch(t, s.env(), headrace, "check")
	_ = check.wait(20 * time.Second) // it may well find fault with the machine
	outputs["headrace check"] = check.out.String()
	outputs["command lines"] = commandLines(t, s.proc.cmd.Process.Pid)
	s.terminate()
	outputs["log"] = s.proc.out.String()
	for where, text := range outputs {
		for _, secret := range []string{planted, adminToken} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows the secret %s", where, secret)
			}
		}
		if text == "" {
			t.Errorf("%s is empty: nothing was searched", where)
		}
	}
}

// commandLines returns the arguments of a process and of all its descendants, as any
// user of the machine can see them.
func commandLines(t *testing.T, pid int) string {
	t.Helper()
	parents := map[string]string{}
	dirs, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range dirs {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// proc(5): the name in parentheses may hold anything, so count from its end.
		rest := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		parents[filepath.Base(filepath.Dir(path))] = rest[1]
	}
	var all strings.Builder
	for p := range parents {
		for q := p; q != "" && q != "0"; q = parents[q] {
			if q == strconv.Itoa(pid) {
				b, _ := os.ReadFile("/proc/" + p + "/cmdline")
				all.Write(b)
				all.WriteByte('\n')
				break
			}
		}
	}
	return all.String()
}

// TestDemo: one command gives live video, and says where.
func TestDemo(t *testing.T) {
	t.Parallel()
	s := start(t, map[string]string{"command": "demo"})
	s.waitLive(t, "demo", 1)
	stop := s.followAll(t, "demo")
	eventually(t, 20*time.Second, "some segments", func() error {
		s.waitLive(t, "demo", 4)
		return nil
	})
	stop()
	if got := commandLines(t, s.proc.cmd.Process.Pid); strings.Contains(got, publishKey) {
		t.Error("the stream key is in a command line")
	}
	if text := s.proc.out.String(); !strings.Contains(text, "/watch/demo") || !strings.Contains(text, "rtmp://") {
		t.Errorf("the start does not say where to push and watch:\n%s", text)
	}
}
