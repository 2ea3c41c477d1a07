package delivery

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/session"
)

func TestParsePath(t *testing.T) {
	for _, c := range []struct {
		path string
		want target
	}{
		{"/live/a/master.m3u8", target{kind: kindMultivariant, stream: "a"}},
		{"/live/a/b-_/C/master.m3u8", target{kind: kindMultivariant, stream: "a/b-_/C"}},
		{"/live/a/b/v1/media.m3u8", target{kind: kindPlaylist, stream: "a/b", track: "v1"}},
		{"/live/a/v1/init-0a9f.mp4", target{kind: kindInit, stream: "a", track: "v1", version: "0a9f"}},
		{"/live/a/v1/0.m4s", target{kind: kindSegment, stream: "a", track: "v1"}},
		{"/live/a/v1/18446744073709551615.m4s", target{kind: kindSegment, stream: "a", track: "v1", number: 1<<64 - 1}},
		{"/live/a/v1/p-7.m4s", target{kind: kindPart, stream: "a", track: "v1", number: 7}},
		{"/live/live/master.m3u8/media.m3u8", target{kind: kindPlaylist, stream: "live", track: "master.m3u8"}},
	} {
		got, code := parsePath(c.path)
		if code != 0 || got != c.want {
			t.Errorf("%s: %+v, %d; want %+v", c.path, got, code, c.want)
		}
	}
}

// badPaths are the tricks of row H3, as they stand in a request line.
var badPaths = []struct {
	path string
	code int
}{
	{"/live/../live/show/one/master.m3u8", 400},
	{"/live/show/./one/master.m3u8", 400},
	{"/live/show/one/%2e%2e/one/master.m3u8", 400},
	{"/live/%73how/one/master.m3u8", 400},
	{"/live/show%2fone/master.m3u8", 400},
	{"/live/show/one/master.m3u8%00", 400},
	{"/live/show/one/master.m3u8%0d%0aX-Evil:1", 400},
	{"/live/show\\one/master.m3u8", 400},
	{"/live/show%5cone/master.m3u8", 400},
	{"//live/show/one/master.m3u8", 400},
	{"/live//show/one/master.m3u8", 400},
	{"/live/show/one//master.m3u8", 400},
	{"/live/show/one/.master.m3u8", 400},
	{"/live/sh\u00f6w/one/master.m3u8", 400},
	{"/live/show/one/master.m3u8;x=1", 400},
	{"/live/show/one/<script>/media.m3u8", 400},
	{"/live/show/one/v1/~root.m4s", 400},
	{"/LIVE/show/one/master.m3u8", 404},
	{"/live/Show/one/master.m3u8", 404},
	{"/live/show/one/MASTER.M3U8", 404},
	{"/live/show/one/master.m3u8/", 404},
	{"/live/show/one/", 404},
	{"/live/master.m3u8", 404},
	{"/live/v1/media.m3u8", 404},
	{"/live/", 404},
	{"/", 404},
	{"/etc/passwd", 404},
	{"/live/show/one/v1/010.m4s", 404},
	{"/live/show/one/v1/-1.m4s", 404},
	{"/live/show/one/v1/p-.m4s", 404},
	{"/live/show/one/v1/p-p-100.m4s", 404},
	{"/live/show/one/v1/1e1.m4s", 404},
	{"/live/show/one/v1/0x64.m4s", 404},
	{"/live/show/one/v1/18446744073709551616.m4s", 404},
	{"/live/show/one/v1/init-.mp4", 404},
	{"/live/show/one/v1/init-../init-1.mp4", 404},
	{"/live/sh.ow/master.m3u8", 404},
	{"/live/" + strings.Repeat("a", 129) + "/master.m3u8", 404},
	{"/live/" + strings.Repeat("a/", 5000) + "master.m3u8", 404},
}

