package rtmp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/session"
)

// A door lets in who has the key "secret" or "other", which are two identities.
type door struct{ takeover bool }

func (d door) AuthorizePublish(_ context.Context, r session.Request) (session.Grant, error) {
	name, err := session.ParseName(r.Stream)
	if err != nil {
		return session.Grant{}, &session.RejectError{Reason: session.BadName, Text: err.Error()}
	}
	if r.Credential != "secret" && r.Credential != "other" {
		return session.Grant{}, &session.RejectError{Reason: session.Denied, Text: "wrong stream name or key"}
	}
	return session.Grant{Stream: name, Identity: string(r.Credential), Takeover: d.takeover}, nil
}

func (d door) AuthorizePlay(ctx context.Context, r session.Request) (session.Grant, error) {
	return d.AuthorizePublish(ctx, r)
}

// A sink is the ingest of a rig: it keeps what comes.
type sink struct{ opened chan *source }

func (s sink) Open(ses *session.Session) (session.Source, error) {
	src := &source{session: ses, changed: make(chan struct{}, 1), closed: make(chan struct{})}
	s.opened <- src
	return src, nil
}

type source struct {
	session *session.Session
	changed chan struct{} // a hint that more has come
	closed  chan struct{}
	reason  error // why it was closed

	mu      sync.Mutex // guards all below; a leaf
	inits   map[session.TrackRef][]media.Init
	samples map[session.TrackRef][]media.Sample
}

func (s *source) Configure(ref session.TrackRef, init media.Init) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inits == nil {
		s.inits = map[session.TrackRef][]media.Init{}
	}
	s.inits[ref] = append(s.inits[ref], init)
	return nil
}

func (s *source) Write(ref session.TrackRef, sample media.Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.samples == nil {
		s.samples = map[session.TrackRef][]media.Sample{}
	}
	s.samples[ref] = append(s.samples[ref], sample)
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return nil
}

func (s *source) Close(reason error) {
	s.reason = reason
	close(s.closed)
}

func (s *source) track(ref session.TrackRef) ([]media.Init, []media.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inits[ref], s.samples[ref]
}

// await waits until n samples of ref have come.
func (s *source) await(t *testing.T, ref session.TrackRef, n int) []media.Sample {
	t.Helper()
	for {
		if _, samples := s.track(ref); len(samples) >= n {
			return samples
		}
		select {
		case <-s.changed:
		case <-time.After(20 * time.Second):
			t.Fatalf("no %d samples of %v", n, ref)
		}
	}
}

// end waits until the source is closed and returns why.
func (s *source) end(t *testing.T) error {
	t.Helper()
	select {
	case <-s.closed:
		return s.reason
	case <-time.After(20 * time.Second):
		t.Fatal("source was not closed")
		return nil
	}
}

var (
	videoRef = session.TrackRef{Kind: media.Video}
	audioRef = session.TrackRef{Kind: media.Audio}
)

// A rig is a server with a real broker, on a listener of the test's choice.
type rig struct {
	t      *testing.T
	server *Server
	broker *session.Broker
	sink   sink
	addr   string
	stop   func() // ends the server and waits for it
	log    *logBuffer
}

type logBuffer struct {
	mu sync.Mutex // guards b; a leaf
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRig(t *testing.T, l net.Listener, o Options, d door) *rig {
	t.Helper()
	r := &rig{t: t, sink: sink{make(chan *source, 1000)}, addr: l.Addr().String(), log: &logBuffer{}}
	logger := slog.New(slog.NewTextHandler(r.log, nil))
	r.broker = session.NewBroker(session.Options{Auth: d, Ingest: r.sink, Hub: &live.Hub{}, Logger: logger})
	o.Addr, o.Broker, o.Logger = r.addr, r.broker, logger
	var err error
	if r.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.server.serve(ctx, l, o.TLS)
	}()
	r.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(r.stop)
	return r
}

// loopback returns a rig on a TCP port of this machine.
func loopback(t *testing.T, o Options, d door) *rig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, l, o, d)
}

func (r *rig) url(rest string) string { return fmt.Sprintf("rtmp://%s/live/%s", r.addr, rest) }

func (r *rig) dial(rest string, config *tls.Config) *Client {
	r.t.Helper()
	url := r.url(rest)
	if config != nil {
		url = "rtmps" + strings.TrimPrefix(url, "rtmp")
	}
	c, err := Dial(r.t.Context(), url, config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// publish returns a client whose publication has begun, and its source.
func (r *rig) publish(rest string) (*Client, *source) {
	r.t.Helper()
	c := r.dial(rest, nil)
	if err := c.Publish(); err != nil {
		r.t.Fatal(err)
	}
	return c, <-r.sink.opened
}

// wantRefusal checks that err is the server's no with that code.
func wantRefusal(t *testing.T, err error, code string) {
	t.Helper()
	var no *StatusError
	if !errors.As(err, &no) || no.Code != code || no.Description == "" {
		t.Errorf("got %v, want %s with a description", err, code)
	}
}

// A pipeListener hands out the ends of pipes, for tests in a synctest bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1935} }

// Tags of a small programme: H.264 in 4-byte lengths, AAC at 44.1 kHz.
var (
	avcConfigTag = []byte("\x17\x00\x00\x00\x00" + "\x01\x42\xc0\x0a\xff\xe1\x00\x16" +
		"\x67\x42\xc0\x0a\xda\x18\xec\x04\x40\x00\x00\x03\x00\x40\x00\x00\x07\xa3\xc4\x89\xe0\x00\x01\x00\x04\x68\xce\x0f\xc8")
	avcKeyTag    = []byte("\x17\x01\x00\x00\x00\x00\x00\x00\x05\x65AAAA")
	avcInterTag  = []byte("\x27\x01\x00\x00\x28\x00\x00\x00\x03\x41BB") // composition 40 ms
	aacConfigTag = []byte("\xaf\x00\x12\x08")
	aacFrameTag  = []byte("\xaf\x01\x21\x00\x49\x90")
)

func writeTags(t *testing.T, c *Client, tags ...Tag) {
	t.Helper()
	for _, tag := range tags {
		if err := c.WriteTag(tag); err != nil {
			t.Fatal(err)
		}
	}
}
