package rtmp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Default ports: RTMP 1.0, 5.1, and what servers use for RTMPS.
const (
	defaultPort    = "1935"
	defaultTLSPort = "443"
)

// clientTimeout is how long a server has for each step up to the start of media.
const clientTimeout = 10 * time.Second

// A StatusError is a server's no.
type StatusError struct{ Code, Description string }

func (e *StatusError) Error() string { return e.Code + ": " + e.Description }

// A Tag is an audio (Type 8), video (9) or data (18) message of a stream: what stands
// in an FLV tag. Time is in milliseconds and wraps at 2^32.
type Tag struct {
	Type uint8
	Time uint32
	Data []byte
}

// A Client publishes to a server or plays from it. One goroutine uses it at a time,
// but Close may be called from any.
type Client struct {
	*wire
	app, name   string
	transaction float64
	stream      uint32
	publishing  bool
	quit        sync.Once

	reader sync.WaitGroup // while publishing
	ended  chan struct{}  // closed by the reader at its end...
	endErr error          // ...after it has set this
}

// Dial connects to an RTMP or RTMPS server, up to its answer to connect. The URL is
// rtmp://host/app/stream?query. tlsConfig may be nil. ctx is for dialing only.
func Dial(ctx context.Context, rawURL string, tlsConfig *tls.Config) (*Client, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("URL cannot be parsed") // err would show the key
	}
	nc, err := dial(ctx, u, tlsConfig)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", u.Host, err)
	}
	app, name, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	if u.RawQuery != "" {
		name += "?" + u.RawQuery
	}
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	c, err := newClient(nc, u.Scheme+"://"+u.Host, app, name)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", u.Host, err)
	}
	return c, nil
}

