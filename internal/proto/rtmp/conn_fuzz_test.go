package rtmp

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/session"
)

// openDoor lets everybody in under a name that ParseName takes.
type openDoor struct{}

func (openDoor) AuthorizePublish(_ context.Context, r session.Request) (session.Grant, error) {
	name, err := session.ParseName(r.Stream)
	if err != nil {
		return session.Grant{}, &session.RejectError{Reason: session.BadName, Text: err.Error()}
	}
	return session.Grant{Stream: name}, nil
}

func (d openDoor) AuthorizePlay(ctx context.Context, r session.Request) (session.Grant, error) {
	return d.AuthorizePublish(ctx, r)
}

// A tally is an ingest that counts, and checks what Source asks of its caller.
type tally struct {
	t       *testing.T
	inits   map[session.TrackRef]media.Init
	samples int
	closed  bool
}

func (a *tally) Open(*session.Session) (session.Source, error) {
	a.inits, a.closed = map[session.TrackRef]media.Init{}, false
	return a, nil
}

func (a *tally) Configure(ref session.TrackRef, init media.Init) error {
	if a.closed || init.Timescale() == 0 {
		a.t.Errorf("configured with %+v, closed %v", init, a.closed)
	}
	a.inits[ref] = init
	return nil
}

func (a *tally) Write(ref session.TrackRef, s media.Sample) error {
	if init, ok := a.inits[ref]; !ok || a.closed || init.Kind() != ref.Kind || len(s.Data) == 0 {
		a.t.Errorf("sample %+v of %v, closed %v", s, ref, a.closed)
	}
	a.samples++
	return nil
}

func (a *tally) Close(error) { a.closed = true }

// A tape is a connection whose peer has said all in advance.
type tape struct {
	io.Reader
	net.Conn // what is not overridden panics
}

func (p *tape) Read(b []byte) (int, error)       { return p.Reader.Read(b) }
func (p *tape) Write(b []byte) (int, error)      { return len(b), nil }
func (p *tape) Close() error                     { return nil }
func (p *tape) SetDeadline(time.Time) error      { return nil }
func (p *tape) SetReadDeadline(time.Time) error  { return nil }
func (p *tape) SetWriteDeadline(time.Time) error { return nil }

// replay has a server take in what a peer says after its handshake.
func replay(t *testing.T, in []byte) *tally {
	a := &tally{t: t}
	s, err := New(Options{Addr: ":1", Broker: session.NewBroker(session.Options{Auth: openDoor{}, Ingest: a, Hub: &live.Hub{}})})
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(s, &tape{Reader: io.MultiReader(bytes.NewReader(clientHello(3)), bytes.NewReader(in))}, netip.AddrPort{}, nil)
	_ = c.run(context.Background())
	if a.inits != nil && !a.closed {
		t.Error("publication left open")
	}
	return a
}

func TestServerTakesCaptures(t *testing.T) {
	for _, name := range captureNames {
		if a := replay(t, readCapture(t, name)[len(clientHello(3)):]); len(a.inits) != 2 || a.samples < 60 {
			t.Errorf("%s: %d tracks, %d samples", name, len(a.inits), a.samples)
		}
	}
}

// Whatever a peer says, the server neither panics nor breaks its promises to ingest.
func FuzzConn(f *testing.F) {
	for _, name := range captureNames {
		b := readCapture(f, name)[len(clientHello(3)):]
		f.Add(b[:min(len(b), 2000)])
	}
	f.Fuzz(func(t *testing.T, in []byte) { replay(t, in) })
}

// BenchmarkPublish is the server's work for a publisher at 25 kB a frame, from the
// bytes of TCP to samples: handshake, chunks, tags, the door.
func BenchmarkPublish(b *testing.B) {
	const frames, frame = 500, 25_000
	var wire bytes.Buffer
	w := newChunkWriter(&wire)
	for _, m := range []message{
		setChunkSize(4096),
		command{"connect", 1, []any{Object{{"app", "live"}}}}.message(3, 0),
		command{"createStream", 2, []any{nil}}.message(3, 0),
		command{"publish", 3, []any{nil, "cam"}}.message(3, 1),
		{chunkStream: 6, kind: typeVideo, stream: 1, payload: avcConfigTag},
	} {
		_ = w.write(m)
	}
	body := append([]byte("\x27\x01\x00\x00\x00\x00\x00\x61\x9f\x41"), make([]byte, frame-10)...)
	for i := range frames {
		_ = w.write(message{chunkStream: 6, kind: typeVideo, stream: 1, time: timestamp(i * 40), payload: body})
	}
	_ = w.flush()
	b.SetBytes(int64(wire.Len()))
	b.ReportAllocs()
	for b.Loop() {
		s, err := New(Options{Addr: ":1", Broker: session.NewBroker(session.Options{Auth: openDoor{}, Ingest: &tally{}, Hub: &live.Hub{}})})
		if err != nil {
			b.Fatal(err)
		}
		_ = newConn(s, &tape{Reader: io.MultiReader(bytes.NewReader(clientHello(3)), bytes.NewReader(wire.Bytes()))}, netip.AddrPort{}, nil).run(b.Context())
	}
}
