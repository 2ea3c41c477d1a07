package rtmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// A messageType says what a message's payload is (RTMP 1.0, 5.4 and 7.1).
type messageType uint8

const (
	typeSetChunkSize     messageType = 1
	typeAbort            messageType = 2
	typeAcknowledgement  messageType = 3
	typeUserControl      messageType = 4
	typeWindowAckSize    messageType = 5
	typeSetPeerBandwidth messageType = 6
	typeAudio            messageType = 8
	typeVideo            messageType = 9
	typeDataAMF3         messageType = 15
	typeSharedObjectAMF3 messageType = 16
	typeCommandAMF3      messageType = 17
	typeDataAMF0         messageType = 18
	typeSharedObjectAMF0 messageType = 19
	typeCommandAMF0      messageType = 20
	typeAggregate        messageType = 22
)

// Chunk streams that we send on. Only the first is set by the standard (RTMP 1.0,
// 5.4); the others are free, and each kind has one to keep its headers short.
const (
	chunkStreamControl = 2
	chunkStreamCommand = 3
	chunkStreamAudio   = 4
	chunkStreamStatus  = 5
	chunkStreamVideo   = 6
	chunkStreamData    = 7
)

// A message is what chunks carry (RTMP 1.0, 6.1).
type message struct {
	chunkStream uint32 // where it came, or shall go
	kind        messageType
	stream      uint32 // message stream id: 0 for the connection
	time        timestamp
	payload     []byte
}

var errShortMessage = errors.New("message is too short for its type")

// uint32 returns the number that the payload begins with.
func (m message) uint32() (uint32, error) {
	if len(m.payload) < 4 {
		return 0, fmt.Errorf("%w: type %d, %d bytes", errShortMessage, m.kind, len(m.payload))
	}
	return binary.BigEndian.Uint32(m.payload), nil
}

// flvTagHeader is the bytes in front of a tag's data, flvTrailer those behind it (FLV 10.1, E.3 and E.4.1).
const (
	flvTagHeader = 11
	flvTrailer   = 4
)

var errAggregate = errors.New("aggregate message ends within a tag")

// tags returns the messages in an aggregate message, which is a row of FLV tags (RTMP
// 1.0, 7.1.6). Their times are moved so that the first one has the aggregate's. An
// error ends the sequence; aggregates in aggregates are left out.
func (m message) tags() iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		var first timestamp
		for rest, n := m.payload, 0; len(rest) > 0; n++ {
			if len(rest) < flvTagHeader {
				yield(message{}, errAggregate)
				return
			}
			end := flvTagHeader + int(uint24(rest[1:]))
			if end > len(rest) {
				yield(message{}, errAggregate)
				return
			}
			at := timestamp(uint24(rest[4:]) | uint32(rest[7])<<24) // the high byte comes last
			if n == 0 {
				first = at
			}
			tag := message{
				chunkStream: m.chunkStream,
				kind:        messageType(rest[0] & 0x1F), // FLV 10.1, E.4.1: above are a filter bit and two reserved ones
				stream:      m.stream,
				time:        m.time + (at - first),
				payload:     rest[flvTagHeader:end:end],
			}
			if tag.kind != typeAggregate && !yield(tag, nil) {
				return
			}
			rest = rest[min(end+flvTrailer, len(rest)):]
		}
	}
}