// Row H3: one canonical form of each path; nothing else names anything.
func TestFault_H3_PathTricks(t *testing.T) {
	s := newStudio(t, low)
	server := httptest.NewServer(s)
	defer server.Close()
	send := func(head string) *http.Response {
		t.Helper()
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := fmt.Fprintf(c, "%s\r\nConnection: close\r\n\r\n", head); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%.80q: %v", head, err)
		}
		res.Body.Close()
		return res
	}
	for _, c := range badPaths {
		res := send("GET " + c.path + " HTTP/1.1\r\nHost: x")
		if res.StatusCode != c.code {
			t.Errorf("%.80q: %d, want %d", c.path, res.StatusCode, c.code)
		}
		if l := res.Header.Get("Location"); l != "" {
			t.Errorf("%.80q: redirect to %s", c.path, l)
		}
	}
	for head, code := range map[string]int{
		"GET /live/show/one/master.m3u8 HTTP/1.1\r\nHost: x":                  200,
		"GET http://x/live/show/one/master.m3u8 HTTP/1.1\r\nHost: y":          200, // absolute-form is as good (RFC 9112, 3.2.2)
		"GET http://x/live/../one/master.m3u8 HTTP/1.1\r\nHost: x":            400,
		"GET /live/show/one/master.m3u8 HTTP/1.1\r\nHost: a b":                400,
		"GET /live/show/one/master.m3u8 HTTP/1.1\r\nHost: x\r\nHost: y":       400,
		"GET * HTTP/1.1\r\nHost: x":                                           400,
		"GET live/show/one/master.m3u8 HTTP/1.1\r\nHost: x":                   400,
		"GET /live/show/one/master.m3u8?../../etc/passwd HTTP/1.1\r\nHost: x": 200,
	} {
		if res := send(head); res.StatusCode != code {
			t.Errorf("%.80q: %d, want %d", head, res.StatusCode, code)
		}
	}
}

// Row H5: nothing of a request comes back, in no header and no body.
func TestFault_H5_NothingIsReflected(t *testing.T) {
	s := newStudio(t, low)
	const mark = "zqxj"
	for _, path := range []string{
		"/live/" + mark + "/master.m3u8", "/live/show/one/" + mark + "/media.m3u8", "/live/show/one/" + mark,
		"/live/show/one/v1/init-" + mark + ".mp4", "/live/show/one/<" + mark + ">/media.m3u8",
		"/live/show/one/v1/media.m3u8?callback=" + mark, "/live/show/one/master.m3u8?jsonp=" + mark,
		"/live/show/one/v1/media.m3u8?_HLS_msn=" + mark, "/live/show/one/v1/media.m3u8?_HLS_skip=" + mark,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		u, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		r.Header.Set("Origin", "https://"+mark)
		r.Header.Set("X-Forwarded-Host", mark)
		w := s.do(r)
		if strings.Contains(w.Body.String(), mark) {
			t.Errorf("%s: reflected in the body: %s", path, w.Body)
		}
		if strings.Contains(fmt.Sprint(w.Header()), mark) {
			t.Errorf("%s: reflected in the header: %v", path, w.Header())
		}
		wantHeader(t, path, w, "X-Content-Type-Options", "nosniff")
		if ct := w.Header().Get("Content-Type"); strings.Contains(ct, "html") || strings.Contains(ct, "javascript") {
			t.Errorf("%s: Content-Type %s", path, ct)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, c := range badPaths {
		f.Add(c.path)
	}
	f.Add("/live/a/b/v1/init-0f.mp4")
	f.Add("/live/show/one/v1/p-100.m4s")
	f.Fuzz(func(t *testing.T, path string) {
		got, code := parsePath(path)
		if code != 0 {
			if code != 400 && code != 404 {
				t.Errorf("%q: %d", path, code)
			}
			return
		}
		if _, err := session.ParseName(got.stream); err != nil {
			t.Errorf("%q: stream %q", path, got.stream)
		}
		if strings.ContainsAny(got.track+got.version, "/%") || strings.Contains(path, "..") && strings.Contains(path, "/.") {
			t.Errorf("%q: %+v", path, got)
		}
		var canonical string
		switch got.kind {
		case kindMultivariant:
			canonical = fmt.Sprintf("/live/%s/master.m3u8", got.stream)
		case kindPlaylist:
			canonical = fmt.Sprintf("/live/%s/%s/media.m3u8", got.stream, got.track)
		case kindInit:
			canonical = fmt.Sprintf("/live/%s/%s/init-%s.mp4", got.stream, got.track, got.version)
		case kindPart:
			canonical = fmt.Sprintf("/live/%s/%s/p-%d.m4s", got.stream, got.track, got.number)
		case kindSegment:
			canonical = fmt.Sprintf("/live/%s/%s/%d.m4s", got.stream, got.track, got.number)
		}
		if canonical != path {
			t.Errorf("%q names what %q does", path, canonical)
		}
	})
}
