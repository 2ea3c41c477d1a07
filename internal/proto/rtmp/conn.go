package rtmp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/headrace/headrace/internal/session"
)

const (
	// ourChunkSize is the bytes of payload in the chunks that we send. It is said at
	// once, and for the peer's sake: ffmpeg 5.1 sends chunks of the size it gets.
	ourChunkSize = 65536

	// maxStreams is the most message streams a connection may create. Only one is used.
	maxStreams = 8
)

// A RejectError says that the peer broke the rules of its stream or asked for what it
// may not have. It is told so, then the connection is closed.
type RejectError struct {
	Code string // our answer on the wire, for example "NetStream.Publish.BadName" (RTMP 1.0, 7.2.2: onStatus)
	Err  error  // its text is shown to the peer
}

func (e *RejectError) Error() string { return e.Code + ": " + e.Err.Error() }
func (e *RejectError) Unwrap() error { return e.Err }

func reject(code, format string, args ...any) error {
	return &RejectError{code, fmt.Errorf(format, args...)}
}

// Codes of onStatus for what we refuse.
const (
	codeBadName  = "NetStream.Publish.BadName"
	codeDenied   = "NetStream.Publish.Denied"
	codeBadMedia = "NetStream.Publish.Rejected"
	codeNotFound = "NetStream.Play.StreamNotFound"
	codeNoPlay   = "NetStream.Play.Failed"
	codeNoCall   = "NetConnection.Call.Failed"
)

// Why a session ended whose peer did not say goodbye.
var (
	errLost   = errors.New("connection lost")
	errSilent = errors.New("publisher fell silent")
)

// A conn is the server's side of one connection: what the peer may do now, and what
// it does. It belongs to the goroutine of run.
type conn struct {
	*wire
	s      *Server
	raw    net.Conn // below TLS, if any
	remote netip.AddrPort
	proto  string // "rtmp" or "rtmps"
	kick   context.CancelCauseFunc

	app, agent string
	connected  bool
	streams    uint32     // message streams created: 1 to streams
	at         uint32     // the message stream it publishes or plays on, for what we have to say of that
	pub        *publisher // while it publishes
	play       *player    // while it plays
	multitrack bool       // the peer says that it understands multitrack tags
	served     bool       // it has published or played, and ended that
}

func newConn(s *Server, raw net.Conn, remote netip.AddrPort, t *tls.Config) *conn {
	c := &conn{s: s, raw: raw, remote: remote, proto: "rtmp"}
	nc := raw
	if t != nil {
		nc, c.proto = tls.Server(raw, t), "rtmps"
	}
	c.wire = newWire(nc)
	c.in.longest = maxValues // nobody needs more memory before the door
	return c
}

// run serves the connection until it ends, and closes it. It returns nil if the peer
// went in order, or if the session's end is in the Broker's log already.
func (c *conn) run(ctx context.Context) error {
	ctx, c.kick = context.WithCancelCause(ctx)
	defer c.kick(nil)
	// The raw connection, as TLS would first try to say goodbye.
	defer context.AfterFunc(ctx, func() { c.raw.Close() })()
	defer c.nc.Close()

	err := c.serve(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx) // what came of it in the code below says less
	}
	ours := c.hangUp(err)
	var no *RejectError
	if errors.As(err, &no) {
		_ = c.out.send(onStatus(c.at, "error", no.Code, no.Err.Error()))
		c.linger()
		return err
	}
	if ours || ctx.Err() != nil {
		return nil
	}
	return err
}

// hangUp ends what the connection published or played, and reports whether it did.
func (c *conn) hangUp(reason error) bool {
	switch {
	case c.pub != nil:
		c.pub.session.Close(reason)
		c.pub = nil
	case c.play != nil:
		c.play.close(reason)
		c.play = nil
	default:
		return false
	}
	c.served = true
	return true
}

func (c *conn) serve(ctx context.Context) error {
	if err := c.greet(ctx); err != nil {
		if errors.Is(err, io.EOF) {
			return nil // a port scan or a health check
		}
		return fmt.Errorf("handshake: %w", err)
	}
	c.awaitRequest()
	for {
		m, err := c.next()
		if err != nil {
			return c.readError(err)
		}
		if err := c.message(ctx, m); err != nil {
			return err
		}
	}
}

// greet does the handshakes.
func (c *conn) greet(ctx context.Context) error {
	end := time.Now().Add(handshakeTimeout)
	if err := c.nc.SetDeadline(end); err != nil {
		return err
	}
	c.wait = deadlines{until: end}
	if t, ok := c.nc.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return err
		}
	}
	return acceptHandshake(c.br, c.nc)
}

// awaitRequest gives the peer time to publish or play.
func (c *conn) awaitRequest() {
	c.wait = deadlines{until: time.Now().Add(requestTimeout)}
}

// readError says what the end of reading means.
func (c *conn) readError(err error) error {
	var broken net.Error
	late := errors.Is(err, os.ErrDeadlineExceeded)
	gone := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || !late && errors.As(err, &broken)
	switch {
	case c.pub != nil && late && !c.pub.flowing:
		return c.pub.barren()
	case c.pub != nil && late:
		return errSilent
	case (c.pub != nil || c.play != nil) && gone:
		return errLost
	case c.pub == nil && c.play == nil && (errors.Is(err, io.EOF) || c.served && (gone || late)):
		return nil
	case c.pub == nil && c.play == nil && late:
		return fmt.Errorf("no publish or play within %v", requestTimeout)
	}
	return fmt.Errorf("read: %w", err)
}

