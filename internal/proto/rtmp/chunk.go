package rtmp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	// defaultChunkSize is the bytes of payload in a chunk until a peer says otherwise
	// (RTMP 1.0, 5.4.1).
	defaultChunkSize = 128

	// maxChunkSize is the largest chunk size used, in bytes. RTMP 1.0, 5.4.1: larger
	// values are legal but equivalent, as no message is longer.
	maxChunkSize = 0xFFFFFF

	// maxMessage is the longest message accepted, in bytes; 24 bits could say 16 MiB.
	maxMessage = 8 << 20

	// maxPartial bounds the memory held by the half-read messages of a connection.
	maxPartial = 16 << 20

	// maxChunkStreams bounds the chunk streams of a connection.
	maxChunkStreams = 64

	// readBuffer is the bytes read from a connection at once.
	readBuffer = 64 << 10

	// firstAllocation is the most memory, in bytes, spent on a declared length alone.
	// Most messages are shorter, so they are allocated once and not copied.
	firstAllocation = 64 << 10

	// extendedMark in a 24-bit time field says that four bytes more hold it (RTMP 1.0, 5.3.1.3).
	extendedMark = 0xFFFFFF
)

var (
	errMessageSize   = errors.New("message is too long")
	errPartial       = errors.New("too much memory in unfinished messages")
	errChunkStreams  = errors.New("too many chunk streams")
	errChunkUnopened = errors.New("chunk stream starts without a full header")
	errChunkSize     = errors.New("chunk size is out of range")
)

// A chunkStream is what the headers of one chunk stream left out because the chunk
// before had it (RTMP 1.0, 5.3.1.2), and its message in the making.
type chunkStream struct {
	id       uint32
	time     timestamp
	delta    uint32 // added by a type 3 chunk that starts a message; 0 after a type 0 one
	length   int
	kind     messageType
	stream   uint32
	extended bool   // the last type 0, 1 or 2 header had an extended timestamp...
	field    uint32 // ...and this was in it

	open    bool // a message is unfinished
	payload []byte
}

// A chunkReader puts the messages of one connection together. It belongs to one goroutine.
type chunkReader struct {
	r         *bufio.Reader
	chunkSize int
	longest   int            // message accepted, in bytes
	streams   []*chunkStream // in the order of their first chunk: few, so searched in a row
	partial   int            // capacity of all unfinished payloads, in bytes

	received  uint64 // bytes read since the handshake, for acknowledgements
	abandoned uint64 // messages that a new one on their chunk stream cut short
}

func newChunkReader(r *bufio.Reader) *chunkReader {
	return &chunkReader{r: r, chunkSize: defaultChunkSize, longest: maxMessage}
}

// next returns the next whole message. What Set Chunk Size and Abort Message say has
// been done when they are returned. The payload is freshly allocated and the caller's.
// The error is io.EOF only between messages; after any error the reader is useless.
func (c *chunkReader) next() (message, error) {
	for {
		s, err := c.readChunk()
		if err != nil {
			return message{}, err
		}
		if s == nil {
			continue
		}
		m := message{chunkStream: s.id, kind: s.kind, stream: s.stream, time: s.time, payload: s.payload}
		c.drop(s)
		return m, c.apply(m)
	}
}

// apply does what protocol control messages say about chunks (RTMP 1.0, 5.4.1 and 5.4.2).
func (c *chunkReader) apply(m message) error {
	switch m.kind {
	case typeSetChunkSize:
		size, err := m.uint32()
		if err != nil {
			return err
		}
		if size == 0 || size > 1<<31-1 {
			return fmt.Errorf("%w: %d", errChunkSize, size)
		}
		c.chunkSize = int(min(size, maxChunkSize))
	case typeAbort:
		id, err := m.uint32()
		if err != nil {
			return err
		}
		if s := c.find(id); s != nil {
			c.drop(s)
		}
	}
	return nil
}

// drop forgets the unfinished message of s.
func (c *chunkReader) drop(s *chunkStream) {
	c.partial -= cap(s.payload)
	s.payload, s.open = nil, false
}

func (c *chunkReader) find(id uint32) *chunkStream {
	i := slices.IndexFunc(c.streams, func(s *chunkStream) bool { return s.id == id })
	if i < 0 {
		return nil
	}
	return c.streams[i]
}

// readChunk reads one chunk. It returns its chunk stream if that finished a message.
func (c *chunkReader) readChunk() (*chunkStream, error) {
	format, id, err := c.basicHeader()
	if err != nil {
		return nil, err
	}
	s, err := c.messageHeader(format, id)
	if err != nil {
		return nil, unexpected(err)
	}
	if err := c.body(s); err != nil {
		return nil, unexpected(err)
	}
	if len(s.payload) < s.length {
		return nil, nil
	}
	return s, nil
}

