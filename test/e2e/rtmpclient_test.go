package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"
)

// Types of FLV tags, which are those of RTMP's messages.
const (
	flvAudio = uint8(message.TypeAudio)
	flvVideo = uint8(message.TypeVideo)
)

// A tag is one tag of an FLV file: what one RTMP message carries.
type tag struct {
	kind uint8
	ms   int64
	body []byte
}

// config reports whether the tag is a decoder configuration (AVC or AAC).
func (g tag) config() bool { return len(g.body) > 1 && g.kind != 18 && g.body[1] == 0 }

// readFLV returns the audio and video tags of a file.
func readFLV(t *testing.T, path string) []tag {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var tags []tag
	for b = b[9+4:]; len(b) >= 11; {
		size := int(binary.BigEndian.Uint32(b) & 0xFFFFFF)
		ms := int64(binary.BigEndian.Uint32(b[4:])>>8) | int64(b[7])<<24
		if b[0] == flvAudio || b[0] == flvVideo {
			tags = append(tags, tag{b[0], ms, b[11 : 11+size]})
		}
		b = b[11+size+4:]
	}
	return tags
}

// An rtmpClient is a publishing connection of the independent client, which lets a
// test say each message and its timestamp.
type rtmpClient struct {
	client *gortmplib.Client
	raw    *rawmessage.Writer

	mu     sync.Mutex    // guards status
	status string        // the last onStatus code the server sent unasked
	closed chan struct{} // the server has closed the connection
}

// dial connects and asks to publish. The error says what the server answered.
func dial(ctx context.Context, address string) (*rtmpClient, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	// The library takes the stream name from the fragment.
	app, name, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	u.Path, u.Fragment, u.RawQuery = "/"+app, name+"?"+u.RawQuery, ""
	c := &rtmpClient{client: &gortmplib.Client{URL: u, Publish: true}, closed: make(chan struct{})}
	if err := c.client.Initialize(ctx); err != nil {
		return nil, err
	}
	bc := bytecounter.NewReadWriter(c.client.NetConn())
	c.raw = rawmessage.NewWriter(bc, bc.Writer, false)
	c.raw.SetChunkSize(65536) // what the library has told the server
	go c.read()
	return c, nil
}

func (c *rtmpClient) read() {
	defer close(c.closed)
	for {
		msg, err := c.client.Read()
		if err != nil {
			return
		}
		if cmd, ok := msg.(*message.CommandAMF0); ok && cmd.Name == "onStatus" {
			c.mu.Lock()
			c.status = fmt.Sprint(cmd.Arguments)
			c.mu.Unlock()
		}
	}
}

// lastStatus returns what the server has said since the publication began.
func (c *rtmpClient) lastStatus() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// close drops the connection without a word, as an encoder does that loses its power.
func (c *rtmpClient) close() {
	c.client.Close()
	<-c.closed
}

func (c *rtmpClient) write(g tag) error {
	stream := byte(message.AudioChunkStreamID)
	if g.kind == flvVideo {
		stream = message.VideoChunkStreamID
	}
	return c.raw.Write(&rawmessage.Message{
		ChunkStreamID: stream, Timestamp: time.Duration(g.ms) * time.Millisecond,
		Type: g.kind, MessageStreamID: 0x1000000, Body: g.body,
	})
}

// play sends tags in real time, each when its turn has come, until they end or ctx does.
// edit may change a tag's timestamp on the wire, or return false to leave the tag out.
func (c *rtmpClient) play(ctx context.Context, tags []tag, edit func(*tag) bool) error {
	begin := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, g := range tags {
		timer.Reset(time.Until(begin.Add(time.Duration(g.ms) * time.Millisecond)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		case <-c.closed:
			return errors.New("the server closed the connection: " + c.lastStatus())
		}
		if edit != nil && !edit(&g) {
			continue
		}
		if err := c.write(g); err != nil {
			return err
		}
	}
	return nil
}

// pushTags publishes tags in the background with the independent client and drops
// the connection at their end. The channel yields how it went.
func pushTags(t *testing.T, address string, tags []tag, edit func(*tag) bool) <-chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, err := dial(ctx, address)
	if err != nil {
		cancel()
		t.Fatalf("publish: %v", err)
	}
	done, result := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(done)
		defer c.close()
		result <- c.play(ctx, tags, edit)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return result
}