func (c *conn) message(ctx context.Context, m message) error {
	switch m.kind {
	case typeCommandAMF0, typeCommandAMF3:
		cmd, err := m.command()
		if err != nil {
			return err
		}
		return c.command(ctx, m, cmd)
	case typeAudio, typeVideo:
		if c.pub == nil {
			return nil // before publish or after its end: the deadline for requests is running
		}
		if err := c.pub.media(m, time.Now()); err != nil {
			return err
		}
		if c.pub.flowing {
			c.wait.until = c.pub.lastTaken.Add(mediaIdle)
		}
	case typeAggregate:
		for tag, err := range m.tags() {
			if err != nil {
				return err
			}
			if err := c.message(ctx, tag); err != nil {
				return err
			}
		}
	case typeDataAMF0, typeDataAMF3:
		if c.pub != nil {
			c.pub.data(m)
		}
	}
	return nil // shared objects and unknown types are nothing to us
}

// command does what the peer calls for. Calls that we do not know are left unanswered:
// clients try some, and take a refusal worse than silence.
func (c *conn) command(ctx context.Context, m message, cmd command) error {
	if !c.connected && cmd.name != "connect" {
		return reject(codeNoCall, "%.32q before connect", cmd.name)
	}
	switch cmd.name {
	case "connect":
		return c.connect(cmd)
	case "releaseStream", "FCPublish":
		return c.answer(cmd, Undefined{})
	case "createStream":
		if c.streams == maxStreams {
			return reject(codeNoCall, "too many streams on one connection")
		}
		c.streams++
		return c.answer(cmd, float64(c.streams))
	case "getStreamLength":
		return c.answer(cmd, 0.0)
	case "publish":
		return c.publish(ctx, m, cmd)
	case "play":
		return c.handlePlay(ctx, m, cmd)
	case "FCUnpublish":
		c.goodbye()
		return c.answer(cmd, Undefined{})
	case "deleteStream", "closeStream": // whatever its argument: GStreamer gives the name for the number
		c.goodbye()
	}
	return nil
}

// goodbye ends what the peer published or played. The connection stays: the peer
// closes it, or begins anew.
func (c *conn) goodbye() {
	if c.hangUp(nil) {
		c.awaitRequest()
	}
}

// answer sends the result of a call, if it wants one.
func (c *conn) answer(cmd command, result any) error {
	if cmd.transaction == 0 {
		return nil
	}
	return c.out.send(command{"_result", cmd.transaction, []any{nil, result}}.message(chunkStreamCommand, 0))
}

func (c *conn) connect(cmd command) error {
	if c.connected {
		return reject(codeNoCall, "connect on a connection that is connected")
	}
	c.connected = true
	c.app = appOf(cmd.object(0))
	c.agent = cmd.object(0).String("flashVer")
	c.multitrack = takesMultitrack(cmd.object(0))
	return c.out.send(connectAnswer(cmd)...)
}

// request returns what a publish or play command asks for at the door.
func (c *conn) request(cmd command) session.Request {
	a := parseAddress(c.app, cmd.text(1), c.s.o.Apps)
	return session.Request{
		Protocol:   c.proto,
		Remote:     c.remote,
		Stream:     a.stream,
		Credential: a.credential,
		Agent:      c.agent[:min(len(c.agent), 128)],
		ClockStep:  time.Millisecond,
		Kick:       c.kick,
	}
}

// ready refuses a publish or play command that is out of place (fault R6).
func (c *conn) ready(code string) error {
	switch {
	case c.streams == 0:
		return reject(code, "createStream comes first")
	case c.pub != nil || c.play != nil:
		return reject(code, "this connection has a stream already")
	}
	return nil
}

func (c *conn) publish(ctx context.Context, m message, cmd command) error {
	if err := c.ready(codeBadName); err != nil {
		return err
	}
	c.at = m.stream
	s, err := c.s.o.Broker.Publish(ctx, c.request(cmd))
	if err != nil {
		return refusal(err, codeBadName, codeDenied)
	}
	c.s.Stats.Published.Add(1)
	c.pub = newPublisher(s)
	c.in.longest = maxMessage
	c.wait = deadlines{idle: readIdle, until: time.Now().Add(mediaTimeout)}
	return c.out.send(userEvent(streamBegin, m.stream),
		onStatus(m.stream, "status", "NetStream.Publish.Start", "Send your media."))
}

// refusal turns the Broker's no into ours: name is the code for what is wrong with the
// stream, denied for what is wrong with the peer.
func refusal(err error, name, denied string) error {
	var no *session.RejectError
	if !errors.As(err, &no) {
		return fmt.Errorf("ask for the stream: %w", err)
	}
	switch no.Reason {
	case session.BadName, session.Taken, session.NotFound:
		return &RejectError{name, no}
	}
	return &RejectError{denied, no}
}
