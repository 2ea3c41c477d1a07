package delivery

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
	"github.com/headrace/headrace/internal/presentation/presentationtest"
)

const part = 200 * time.Millisecond

// studio is a handler, a stream "show/one" in its catalog, and what packages it.
type studio struct {
	*Handler
	catalog *presentation.Catalog
	stream  *presentation.Stream
	v, a    *presentationtest.Packager // tracks v1 and a1
}

// newStudio returns a studio whose tracks have cut three segments of ten parts each,
// numbers 10 to 12, parts 100 to 129.
func newStudio(t testing.TB, cadence media.Cadence) *studio {
	t.Helper()
	catalog := &presentation.Catalog{}
	h, err := New(Options{Catalog: catalog})
	if err != nil {
		t.Fatal(err)
	}
	s := &studio{Handler: h, catalog: catalog, stream: &presentation.Stream{Name: "show/one", Cadence: cadence, Window: 20 * time.Second}}
	s.v = s.packager(presentationtest.AVC, cadence)
	s.a = s.packager(presentationtest.AAC, cadence)
	catalog.Put(s.stream)
	return s
}

func (s *studio) packager(init media.Init, cadence media.Cadence) *presentationtest.Packager {
	p := presentationtest.New(presentationtest.Options{Init: init, Cadence: cadence, FirstMSN: 10, FirstPart: 100, Arrived: time.Now})
	for range 3 {
		p.Segment(10, p.Ticks(part), 1000)
	}
	p.Attach(s.stream)
	return p
}

// both makes both tracks take a step.
func (s *studio) both(step func(p *presentationtest.Packager)) {
	step(s.v)
	step(s.a)
}

func onePart(p *presentationtest.Packager) { p.Part(p.Ticks(part), 1000) }

func request(method, path string, header ...string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// get answers a GET below /live/show/one/; header is names and values.
func (s *studio) get(path string, header ...string) *httptest.ResponseRecorder {
	return s.do(request("GET", "/live/show/one/"+path, header...))
}

func (s *studio) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// begin answers a GET on another goroutine.
func (s *studio) begin(ctx context.Context, path string) <-chan *httptest.ResponseRecorder {
	done := make(chan *httptest.ResponseRecorder, 1)
	go func() { done <- s.do(request("GET", "/live/show/one/"+path).WithContext(ctx)) }()
	return done
}

// pending reports whether a request that was begun is still held.
func pending(c <-chan *httptest.ResponseRecorder) bool { return len(c) == 0 }

func wantCode(t testing.TB, what string, w *httptest.ResponseRecorder, code int) {
	t.Helper()
	if w.Code != code {
		t.Errorf("%s: code %d, want %d: %s", what, w.Code, code, strings.TrimSpace(w.Body.String()))
	}
}

func wantHeader(t testing.TB, what string, w *httptest.ResponseRecorder, name, value string) {
	t.Helper()
	if got := w.Header().Get(name); got != value {
		t.Errorf("%s: %s is %q, want %q", what, name, got, value)
	}
}

func gunzip(t testing.TB, r io.Reader) string {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
