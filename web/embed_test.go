package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// handler is shared: making one compresses all assets.
var handler = sync.OnceValue(Handler)

func get(t *testing.T, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPages(t *testing.T) {
	for _, target := range []string{"/", "/watch/demo", "/watch/live/studio-1_b", "/watch/" + strings.Repeat("a", 128)} {
		res := get(t, target)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, want 200", target, res.StatusCode)
		}
		for key, want := range map[string]string{
			"Content-Type":           "text/html; charset=utf-8",
			"Cache-Control":          "no-cache",
			"X-Content-Type-Options": "nosniff",
			"Referrer-Policy":        "same-origin",
		} {
			if got := res.Header.Get(key); got != want {
				t.Errorf("%s: %s: %q, want %q", target, key, got, want)
			}
		}
		policy := res.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "media-src * blob:", "connect-src *"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy %q lacks %q", target, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q allows inline code", target, policy)
		}
	}
}

var (
	reference = regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	inline    = regexp.MustCompile(`<script(?:\s[^>]*)?>[^<]|\son[a-z]+=|\sstyle=|<style`)
)

// TestPagesAreWhole follows every reference of the pages, and sees that the
// policy blocks nothing in them.
func TestPagesAreWhole(t *testing.T) {
	for _, target := range []string{"/", "/watch/demo"} {
		page := body(t, get(t, target))
		if m := inline.FindString(page); m != "" {
			t.Errorf("%s has inline code, which the policy blocks: %q", target, m)
		}
		refs := reference.FindAllStringSubmatch(page, -1)
		if len(refs) < 3 {
			t.Errorf("%s names %d assets: want icon, style and script", target, len(refs))
		}
		for _, ref := range refs {
			res := get(t, ref[1])
			if res.StatusCode != http.StatusOK {
				t.Errorf("%s names %s: status %d", target, ref[1], res.StatusCode)
			}
			if got := res.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
				t.Errorf("%s: Cache-Control %q", ref[1], got)
			}
		}
	}
}

func TestNotFound(t *testing.T) {
	for _, target := range []string{
		"/watch", "/watch/", "/watch/a/", "/watch//a", "/watch/a//b", "/watch/a.b", "/watch/a b",
		"/watch/" + strings.Repeat("a", 129), "/assets", "/assets/", "/assets/none.js", "/index.html",
		"/watch.html", "/dist/index.html", "/.sources", "/assets/../.sources", "/embed.go",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: target}
		w := httptest.NewRecorder()
		handler().ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", target, w.Code)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q, want no-store", target, got)
		}
	}
}

func TestMethods(t *testing.T) {
	for method, want := range map[string]int{
		http.MethodHead: http.StatusOK, http.MethodPost: http.StatusMethodNotAllowed, "PROPFIND": http.StatusMethodNotAllowed,
	} {
		w := httptest.NewRecorder()
		handler().ServeHTTP(w, httptest.NewRequest(method, "/watch/demo", nil))
		if w.Code != want {
			t.Errorf("%s: status %d, want %d", method, w.Code, want)
		}
		if method == http.MethodHead && w.Body.Len() != 0 {
			t.Errorf("HEAD: %d bytes of body", w.Body.Len())
		}
	}
}

func TestCompressionAndRevalidation(t *testing.T) {
	plain := get(t, "/watch/demo")
	packed := get(t, "/watch/demo", "Accept-Encoding", "br, gzip;q=0.8")
	if packed.Header.Get("Content-Encoding") != "gzip" {
		t.Fatal("not compressed for a client that accepts gzip")
	}
	zr, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	if string(unpacked) != body(t, plain) {
		t.Error("the compressed page differs from the plain one")
	}
	if get(t, "/watch/demo", "Accept-Encoding", "gzip;q=0").Header.Get("Content-Encoding") != "" {
		t.Error("compressed for a client that refuses gzip")
	}
	if plain.Header.Get("ETag") == packed.Header.Get("ETag") {
		t.Error("two representations have one entity tag")
	}
	if res := get(t, "/watch/demo", "If-None-Match", plain.Header.Get("ETag")); res.StatusCode != http.StatusNotModified {
		t.Errorf("revalidation: status %d, want 304", res.StatusCode)
	}
}

func TestFault_H3PathTricks(t *testing.T) {
	srv := httptest.NewServer(handler())
	defer srv.Close()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, target := range []string{
		"/watch/../embed.go", "/watch/%2e%2e/embed.go", "/watch/..%2fembed.go", "/watch/demo%00", "/watch/demo%2f",
		"/watch/a%2fb", "/watch/%64emo", `/watch/..\embed.go`, "/watch/%5c..", "/watch/d%C3%A9mo", "/WATCH/demo",
		"//watch/demo", "/./watch/demo", "/assets/../watch.html", "/assets/%2e%2e/watch.html", "/assets//", "/assets/.",
		"/assets/..%2f..%2fembed.go", "/assets/%252e%252e/watch.html",
	} {
		u, err := url.Parse(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.Opaque = "//" + u.Host + target // sent as it stands
		res, err := client.Do(&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}})
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 404 or 400", target, res.StatusCode)
		}
	}
}

func TestFault_H5NamesAreNotReflected(t *testing.T) {
	const mark = "zqxj" // in no page of ours
	for _, target := range []string{
		"/watch/" + mark, "/watch/" + mark + "?callback=" + mark + "&name=%3Cscript%3E" + mark,
		"/watch/%3Cscript%3E" + mark, "/watch/" + mark + "%0d%0aSet-Cookie:%20" + mark, "/" + mark, "/assets/" + mark + ".js",
	} {
		res := get(t, target)
		if strings.Contains(body(t, res), mark) {
			t.Errorf("%s: the body repeats the request", target)
		}
		for key, values := range res.Header {
			if strings.Contains(strings.Join(values, " "), mark) {
				t.Errorf("%s: header %s repeats the request", target, key)
			}
		}
	}
}

// builtFrom is what the assets depend on besides src; sources.mjs has the same list.
var builtFrom = []string{"index.html", "package-lock.json", "package.json", "sources.mjs", "vite.config.mjs", "watch.html"}

// TestDistIsCurrent fails when a source has changed since the assets were built.
func TestDistIsCurrent(t *testing.T) {
	names := slices.Clone(builtFrom)
	err := fs.WalkDir(os.DirFS("."), "src", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	hash := sha256.New()
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		hash.Write([]byte(name + "\x00"))
		hash.Write(data)
		hash.Write([]byte{0})
	}
	want := hex.EncodeToString(hash.Sum(nil))
	got, err := os.ReadFile("dist/.sources")
	if err != nil {
		t.Fatal(err)
	}
	if string(bytes.TrimSpace(got)) != want {
		t.Error("web/dist is older than its sources: run `npm ci && npm run build` in web")
	}
}

// TestLockFile sees to it that the lock file names packages, not the registry they came from.
func TestLockFile(t *testing.T) {
	data, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte(`"resolved"`)) || !bytes.Contains(data, []byte(`"integrity"`)) {
		t.Error("package-lock.json must have integrity and no resolved")
	}
}
