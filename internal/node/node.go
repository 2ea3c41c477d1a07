// Package node puts the server together: it makes the parts from the configuration,
// runs them, and stops them in the order that viewers notice least. All decisions of
// how parts are wired stand here, in build.
package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headrace/headrace/internal/api"
	"github.com/headrace/headrace/internal/auth"
	"github.com/headrace/headrace/internal/config"
	"github.com/headrace/headrace/internal/delivery"
	"github.com/headrace/headrace/internal/ingest"
	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/metrics"
	"github.com/headrace/headrace/internal/packager"
	"github.com/headrace/headrace/internal/presentation"
	"github.com/headrace/headrace/internal/proto/rtmp"
	"github.com/headrace/headrace/internal/session"
)

// Node is one server process.
type Node struct {
	cfg  config.Config
	made config.Generated // secrets that did not exist before this start
	log  *slog.Logger

	hub      live.Hub
	catalog  presentation.Catalog
	broker   *session.Broker
	ingest   *ingest.Ingest
	packager *packager.Packager
	delivery *delivery.Handler
	rtmp     *rtmp.Server // nil: not configured
	registry *metrics.Registry
	tls      *tls.Config // nil: no certificate

	listening chan struct{} // closed when all addresses are open
	ready     atomic.Bool
	lastView  atomic.Int64 // Unix nanoseconds of the newest request for media
}

// New makes the parts. It opens nothing but the files of secrets and certificates.
func New(cfg config.Config, log *slog.Logger) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, log: log, registry: metrics.New(), listening: make(chan struct{})}
	var err error
	if n.made, err = n.cfg.EnsureSecrets(); err != nil {
		return nil, err
	}
	if cfg.TLS.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("load the certificate: %w", err)
		}
		n.tls = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	if err := n.build(); err != nil {
		return nil, err
	}
	return n, nil
}

// build makes the parts of the pipeline and wires them: this is the whole picture.
//
//	rtmp -> broker -> ingest -> hub -> packager -> catalog -> delivery
func (n *Node) build() error {
	streams := map[string]auth.Stream{}
	for name, s := range n.cfg.Streams {
		a := auth.Stream{Takeover: s.OnSecondPublisher == config.Takeover}
		for _, k := range s.PublishKeys {
			a.Keys = append(a.Keys, session.Secret(k.Reveal()))
		}
		streams[name] = a
	}
	authorizer, err := auth.New(auth.Options{
		PublishKey:    session.Secret(n.cfg.Auth.PublishKey.Reveal()),
		Streams:       streams,
		AnonymousPlay: n.cfg.Auth.AnonymousPlay,
	})
	if err != nil {
		return err
	}
	counters := &ingest.Counters{}
	if n.ingest, err = ingest.New(ingest.Options{
		Hub: &n.hub, Logger: n.log, Counters: counters, MaxStreams: n.cfg.Limits.MaxStreams,
		Segment: n.cfg.Segment.Duration, Part: n.cfg.Segment.Part, Hold: n.cfg.Ingest.Hold,
	}); err != nil {
		return err
	}
	n.broker = session.NewBroker(session.Options{Auth: authorizer, Ingest: n.ingest, Hub: &n.hub, Logger: n.log})
	if n.packager, err = packager.New(packager.Options{
		Hub: &n.hub, Catalog: &n.catalog, Window: n.cfg.Segment.Window, Logger: n.log,
	}); err != nil {
		return err
	}
	if n.delivery, err = delivery.New(delivery.Options{Catalog: &n.catalog, Logger: n.log, Metrics: n.registry}); err != nil {
		return err
	}
	if n.cfg.RTMP.Addr != "" || n.cfg.RTMP.TLSAddr != "" {
		if n.rtmp, err = rtmp.New(rtmp.Options{
			Addr: n.cfg.RTMP.Addr, TLSAddr: n.cfg.RTMP.TLSAddr, TLS: n.tls, Broker: n.broker, Logger: n.log, Apps: n.cfg.RTMP.Apps,
			MergeLatency: n.cfg.RTMP.MergeLatency, Listening: n.isReady,
			MaxConns: n.cfg.RTMP.MaxConnections, MaxConnsPerIP: n.cfg.RTMP.MaxConnectionsPerIP,
		}); err != nil {
			return err
		}
	}
	n.measure(counters)
	return nil
}

