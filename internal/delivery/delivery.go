// Package delivery answers players over HTTP, at an origin and at an edge alike: HLS
// playlists with blocking reload, initialisation segments, parts and segments, as
// rfc8216bis (revision 22, 6.2.5 and appendix B) wants them served. What playlists
// say is manifest/hls's; DESIGN.md says what is shared and what is waited for. It
// opens no listener, knows no viewer, and reads no file.
package delivery

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/metrics"
	"github.com/headrace/headrace/internal/presentation"
)

// Options are what a Handler needs.
type Options struct {
	Catalog *presentation.Catalog
	Logger  *slog.Logger      // nil: silent
	Metrics *metrics.Registry // nil: nothing is counted

	// Now is the wall clock, by which a stream counts as stalled; nil: time.Now.
	// Requests are held by the runtime's clock.
	Now func() time.Time
}

// Handler answers GET, HEAD and OPTIONS below /live/. Any number of goroutines may
// call it. It keeps no goroutine of its own: a request that waits does so on its
// caller's, at most three target durations, and gives up when its context ends.
//
// It must see request paths as they came: behind an http.ServeMux, which answers
// unclean paths with a redirect, /live/ is to be taken out first.
type Handler struct {
	catalog *presentation.Catalog
	log     *slog.Logger
	now     func() time.Time
	m       *instruments

	mu      sync.RWMutex           // guards streams; a leaf
	streams map[string]*streamView // by name, of streams that are or were in the catalog
}

// New returns a Handler.
func New(o Options) (*Handler, error) {
	if o.Catalog == nil {
		return nil, errors.New("new delivery handler: no catalog")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Handler{
		catalog: o.Catalog, log: o.Logger, now: o.Now,
		m:       newInstruments(o.Metrics),
		streams: make(map[string]*streamView),
	}, nil
}

// Waiting returns how many requests for the stream are held at the moment: with
// blocking reload, about one for each viewer and rendition.
func (h *Handler) Waiting(stream string) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if v := h.streams[stream]; v != nil {
		return int(v.waiting.Load())
	}
	return 0
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := newAnswer(h, w, r)
	defer a.finish()
	header := w.Header()
	for i := range always {
		header[always[i].name] = always[i].value
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		preflight(a)
		return
	default:
		header.Set("Allow", "GET, HEAD, OPTIONS")
		a.fail(http.StatusMethodNotAllowed, "method not allowed", 0)
		return
	}
	if r.ContentLength != 0 {
		// Nothing here takes a body, and while one is on its way the server cannot
		// see that the client has gone. Nor does it wait for the rest (fault Q3).
		header.Set("Connection", "close")
		_ = a.control.SetReadDeadline(time.Now())
		a.fail(http.StatusBadRequest, "a request here has no body", 0)
		return
	}
	t, code := parsePath(r.URL.EscapedPath())
	switch code {
	case 0:
		a.kind = t.kind
		h.answer(a, t)
	case http.StatusNotFound:
		a.fail(code, "not found", absentTTL)
	default:
		a.fail(code, "bad path", absentTTL)
	}
}

// always is what every response says. The values are shared: nobody changes them.
var always = [...]struct {
	name  string // as Header.Set would write it
	value []string
}{
	{"Access-Control-Allow-Origin", []string{"*"}},
	{"Access-Control-Expose-Headers", []string{"Age, Content-Length, Content-Range, Date"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
}

// absentTTL is how long it may be remembered that a stream, or a track of it, is not
// there: it may come any moment.
const absentTTL = time.Second

// preflight answers what browsers ask before a request that carries more than the
// plainest headers (Fetch standard, 3.2.2): ranges, conditions, CMCD (CTA-5004).
func preflight(a *answer) {
	header := a.w.Header()
	header.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	header.Set("Access-Control-Allow-Headers", "Range, If-None-Match, If-Modified-Since, If-Range, Cache-Control, "+
		"CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status")
	header.Set("Access-Control-Max-Age", "86400")
	a.WriteHeader(http.StatusNoContent)
}

// answer answers a GET or HEAD of t.
func (h *Handler) answer(a *answer, t target) {
	s := h.catalog.Stream(t.stream)
	if s == nil {
		a.fail(http.StatusNotFound, "there is no such stream now", absentTTL)
		return
	}
	if t.kind == kindMultivariant {
		h.multivariant(a, h.view(s))
		return
	}
	r := s.Rendition(t.track)
	if r == nil {
		a.fail(http.StatusNotFound, "the stream has no such track", absentTTL)
		return
	}
	switch t.kind {
	case kindPlaylist:
		h.playlist(a, h.view(s), r)
	case kindInit:
		h.initialisation(a, r, t.version)
	case kindPart:
		h.part(a, s, r, t.number)
	case kindSegment:
		h.segment(a, s, r, t.number)
	}
}