// newClient connects over nc, which it closes if that fails.
func newClient(nc net.Conn, server, app, name string) (*Client, error) {
	c := &Client{wire: newWire(nc), app: app, name: name}
	if err := c.connect(server + "/" + app); err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

func dial(ctx context.Context, u *url.URL, tlsConfig *tls.Config) (net.Conn, error) {
	port := defaultPort
	switch u.Scheme {
	case "rtmp":
	case "rtmps":
		port = defaultTLSPort
	default:
		return nil, fmt.Errorf("scheme %q is not rtmp or rtmps", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "rtmps" {
		d := tls.Dialer{Config: tlsConfig}
		return d.DialContext(ctx, "tcp", address)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

func (c *Client) connect(tcURL string) error {
	c.wait = deadlines{until: time.Now().Add(clientTimeout)}
	if err := offerHandshake(c.br, &deadlineWriter{c.nc}); err != nil {
		return err
	}
	list := []any{}
	for _, f := range append(videoFourCCs[:len(videoFourCCs):len(videoFourCCs)], audioFourCCs...) {
		list = append(list, f.String())
	}
	err := c.out.send(windowAckSize(defaultAckWindow), setChunkSize(ourChunkSize))
	if err != nil {
		return err
	}
	_, err = c.call("connect", Object{
		{"app", c.app}, {"type", "nonprivate"}, {"flashVer", "FMLE/3.0 (compatible; Headrace)"}, {"tcUrl", tcURL},
		{"fourCcList", list}, {"capsEx", float64(capsMultitrack | capsModEx | capsNano)},
	})
	return err
}

// call sends a command of the connection and returns the values of its result.
func (c *Client) call(name string, args ...any) (command, error) {
	c.transaction++
	c.wait.until = time.Now().Add(clientTimeout)
	if err := c.out.send(command{name, c.transaction, args}.message(chunkStreamCommand, 0)); err != nil {
		return command{}, err
	}
	return c.await(func(answer command) bool {
		return answer.name == "_result" && answer.transaction == c.transaction
	})
}

// await reads until a command is the wanted one. A refusal ends the wait as well.
func (c *Client) await(wanted func(command) bool) (command, error) {
	for {
		m, err := c.next()
		if err != nil {
			return command{}, err
		}
		if m.kind != typeCommandAMF0 {
			continue
		}
		cmd, err := m.command()
		if err != nil {
			return command{}, err
		}
		if wanted(cmd) {
			return cmd, nil
		}
		if err := cmd.refusal(); err != nil {
			return command{}, err
		}
	}
}

// refusal returns the no that an answer or a status is, or nil.
func (c command) refusal() error {
	if c.name != "_error" && (c.name != "onStatus" || c.object(1).String("level") != "error") {
		return nil
	}
	return &StatusError{c.object(1).String("code"), c.object(1).String("description")}
}

// Publish asks to publish the URL's stream. When it returns nil, tags may be written.
func (c *Client) Publish() error {
	err := c.out.send(command{"releaseStream", 0, []any{nil, c.name}}.message(chunkStreamCommand, 0),
		command{"FCPublish", 0, []any{nil, c.name}}.message(chunkStreamCommand, 0))
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := c.start(command{"publish", 0, []any{nil, c.name, "live"}}, "NetStream.Publish.Start"); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	c.publishing, c.wait.until, c.ended = true, time.Time{}, make(chan struct{})
	c.reader.Go(func() {
		defer close(c.ended)
		_, c.endErr = c.await(func(command) bool { return false })
	})
	return nil
}

// Play asks to play the URL's stream. When it returns nil, tags may be read.
func (c *Client) Play() error {
	if err := c.start(command{"play", 0, []any{nil, c.name}}, "NetStream.Play.Start"); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	c.wait = deadlines{idle: readIdle}
	return nil
}

// start creates a message stream and has cmd done on it.
func (c *Client) start(cmd command, code string) error {
	created, err := c.call("createStream", nil)
	if err != nil {
		return err
	}
	id, _ := created.arg(1).(float64)
	c.stream = uint32(id)
	if err := c.out.send(cmd.message(chunkStreamStatus, c.stream)); err != nil {
		return err
	}
	_, err = c.await(func(status command) bool {
		return status.name == "onStatus" && status.object(1).String("code") == code
	})
	return err
}

// WriteTag sends one tag. The data is not kept. When the server has ended the
// publication, the error says why.
func (c *Client) WriteTag(t Tag) error {
	select {
	case <-c.ended:
		return c.endErr
	default:
	}
	m := message{kind: messageType(t.Type), stream: c.stream, time: timestamp(t.Time), payload: t.Data}
	switch m.kind {
	case typeAudio:
		m.chunkStream = chunkStreamAudio
	case typeVideo:
		m.chunkStream = chunkStreamVideo
	default:
		m.chunkStream = chunkStreamData
	}
	return c.out.send(m)
}

// ReadTag returns the next tag of a stream that is being played, io.EOF at its end.
// The data is the caller's.
func (c *Client) ReadTag() (Tag, error) {
	for {
		m, err := c.next()
		if err != nil {
			return Tag{}, err
		}
		switch m.kind {
		case typeAudio, typeVideo, typeDataAMF0:
			return Tag{uint8(m.kind), uint32(m.time), m.payload}, nil
		case typeCommandAMF0:
			cmd, err := m.command()
			if err != nil {
				return Tag{}, err
			}
			if err := cmd.refusal(); err != nil {
				return Tag{}, err
			}
			if cmd.object(1).String("code") == "NetStream.Play.UnpublishNotify" {
				return Tag{}, io.EOF
			}
		}
	}
}

// Close says goodbye and closes the connection. Further calls do nothing.
func (c *Client) Close() error {
	c.quit.Do(func() {
		if c.publishing {
			_ = c.out.send(command{"FCUnpublish", 0, []any{nil, c.name}}.message(chunkStreamCommand, 0),
				command{"deleteStream", 0, []any{nil, float64(c.stream)}}.message(chunkStreamCommand, 0))
		}
		c.nc.Close()
		c.reader.Wait()
	})
	return nil
}
