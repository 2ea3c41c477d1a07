package rtmp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/internal/session"
)

// Limits of time. They are the same for everybody: an encoder is ready to speak when it connects.
const (
	// handshakeTimeout is for TLS and the RTMP handshake together.
	handshakeTimeout = 5 * time.Second

	// requestTimeout is from the handshake, or from the end of a publication, to publish or play.
	requestTimeout = 10 * time.Second

	// readIdle is how long nothing at all may come from a publisher.
	readIdle = 15 * time.Second

	// mediaIdle is how long a publisher may send whatever it likes but media.
	mediaIdle = 2 * readIdle

	// writeTimeout is for each write to the connection.
	writeTimeout = 10 * time.Second

	// mediaTimeout is how long a publication may be without a frame that can be used
	// (fault P8), and a track without its configuration (fault R7).
	mediaTimeout = 10 * time.Second

	// lingerTimeout is how long a peer has to read why it was refused.
	lingerTimeout = time.Second
)

// Defaults of Options, in connections.
const (
	DefaultMaxConns      = 2000
	DefaultMaxConnsPerIP = 100 // a studio's encoders may share one address
)

// Broker lets publishers and players in; *session.Broker is one.
type Broker interface {
	Publish(ctx context.Context, r session.Request) (*session.Publication, error)
	Play(ctx context.Context, r session.Request) (*session.Playback, error)
}

// Options of a Server.
type Options struct {
	Addr    string // host:port for RTMP; "": none
	TLSAddr string // host:port for RTMPS; "": none

	// TLS has the certificate for TLSAddr. It is not changed.
	TLS *tls.Config

	Broker Broker
	Logger *slog.Logger // nil: no logs

	// Apps are the applications that are not part of a stream's name when a URL's
	// path begins with one. Nil: "live".
	Apps []string

	// MergeLatency is how long media for players is gathered before it is written; it
	// saves CPU time and delays by as much. 0: none; see DefaultMergeLatency.
	MergeLatency time.Duration

	// Listening is called once, when the addresses are open. Nil: nobody wants to know.
	Listening func()

	MaxConns      int // 0: DefaultMaxConns
	MaxConnsPerIP int // from one IPv4 address or IPv6 /64; 0: DefaultMaxConnsPerIP
}

// Stats counts what a Server has seen since it was made. Safe from any goroutine.
type Stats struct {
	Accepted   atomic.Uint64 // connections
	TurnedAway atomic.Uint64 // connections closed at once because a limit was reached
	Refused    atomic.Uint64 // connections ended with a status that says why
	Broken     atomic.Uint64 // connections ended because the peer broke the protocol or a deadline
	Open       atomic.Int64  // connections now
	Published  atomic.Uint64 // publications begun
}

// A Server takes RTMP and RTMPS connections.
type Server struct {
	Stats Stats

	o    Options
	gate gate
	fans fanouts
	note limiter // of the log's lines about bad connections
}

// New checks o and returns a Server that does nothing yet.
func New(o Options) (*Server, error) {
	switch {
	case o.Broker == nil:
		return nil, errors.New("rtmp: no broker")
	case o.Addr == "" && o.TLSAddr == "":
		return nil, errors.New("rtmp: no address to listen on")
	case o.TLSAddr != "" && o.TLS == nil:
		return nil, errors.New("rtmp: an address for RTMPS, but no certificate")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Apps == nil {
		o.Apps = []string{"live"}
	}
	if o.MaxConns == 0 {
		o.MaxConns = DefaultMaxConns
	}
	if o.MaxConnsPerIP == 0 {
		o.MaxConnsPerIP = DefaultMaxConnsPerIP
	}
	return &Server{o: o, gate: gate{total: o.MaxConns, perNet: o.MaxConnsPerIP, nets: map[netip.Prefix]int{}}}, nil
}

// Run listens and serves until ctx ends, then closes what is open and returns nil
// when every connection's goroutine has ended. The error is that of listening.
func (s *Server) Run(ctx context.Context) error {
	var lc net.ListenConfig
	var listeners [2]net.Listener
	for i, addr := range [2]string{s.o.Addr, s.o.TLSAddr} {
		if addr == "" {
			continue
		}
		l, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			if listeners[0] != nil {
				listeners[0].Close()
			}
			return fmt.Errorf("listen for RTMP: %w", err)
		}
		listeners[i] = l
	}
	if s.o.Listening != nil {
		s.o.Listening()
	}
	var wg sync.WaitGroup
	for i, l := range listeners {
		if l == nil {
			continue
		}
		var t *tls.Config
		if i == 1 {
			t = s.o.TLS
		}
		wg.Go(func() { s.serve(ctx, l, t) })
	}
	wg.Wait()
	return nil
}

