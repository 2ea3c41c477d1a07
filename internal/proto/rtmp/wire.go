package rtmp

import (
	"bufio"
	"io"
	"net"
	"sync"
	"time"
)

// defaultAckWindow is the bytes between acknowledgements until the peer has named a
// window, and the window that we name.
const defaultAckWindow = 2_500_000

// A wire is a connection after its handshake: messages in, messages out. The protocol
// control messages that need no decision are done inside. One goroutine reads; any
// may write.
type wire struct {
	nc  net.Conn
	br  *bufio.Reader
	in  *chunkReader
	out sender

	window uint64 // bytes between our acknowledgements; 0: the peer wants none
	acked  uint64 // of what we have received
	wait   deadlines
}

func newWire(nc net.Conn) *wire {
	w := &wire{nc: nc, window: defaultAckWindow}
	w.br = bufio.NewReaderSize(&deadlineReader{nc, &w.wait}, readBuffer)
	w.in = newChunkReader(w.br)
	w.out.chunkWriter = newChunkWriter(&deadlineWriter{nc})
	return w
}

// next returns the next message that is for somebody above.
func (w *wire) next() (message, error) {
	for {
		m, err := w.in.next()
		if err != nil {
			return message{}, err
		}
		own, err := w.control(m)
		if err != nil {
			return message{}, err
		}
		if err := w.acknowledge(); err != nil {
			return message{}, err
		}
		if !own {
			return m, nil
		}
	}
}

// control does what protocol control messages and pings ask for, and reports whether
// m was one. Acknowledgements are not waited for and mean nothing to us (fault R10).
func (w *wire) control(m message) (own bool, err error) {
	switch m.kind {
	case typeWindowAckSize:
		window, err := m.uint32()
		if err != nil {
			return true, err
		}
		w.window = uint64(window)
	case typeUserControl:
		event, data, err := m.userEvent()
		if err != nil {
			return true, err
		}
		if event == pingRequest {
			return true, w.out.send(userEvent(pingResponse, data))
		}
	case typeSetChunkSize, typeAbort, typeAcknowledgement, typeSetPeerBandwidth:
	default:
		return false, nil
	}
	return true, nil
}

// acknowledge tells the peer what has come in, once a window: some clients stall
// without it (RTMP 1.0, 5.4.3).
func (w *wire) acknowledge() error {
	if w.window == 0 || w.in.received-w.acked < w.window {
		return nil
	}
	w.acked = w.in.received
	return w.out.send(acknowledgement(w.acked))
}

// A sender is the chunk writer of a connection, shared by the goroutines that answer
// and play. Its lock is the right to write: it is held across the write, which has a
// deadline, and guards nothing else.
type sender struct {
	mu sync.Mutex
	*chunkWriter
}

// send writes whole messages and flushes.
func (s *sender) send(messages ...message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		if err := s.write(m); err != nil {
			return err
		}
	}
	return s.flush()
}

// deadlines say how long to wait for the peer's next byte. They belong to the
// goroutine that reads.
type deadlines struct {
	idle  time.Duration // for any byte; 0: no limit
	until time.Time     // for all that has to have happened by then; zero: no limit
}

func (d deadlines) next(now time.Time) time.Time {
	if d.idle == 0 {
		return d.until
	}
	if t := now.Add(d.idle); d.until.IsZero() || t.Before(d.until) {
		return t
	}
	return d.until
}

type deadlineReader struct {
	nc   net.Conn
	wait *deadlines
}

func (r *deadlineReader) Read(p []byte) (int, error) {
	if err := r.nc.SetReadDeadline(r.wait.next(time.Now())); err != nil {
		return 0, err
	}
	return r.nc.Read(p)
}

// A deadlineWriter gives each write its own time, so that a long response to a slow
// but living peer is not cut off (fault Q2).
type deadlineWriter struct{ nc net.Conn }

func (w *deadlineWriter) Write(p []byte) (int, error) {
	if err := w.nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return w.nc.Write(p)
}

// linger ends our side of the connection and waits a little for the peer to end its
// own: closing while its bytes are unread would reset the connection and might destroy
// our last words on their way.
func (w *wire) linger() {
	half, ok := w.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = w.nc.SetReadDeadline(time.Now().Add(lingerTimeout))
	_, _ = io.Copy(io.Discard, w.nc)
}
