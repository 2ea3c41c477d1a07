package rtmp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/session"
)

// DefaultMergeLatency is the Options.MergeLatency that suits live viewing: a frame
// time at 30 Hz, for a third of the CPU time that one write per frame takes.
const DefaultMergeLatency = 33 * time.Millisecond

const (
	// playStream is the message stream that media is sent on. The bytes are the same
	// for all players, so there is one: the first that a connection creates.
	playStream = 1

	// maxReadBatches is the most batches written at once to a player that is behind.
	maxReadBatches = 8

	// copyBuffer is the bytes gathered for a write to a connection that has no writev.
	copyBuffer = 64 << 10

	// maxUnsent is the most bytes, in the kernel, that wait to be sent to a player. What
	// is under way in the network comes on top; it is bounded by the player's window.
	maxUnsent = 128 << 10
)

// errPlayedOut is why a player's connection is closed after the stream's end.
var errPlayedOut = errors.New("the stream has ended")

// A player is a connection's playback. Its goroutine writes; everything else is the
// reading goroutine's.
type player struct {
	session *session.Playback
	cancel  context.CancelFunc
	leave   func() // gives the fanout back
	done    sync.WaitGroup
}

// handlePlay answers a play command and starts the playback.
func (c *conn) handlePlay(ctx context.Context, m message, cmd command) error {
	if err := c.ready(codeNoPlay); err != nil {
		return err
	}
	if m.stream != playStream {
		return reject(codeNoPlay, "playing is offered on message stream %d", playStream)
	}
	s, err := c.s.o.Broker.Play(ctx, c.request(cmd))
	if err != nil {
		return refusal(err, codeNotFound, codeNoPlay)
	}
	fan, leave := c.s.fans.join(s.Live, c.s.o.MergeLatency)
	ctx, cancel := context.WithCancel(ctx)
	p := &player{session: s, cancel: cancel, leave: leave}
	c.play = p
	c.wait = deadlines{} // players have nothing to say; the dead are found by writing
	limitUnsent(c.raw, maxUnsent)
	if err := c.out.send(playAnswer()...); err != nil {
		return fmt.Errorf("answer play: %w", err)
	}
	w := &playWriter{wire: c.wire, session: s, multitrack: c.multitrack}
	p.done.Go(func() {
		if err := w.run(ctx, fan.log.Newest()); err != nil && ctx.Err() == nil {
			c.kick(err)
		}
	})
	return nil
}

// close ends the playback. It waits for a write that is under way, for writeTimeout at most.
func (p *player) close(reason error) {
	p.cancel()
	p.done.Wait()
	p.leave()
	if errors.Is(reason, errPlayedOut) {
		reason = nil
	}
	p.session.Close(reason)
}

// playAnswer is what comes before media (RTMP 1.0, 7.2.2.1). Some players wait for
// Reset and Start; old Flash ones touch no samples without |RtmpSampleAccess.
func playAnswer() []message {
	return []message{
		userEvent(streamBegin, playStream),
		onStatus(playStream, "status", "NetStream.Play.Reset", "Playing from the start."),
		onStatus(playStream, "status", "NetStream.Play.Start", "Playing."),
		{chunkStream: chunkStreamStatus, kind: typeDataAMF0, stream: playStream,
			payload: appendAMF(nil, "|RtmpSampleAccess", true, true)},
	}
}

// farewell is what tells a player that the stream has ended. ffmpeg looks for
// UnpublishNotify, GStreamer for the stream's EOF.
func farewell() []message {
	return []message{
		userEvent(streamEOF, playStream),
		onStatus(playStream, "status", "NetStream.Play.UnpublishNotify", "The stream has ended."),
		onStatus(playStream, "status", "NetStream.Play.Stop", "The stream has ended."),
	}
}

// A playWriter writes the batches of a stream to one player. It belongs to the
// player's goroutine; other goroutines write through the wire's sender meanwhile.
type playWriter struct {
	*wire
	session    *session.Playback
	multitrack bool // the player has said that it understands multitrack messages

	started bool   // it has the configuration, and follows from there
	next    uint64 // the ordinal of the message it should get next

	batches [maxReadBatches]batch // scratch
	parts   [][]byte              // scratch: what is to be written
	vec     net.Buffers           // the rest of parts while it is written; a field, so that it is allocated once
}

// run writes until the stream or ctx ends. The error says why nothing more can be written.
func (w *playWriter) run(ctx context.Context, r *live.Reader[batch]) error {
	for {
		n, err := r.Read(ctx, w.batches[:])
		switch {
		case err == nil:
			err = w.write(w.batches[:n])
			clear(w.batches[:n])
			if err != nil {
				return fmt.Errorf("write to player: %w", err)
			}
		case errors.Is(err, live.ErrLagged):
			w.started = false // the reader stands on the newest sync sample already
		case errors.Is(err, io.EOF):
			return w.end(ctx)
		default:
			return err
		}
	}
}

// write sends batches with one system call if the connection lets it.
func (w *playWriter) write(batches []batch) error {
	w.parts = w.parts[:0]
	for _, b := range batches {
		if !w.started {
			if !b.Sync() {
				continue // nothing to begin with yet
			}
			if w.next > 0 {
				w.session.Dropped.Add(b.first - w.next)
			}
			w.parts = append(w.parts, b.intro.bytes(w.multitrack))
			w.started = true
		}
		w.parts = append(w.parts, b.parts(w.multitrack)...)
		w.next = b.first + b.messages
	}
	if len(w.parts) == 0 {
		return nil
	}
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	return w.writeParts()
}

// writeParts writes w.parts. w.out.mu is held, and the sender's buffer is empty, as
// whoever writes to it flushes before letting go.
func (w *playWriter) writeParts() error {
	tcp, ok := w.nc.(*net.TCPConn)
	if !ok {
		return w.copyParts()
	}
	if err := tcp.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	w.vec = w.parts // WriteTo takes it apart
	n, err := w.vec.WriteTo(tcp)
	w.session.Sent.Add(uint64(n))
	clear(w.parts)
	return err
}

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// copyParts writes w.parts through a buffer, for TLS: many small writes would make as
// many records, each with its own cost.
func (w *playWriter) copyParts() error {
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	out := deadlineWriter{w.nc}
	n := 0
	for _, p := range w.parts {
		for len(p) > 0 {
			k := copy(buf[n:], p)
			p, n = p[k:], n+k
			if n < len(buf) {
				continue
			}
			if _, err := out.Write(buf[:]); err != nil {
				return err
			}
			w.session.Sent.Add(uint64(n))
			n = 0
		}
	}
	clear(w.parts)
	if n == 0 {
		return nil
	}
	w.session.Sent.Add(uint64(n))
	_, err := out.Write(buf[:n])
	return err
}

// end says that the stream is over and gives the player time to close the connection,
// so that our last words are not lost in a reset.
func (w *playWriter) end(ctx context.Context) error {
	if err := w.out.send(farewell()...); err != nil {
		return fmt.Errorf("say goodbye to player: %w", err)
	}
	if half, ok := w.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	t := time.NewTimer(lingerTimeout)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return errPlayedOut
}

// takesMultitrack reports whether a connect command says so (Enhanced RTMP v2, "capsEx").
// To others, a multitrack tag looks like one of an old codec.
func takesMultitrack(connect Object) bool {
	caps, _ := connect.Number("capsEx")
	return caps >= 0 && caps < 1<<31 && uint32(caps)&capsMultitrack != 0
}