// unexpected turns the end of input within a chunk into io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// basicHeader reads the chunk's format and chunk stream (RTMP 1.0, 5.3.1.1).
func (c *chunkReader) basicHeader() (format byte, id uint32, err error) {
	b, err := c.take(1)
	if err != nil {
		return 0, 0, err
	}
	format, id = b[0]>>6, uint32(b[0]&0x3F)
	switch id {
	case 0:
		if b, err = c.take(1); err != nil {
			return 0, 0, unexpected(err)
		}
		id = 64 + uint32(b[0])
	case 1:
		if b, err = c.take(2); err != nil {
			return 0, 0, unexpected(err)
		}
		id = 64 + uint32(b[0]) + uint32(b[1])<<8
	}
	return format, id, nil
}

// messageHeader reads the message header and the extended timestamp, and opens a
// message unless the chunk goes on with one (RTMP 1.0, 5.3.1.2 and 5.3.1.3).
func (c *chunkReader) messageHeader(format byte, id uint32) (*chunkStream, error) {
	s := c.find(id)
	if s == nil {
		if format != 0 {
			return nil, errChunkUnopened
		}
		if len(c.streams) == maxChunkStreams {
			return nil, errChunkStreams
		}
		s = &chunkStream{id: id}
		c.streams = append(c.streams, s)
	}
	if format == 3 {
		return s, c.shortHeader(s)
	}
	if s.open { // not in the standard; the new message wins
		c.drop(s)
		c.abandoned++
	}
	b, err := c.take([...]int{11, 7, 3}[format])
	if err != nil {
		return nil, err
	}
	s.field = uint24(b)
	if format < 2 {
		s.length, s.kind = int(uint24(b[3:])), messageType(b[6])
	}
	if format == 0 {
		s.stream = binary.LittleEndian.Uint32(b[7:])
	}
	if s.extended = s.field == extendedMark; s.extended {
		if b, err = c.take(4); err != nil {
			return nil, err
		}
		s.field = binary.BigEndian.Uint32(b)
	}
	if format == 0 {
		s.time, s.delta = timestamp(s.field), 0
	} else {
		s.time, s.delta = s.time+timestamp(s.field), s.field
	}
	return s, c.start(s)
}

// shortHeader does what a type 3 header means: it goes on with a message, or starts
// one that is like the last (RTMP 1.0, 5.3.1.2.4). After a type 0 chunk the standard
// makes the delta equal to the whole timestamp, which no encoder can mean: it is 0 here.
func (c *chunkReader) shortHeader(s *chunkStream) error {
	if s.extended {
		if err := c.skipRepeated(s.field); err != nil {
			return err
		}
	}
	if s.open {
		return nil
	}
	s.time += timestamp(s.delta)
	return c.start(s)
}

// skipRepeated reads the extended timestamp of a type 3 chunk, which ffmpeg and
// librtmp write and others leave out: four bytes equal to field are taken for it. They
// are looked at one by one, since a short payload may be all that is coming for now.
func (c *chunkReader) skipRepeated(field uint32) error {
	var want [4]byte
	binary.BigEndian.PutUint32(want[:], field)
	for n := range want {
		b, err := c.r.Peek(n + 1)
		if len(b) > n && b[n] == want[n] {
			continue
		}
		if len(b) <= n && !errors.Is(err, io.EOF) {
			return err
		}
		return nil
	}
	_, err := c.take(4)
	return err
}

// start opens the next message of s.
func (c *chunkReader) start(s *chunkStream) error {
	if s.length > c.longest {
		return fmt.Errorf("%w: %d bytes", errMessageSize, s.length)
	}
	s.open = true
	return nil
}

// body reads the chunk's part of the payload.
func (c *chunkReader) body(s *chunkStream) error {
	at := len(s.payload)
	n := min(s.length-at, c.chunkSize)
	for n > 0 {
		if err := c.grow(s); err != nil {
			return err
		}
		step := min(n, cap(s.payload)-at)
		s.payload = s.payload[:at+step]
		got, err := io.ReadFull(c.r, s.payload[at:])
		c.received += uint64(got)
		if err != nil {
			return err
		}
		at += step
		n -= step
	}
	return nil
}

// grow makes room in the payload of s: by what has been received, never by what has
// only been declared, and never beyond the message's length (fault R3).
func (c *chunkReader) grow(s *chunkStream) error {
	had := cap(s.payload)
	if len(s.payload) < had {
		return nil
	}
	size := min(s.length, max(2*had, firstAllocation))
	if c.partial+size-had > maxPartial {
		return errPartial
	}
	grown := make([]byte, len(s.payload), size)
	copy(grown, s.payload)
	s.payload = grown
	c.partial += size - had
	return nil
}

// take returns the next n bytes; they are good until the next read.
func (c *chunkReader) take(n int) ([]byte, error) {
	b, err := c.r.Peek(n)
	if err != nil {
		if len(b) > 0 {
			return nil, unexpected(err)
		}
		return nil, err
	}
	c.received += uint64(n)
	_, _ = c.r.Discard(n) // they are there
	return b, nil
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