// acceptPause is how long the accept loop waits after an error, the first time and at most.
const (
	acceptPause    = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// serve takes connections from l until ctx ends, under TLS if t is set. It never ends
// because of an error: being out of file descriptors passes (fault Q6).
func (s *Server) serve(ctx context.Context, l net.Listener, t *tls.Config) {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer l.Close()
	pause := acceptPause
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				nc.Close()
			}
			return
		}
		if err != nil {
			s.complain("cannot accept RTMP connections", "err", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			pause = min(2*pause, maxAcceptPause)
			continue
		}
		pause = acceptPause
		remote := remoteOf(nc)
		if !s.gate.enter(remote.Addr()) {
			s.Stats.TurnedAway.Add(1)
			s.complain("RTMP connection turned away: too many", "remote", remote)
			nc.Close()
			continue
		}
		s.Stats.Accepted.Add(1)
		s.Stats.Open.Add(1)
		wg.Go(func() {
			defer s.gate.leave(remote.Addr())
			defer s.Stats.Open.Add(-1)
			s.handle(ctx, nc, remote, t)
		})
	}
}

// handle serves one connection and says in the log, once, if it ended badly.
func (s *Server) handle(ctx context.Context, nc net.Conn, remote netip.AddrPort, t *tls.Config) {
	c := newConn(s, nc, remote, t)
	err := c.run(ctx)
	var no *RejectError
	switch {
	case err == nil:
	case errors.As(err, &no):
		s.Stats.Refused.Add(1)
		s.complain("RTMP request refused", "proto", c.proto, "remote", remote, "code", no.Code, "err", no.Err)
	default:
		s.Stats.Broken.Add(1)
		s.complain("RTMP connection broken", "proto", c.proto, "remote", remote, "err", err)
	}
}

// complain logs what bad peers do, a line a second at most.
func (s *Server) complain(msg string, args ...any) {
	if skipped, ok := s.note.allow(time.Now()); ok {
		s.o.Logger.Warn(msg, append(args, "skipped", skipped)...)
	}
}

func remoteOf(nc net.Conn) netip.AddrPort {
	a, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// A limiter lets one line a second through and counts the others.
type limiter struct {
	mu      sync.Mutex // guards all below; a leaf
	next    time.Time
	skipped int
}

func (l *limiter) allow(now time.Time) (skipped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next) {
		l.skipped++
		return 0, false
	}
	skipped, l.skipped, l.next = l.skipped, 0, now.Add(time.Second)
	return skipped, true
}

// A gate counts the connections, in all and by network.
type gate struct {
	total, perNet int

	mu   sync.Mutex // guards all below; a leaf
	open int
	nets map[netip.Prefix]int
}

// network returns what counts as one peer: an IPv4 address or an IPv6 /64.
func network(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits)
	return p
}

func (g *gate) enter(a netip.Addr) bool {
	n := network(a)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open >= g.total || g.nets[n] >= g.perNet {
		return false
	}
	g.open++
	g.nets[n]++
	return true
}

func (g *gate) leave(a netip.Addr) {
	n := network(a)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.nets[n]--; g.nets[n] == 0 {
		delete(g.nets, n)
	}
}
