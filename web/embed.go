// Package web holds what a browser shows: the player page and the landing page.
// Their sources are TypeScript, in src; the built assets are checked in under
// dist, so that building the server needs no Node. Nothing is templated here:
// the player page reads the stream's name from its own address.
package web

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/headrace/headrace/internal/session"
)

//go:embed dist
var dist embed.FS

// csp is the content security policy of the pages. Playlists and media may come
// from other origins (content steering, a CDN), hence connect-src and media-src;
// Media Source Extensions play from blob: URLs. No inline script or style.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src *; media-src * blob:; worker-src 'self' blob:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

const (
	// cachePage makes a browser ask each time: pages name the assets of one build.
	cachePage = "no-cache"
	// cacheAsset is for names that carry a hash of their content.
	cacheAsset = "public, max-age=31536000, immutable"
)

// Handler serves the landing page at /, the player page at /watch/{stream} and
// their assets below /assets/. Every path has one spelling: whatever is encoded,
// doubled or dotted is not found, and no answer repeats a byte of the request.
// It panics if the embedded assets are not whole, which only a broken build does.
func Handler() http.Handler {
	files, err := load(dist)
	if err != nil {
		panic(fmt.Sprintf("web: %v", err))
	}
	return &site{files: files}
}

type site struct {
	files map[string]*file // by path below dist; never written after load
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", csp)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")

	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		h.Set("Cache-Control", "no-store")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	f, ok := s.find(r)
	if !ok {
		h.Set("Cache-Control", "no-store")
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	f.serve(w, r)
}

func (s *site) find(r *http.Request) (*file, bool) {
	// RawPath is set when the path was not spelled as Go would spell it.
	if r.URL.RawPath != "" {
		return nil, false
	}
	p := r.URL.Path
	if p == "/" {
		return s.files["index.html"], true
	}
	if name, ok := strings.CutPrefix(p, "/watch/"); ok {
		return s.files["watch.html"], validName(name)
	}
	if strings.HasPrefix(p, "/assets/") && path.Clean(p) == p {
		f, ok := s.files[p[1:]]
		return f, ok
	}
	return nil, false
}

// validName tells whether name can name a stream.
func validName(name string) bool {
	_, err := session.ParseName(name)
	return err == nil
}

// load reads all files of the build, compressed once for all requests.
func load(fsys fs.FS) (map[string]*file, error) {
	files := map[string]*file{}
	err := fs.WalkDir(fsys, "dist", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(p, "dist/")
		f, err := newFile(name, data)
		if err != nil {
			return fmt.Errorf("load %s: %w", name, err)
		}
		files[name] = f
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, page := range []string{"index.html", "watch.html"} {
		if files[page] == nil {
			return nil, fmt.Errorf("no %s in dist", page)
		}
	}
	return files, nil
}
