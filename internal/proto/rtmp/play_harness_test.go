package rtmp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/session"
)

// plainIngest writes what publishers send into streams, timed as it comes.
type plainIngest struct{ hub *live.Hub }

type plainSource struct {
	stream *live.Stream
	tracks map[session.TrackRef]*live.Track
}

func (i plainIngest) Open(s *session.Session) (session.Source, error) {
	p := &plainSource{live.NewStream(s.Stream, time.Now(), 64<<20), map[session.TrackRef]*live.Track{}}
	return p, i.hub.Add(p.stream)
}

func (p *plainSource) Configure(ref session.TrackRef, init media.Init) (err error) {
	t := p.tracks[ref]
	if t == nil {
		if t, err = p.stream.AddTrack(string(ref.Kind.String()[0])+strconv.Itoa(int(ref.Index)+1), ref.Kind); err != nil {
			return err
		}
		p.tracks[ref] = t
	}
	t.Append(newInit(init))
	return nil
}

func (p *plainSource) Write(ref session.TrackRef, s media.Sample) error {
	p.tracks[ref].Append(media.Entry{Sample: s})
	return nil
}

func (p *plainSource) Close(error) { p.stream.End() } // and stays in the hub, to be played

func newInit(init media.Init) media.Entry {
	return media.Entry{Event: &media.Event{Kind: media.NewInit, Init: &init}}
}

// A clip is a stream that a test writes: 30 pictures a second with a key frame each
// second, and AAC beside it.
type clip struct {
	*live.Stream
	video, audio *live.Track
	frames       int
	mute         bool // the audio track stays empty
}

var (
	clipVideo = media.Init{Codec: media.H264, Config: []byte("\x01\x64\x00\x1favcC"), Width: 1280, Height: 720}
	clipAudio = media.Init{Codec: media.AAC, Config: []byte{0x11, 0x90}, SampleRate: 48000, Channels: 2}
)

func newClip(t testing.TB, hub *live.Hub, name string) *clip {
	c := &clip{Stream: live.NewStream(name, time.Now(), 16<<20)}
	c.video, c.audio = c.track(t, "v1", clipVideo), c.track(t, "a1", clipAudio)
	if err := hub.Add(c.Stream); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *clip) track(t testing.TB, id string, init media.Init) *live.Track {
	track, err := c.AddTrack(id, init.Kind())
	if err != nil {
		t.Fatal(err)
	}
	track.Append(newInit(init))
	return track
}

// clipEpoch is where the clip begins on the stream's timeline.
const clipEpoch = 1_800_000_000

// frame appends one picture and the audio up to it.
func (c *clip) frame(size int) {
	dts := media.Ticks(clipEpoch)*90000 + media.Ticks(c.frames)*3000
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(c.frames + i)
	}
	c.video.Append(media.Entry{Sample: media.Sample{DTS: dts, PTS: dts + 6000, Duration: 3000, Sync: c.frames%30 == 0, Data: data}})
	for n := c.frames * 1600 / 1024; !c.mute && n < (c.frames+1)*1600/1024; n++ {
		at := media.Ticks(clipEpoch)*48000 + media.Ticks(n)*1024
		c.audio.Append(media.Entry{Sample: media.Sample{DTS: at, PTS: at, Duration: 1024, Sync: true, Data: []byte(fmt.Sprintf("aac %d", n))}})
	}
	c.frames++
}

// playServer returns a server that lets everybody in, not running, and its hub.
func playServer(t testing.TB, latency time.Duration) (*Server, *live.Hub, *session.Broker) {
	hub := &live.Hub{}
	broker := session.NewBroker(session.Options{Auth: openDoor{}, Ingest: plainIngest{hub}, Hub: hub})
	s, err := New(Options{Addr: "127.0.0.1:0", Broker: broker, MergeLatency: latency, MaxConnsPerIP: 5000})
	if err != nil {
		t.Fatal(err)
	}
	return s, hub, broker
}

// listen runs s on a loopback port until the test ends. It returns the address.
func listen(t testing.TB, s *Server, conf *tls.Config) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.serve(ctx, l, conf) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return l.Addr().String()
}

// pipe connects to s without a network, so that time may be synctest's.
func pipe(t testing.TB, s *Server, wg *sync.WaitGroup) net.Conn {
	ours, theirs := net.Pipe()
	wg.Go(func() { s.handle(t.Context(), theirs, netip.AddrPort{}, nil) })
	return ours
}

// A testPlayer is a bare player.
type testPlayer struct {
	*wire
	statuses []string // codes of onStatus, and events
}

// play connects and asks for a stream.
func play(nc net.Conn, name string, connect Object) (*testPlayer, error) {
	p := &testPlayer{wire: newWire(nc)}
	if err := offerHandshake(p.br, nc); err != nil {
		return nil, err
	}
	connect = append(Object{{"app", "live"}}, connect...)
	if err := p.out.send(command{"connect", 1, []any{connect}}.message(3, 0),
		command{"createStream", 2, []any{nil}}.message(3, 0), command{"play", 0, []any{nil, name}}.message(8, 1)); err != nil {
		return nil, err
	}
	return p, nil
}

// tag returns the next audio, video or data message.
func (p *testPlayer) tag() (message, error) {
	for {
		m, err := p.next()
		if err != nil {
			return m, err
		}
		switch m.kind {
		case typeAudio, typeVideo, typeDataAMF0:
			return m, nil
		case typeCommandAMF0:
			c, err := m.command()
			if err != nil {
				return m, err
			}
			if c.name == "onStatus" {
				p.statuses = append(p.statuses, c.object(1).String("code"))
			}
		}
	}
}

// all returns the tags up to the end of the connection.
func (p *testPlayer) all() (tags []message, err error) {
	for {
		m, err := p.tag()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return tags, err
		}
		tags = append(tags, m)
	}
}

func dialPlay(t testing.TB, addr, name string, connect Object) *testPlayer {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	p, err := play(nc, name, connect)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drain reads what comes at full speed and throws it away.
func drain(r *bufio.Reader) error {
	_, err := r.WriteTo(io.Discard)
	return err
}