// Run serves until ctx ends, then stops in order: publishers are let go, streams end
// so that playlists say so, viewers get time to fetch what is left.
func (n *Node) Run(ctx context.Context) error {
	listeners, err := n.listen()
	if err != nil {
		return err
	}
	server := n.server()
	// The stages stop one after the other, each when what feeds it has ended.
	intake, stopIntake := context.WithCancel(context.Background())
	stages, stopStages := context.WithCancel(context.Background())
	defer stopIntake()
	defer stopStages()
	g, failed := errgroup.WithContext(ctx)
	for _, l := range listeners {
		g.Go(func() error { return serve(server, l) })
	}
	if n.rtmp != nil {
		g.Go(func() error { return n.rtmp.Run(intake) })
	} else {
		n.isReady()
	}
	g.Go(func() error { return n.ingest.Run(intake) })
	g.Go(func() error { return n.packager.Run(stages) })
	g.Go(func() error { return n.trimHeap(stages) })
	g.Go(func() error {
		<-failed.Done() // ctx has ended, or a part has failed
		n.ready.Store(false)
		n.log.Info("stopping", "drain", n.cfg.Drain)
		stopIntake()
		n.drain()
		stopStages()
		quick, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := server.Shutdown(quick); err != nil {
			server.Close()
		}
		return nil
	})
	return g.Wait()
}

// isReady notes that all addresses are open.
func (n *Node) isReady() {
	n.ready.Store(true)
	close(n.listening)
}

// drain waits until every playlist has ended and nobody fetches media any more, for
// the configured time at most.
func (n *Node) drain() {
	const quiet = 2 * time.Second // players poll at least this often at the live edge
	begun := time.Now()
	for time.Since(begun) < n.cfg.Drain {
		idle := time.Since(time.Unix(0, n.lastView.Load()))
		if idle > quiet && n.ended() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// ended reports whether all packaged streams have.
func (n *Node) ended() bool {
	for _, s := range n.catalog.Streams() {
		for _, r := range s.Renditions() {
			if !r.Load().Ended {
				return false
			}
		}
	}
	return true
}

// listen opens the HTTP listeners.
func (n *Node) listen() ([]net.Listener, error) {
	gate := newGate(n.cfg.HTTP.MaxConnections, n.cfg.HTTP.MaxConnectionsPerIP)
	var all []net.Listener
	for _, l := range []struct {
		addr string
		tls  bool
	}{{n.cfg.HTTP.Addr, false}, {n.cfg.HTTP.TLSAddr, true}} {
		if l.addr == "" {
			continue
		}
		ln, err := net.Listen("tcp", l.addr)
		if err != nil {
			for _, open := range all {
				open.Close()
			}
			return nil, fmt.Errorf("listen for HTTP: %w", err)
		}
		ln = gate.listener(ln)
		if l.tls {
			c := n.tls.Clone()
			c.NextProtos = []string{"h2", "http/1.1"}
			ln = tls.NewListener(ln, c)
		}
		all = append(all, ln)
	}
	return all, nil
}

func serve(s *http.Server, l net.Listener) error {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

// apiHandler is the API behind the admin token.
func (n *Node) apiHandler() http.Handler {
	return auth.RequireToken(session.Secret(n.cfg.Auth.AdminToken.Reveal()),
		api.New(api.Options{Hub: &n.hub, Catalog: &n.catalog, Broker: n.broker, Waiting: n.delivery.Waiting}))
}
