package rtmp

import (
	"bufio"
	"encoding/binary"
	"io"
)

// writeBuffer is the bytes gathered before a write to the connection. Longer payloads
// go to it directly.
const writeBuffer = 16 << 10

// A chunkWriter cuts messages into chunks. It belongs to one goroutine at a time.
type chunkWriter struct {
	w         *bufio.Writer
	chunkSize int
	streams   map[uint32]*sentHeader
	scratch   [18]byte // the longest header, in the making
}

// A sentHeader is what the peer remembers of a chunk stream.
type sentHeader struct {
	time   timestamp
	length int
	kind   messageType
	stream uint32
}

func newChunkWriter(w io.Writer) *chunkWriter {
	return &chunkWriter{w: bufio.NewWriterSize(w, writeBuffer), chunkSize: defaultChunkSize, streams: map[uint32]*sentHeader{}}
}

// flush sends what write has left in the buffer.
func (c *chunkWriter) flush() error { return c.w.Flush() }

// write writes m. Its payload is m.payload and then more, which spares callers that
// put a header in front of a sample a copy. Neither is kept. A Set Chunk Size message
// holds for what is written after it.
func (c *chunkWriter) write(m message, more ...[]byte) error {
	length := len(m.payload)
	for _, p := range more {
		length += len(p)
	}
	if length > maxMessage {
		return errMessageSize
	}
	field, err := c.header(m, length)
	if err != nil {
		return err
	}
	room, err := c.body(m.chunkStream, field, c.chunkSize, m.payload)
	if err != nil {
		return err
	}
	for _, p := range more {
		if room, err = c.body(m.chunkStream, field, room, p); err != nil {
			return err
		}
	}
	if m.kind == typeSetChunkSize {
		size, err := m.uint32()
		if err != nil {
			return err
		}
		c.chunkSize = int(min(size, maxChunkSize))
	}
	return nil
}

// body writes the next part of a payload into what room the current chunk has left,
// and into further chunks. It returns the room left after it.
func (c *chunkWriter) body(id, field uint32, room int, p []byte) (int, error) {
	for len(p) > 0 {
		if room == 0 {
			if err := c.continuation(id, field); err != nil {
				return 0, err
			}
			room = c.chunkSize
		}
		n := min(room, len(p))
		if _, err := c.w.Write(p[:n]); err != nil {
			return 0, err
		}
		p, room = p[n:], room-n
	}
	return room, nil
}

// header writes the first chunk's header in its shortest safe form and returns what
// is in its time field. Messages are never begun with a type 3 chunk: readers differ
// on what that adds to the timestamp.
func (c *chunkWriter) header(m message, length int) (field uint32, err error) {
	last := c.streams[m.chunkStream]
	format := byte(1)
	switch {
	case last == nil || last.stream != m.stream || m.time.since(last.time) < 0:
		format, field = 0, uint32(m.time)
	case last.length == length && last.kind == m.kind:
		format, field = 2, uint32(m.time-last.time)
	default:
		field = uint32(m.time - last.time)
	}
	if last == nil {
		last = &sentHeader{}
		c.streams[m.chunkStream] = last
	}
	*last = sentHeader{time: m.time, length: length, kind: m.kind, stream: m.stream}

	b := appendBasicHeader(c.scratch[:0], format, m.chunkStream)
	b = appendUint24(b, min(field, extendedMark))
	if format < 2 {
		b = append(appendUint24(b, uint32(length)), byte(m.kind))
	}
	if format == 0 {
		b = binary.LittleEndian.AppendUint32(b, m.stream)
	}
	if field >= extendedMark {
		b = binary.BigEndian.AppendUint32(b, field)
	}
	_, err = c.w.Write(b)
	return field, err
}

// continuation writes the header between two chunks of a message. It repeats an
// extended timestamp, as the standard has it (RTMP 1.0, 5.3.1.3).
func (c *chunkWriter) continuation(id, field uint32) error {
	b := appendBasicHeader(c.scratch[:0], 3, id)
	if field >= extendedMark {
		b = binary.BigEndian.AppendUint32(b, field)
	}
	_, err := c.w.Write(b)
	return err
}

// appendBasicHeader appends the shortest basic header (RTMP 1.0, 5.3.1.1).
func appendBasicHeader(b []byte, format byte, id uint32) []byte {
	switch format <<= 6; {
	case id < 64:
		return append(b, format|byte(id))
	case id < 64+256:
		return append(b, format, byte(id-64))
	}
	id -= 64
	return append(b, format|1, byte(id), byte(id>>8))
}

func appendUint24(b []byte, v uint32) []byte {
	return append(b, byte(v>>16), byte(v>>8), byte(v))
}
