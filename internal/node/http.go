package node

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/headrace/headrace/web"
)

// Limits of HTTP connections. Answers have no overall deadline, since players hold
// requests open: delivery bounds each write.
const (
	headerTimeout  = 5 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 16 << 10
)

// server returns the HTTP server of all listeners.
func (n *Node) server() *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(n.cfg.HTTP.H2C)
	return &http.Server{
		Handler:           n.handler(),
		Protocols:         &p,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout, // no request has a body worth waiting for
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
}

// handler routes. Media goes past the mux, which would redirect paths that it finds
// unclean: delivery refuses those itself.
func (n *Node) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/", n.apiHandler())
	mux.Handle("GET /metrics", n.registry.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !n.ready.Load() {
			plain(w, http.StatusServiceUnavailable, "stopping")
			return
		}
		plain(w, http.StatusOK, "ready")
	})
	mux.Handle("/", web.Handler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(strings.TrimLeft(r.URL.Path, "/"), "live/") {
			n.lastView.Store(time.Now().UnixNano())
			n.delivery.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}
