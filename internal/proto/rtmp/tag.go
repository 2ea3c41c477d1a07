package rtmp

import (
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/media"
)

// Limits of the tag layer. What a publisher sends is bounded by the message cap;
// these bound what one message may make of itself (faults R9, R11).
const (
	// maxTagPackets is the most packets taken from one message. A track id is a
	// UI8 (Enhanced RTMP v2, "Multitrack Streaming"), so a message has no use for more.
	maxTagPackets = 256

	// maxModEx is the longest chain of ModEx headers in one message.
	maxModEx = 32

	// maxTagConfig is the longest decoder configuration or metadata, in bytes.
	maxTagConfig = 64 << 10

	// maxComposition is the largest distance between DTS and PTS, in milliseconds,
	// that is believed. A 24-bit field can say 2.3 hours.
	maxComposition = 10_000
)

// Errors of the tag parsers. All of them mean: drop the rest of the message, count
// it, and go on with the stream.
var (
	errTagShort     = errors.New("tag ends within its header")
	errTagNesting   = errors.New("multitrack within multitrack")
	errTagMultitype = errors.New("unknown multitrack type")
	errTagModEx     = errors.New("too many ModEx headers")
	errTagPackets   = errors.New("too many packets in a message")
	errTagLarge     = errors.New("configuration or metadata is too large")
)

// A packetKind says what a packet of a tag is.
type packetKind uint8

const (
	packetConfig     packetKind = iota + 1 // decoder configuration ("sequence header")
	packetFrame                            // one access unit
	packetEnd                              // the sequence is over; a new one starts with a config
	packetMetadata                         // AMF0 values: "colorInfo" and its object
	packetChannels                         // audio channel order and layout (MultichannelConfig)
	packetDescriptor                       // AV1 video descriptor of MPEG-2 TS: repeats what is in the stream
	packetSeekStart                        // command: frames from here on only fill the decoder
	packetSeekEnd                          // command: frames are for display again
	packetUnknown                          // packet type or command that we do not know: drop and count
	packetEmpty                            // configuration or frame without a byte: drop and count
)

func (k packetKind) String() string {
	names := [...]string{"none", "config", "frame", "end", "metadata", "channels", "descriptor",
		"seek-start", "seek-end", "unknown", "empty"}
	if int(k) < len(names) {
		return names[k]
	}
	return "none"
}

// A frameType is the upper nibble, or three bits, of a video tag's first byte
// (FLV 10.1, E.4.3.1; Enhanced RTMP v2, "VideoFrameType").
type frameType uint8

const (
	frameKey        frameType = 1
	frameInter      frameType = 2
	frameDisposable frameType = 3
	frameGenerated  frameType = 4 // a key frame made by a server
	frameCommand    frameType = 5
)

// A tagPacket is one thing that an audio or video message says about one track.
type tagPacket struct {
	kind  packetKind
	track uint8 // 0: the default track, or a message without multitrack header

	coding coding      // as the tag named it
	codec  media.Codec // 0: a coding that we do not carry; the stream lives on without it

	frame       frameType // video; 0 for audio
	composition int32     // PTS - DTS in milliseconds, in ±maxComposition
	clamped     bool      // composition was beyond belief and is 0 now: count it
	nano        uint32    // to be added to the timestamp, in nanoseconds below a millisecond

	data []byte // part of the message's payload, not a copy
}

// key reports whether the tag calls its frame a key frame. It is a claim of the
// encoder: whether decoding can start there is for the codec to say.
func (p tagPacket) key() bool { return p.frame == frameKey || p.frame == frameGenerated }

// A coding is what a tag says about how its data is coded: a FourCC in its wire
// order, or one of the legacy numbers, moved out of the FourCCs' way.
type coding uint32

const (
	fourCCAVC  coding = 'a'<<24 | 'v'<<16 | 'c'<<8 | '1'
	fourCCHEVC coding = 'h'<<24 | 'v'<<16 | 'c'<<8 | '1'
	fourCCVVC  coding = 'v'<<24 | 'v'<<16 | 'c'<<8 | '1'
	fourCCAV1  coding = 'a'<<24 | 'v'<<16 | '0'<<8 | '1'
	fourCCAAC  coding = 'm'<<24 | 'p'<<16 | '4'<<8 | 'a'
	fourCCMP3  coding = '.'<<24 | 'm'<<16 | 'p'<<8 | '3'
	fourCCOpus coding = 'O'<<24 | 'p'<<16 | 'u'<<8 | 's'

	legacyVideo coding = 0x0100 // + codec id (FLV 10.1, E.4.3.1)
	legacyAudio coding = 0x0200 // + sound format (FLV 10.1, E.4.2.1)
)

// codec returns the codec of the coding, 0 if it is none of ours.
func (c coding) codec() media.Codec {
	switch c {
	case fourCCAVC:
		return media.H264
	case fourCCHEVC:
		return media.H265
	case fourCCAV1:
		return media.AV1
	case fourCCAAC:
		return media.AAC
	case fourCCOpus:
		return media.Opus
	}
	return 0
}

// composed reports whether a CodedFrames packet of the coding has a composition
// time (Enhanced RTMP v2, "ExVideoTagBody").
func (c coding) composed() bool { return c == fourCCAVC || c == fourCCHEVC || c == fourCCVVC }

var legacyVideoNames = [16]string{2: "Sorenson H.263", 3: "Screen Video", 4: "VP6", 5: "VP6 with alpha",
	6: "Screen Video 2"}

var legacyAudioNames = [16]string{0: "PCM", 1: "ADPCM", 2: "MP3", 3: "PCM little endian", 4: "Nellymoser 16 kHz",
	5: "Nellymoser 8 kHz", 6: "Nellymoser", 7: "G.711 A-law", 8: "G.711 mu-law", 11: "Speex", 14: "MP3 8 kHz",
	15: "device specific"}

// String names the coding for operators. It is safe to log, whatever the publisher sent.
func (c coding) String() string {
	name := ""
	switch c &^ 0xF {
	case legacyVideo:
		name = legacyVideoNames[c&0xF]
	case legacyAudio:
		name = legacyAudioNames[c&0xF]
	default:
		b := [4]byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)}
		for _, ch := range b {
			if ch < ' ' || ch > '~' {
				return fmt.Sprintf("0x%08x", uint32(c))
			}
		}
		return string(b[:])
	}
	if name == "" {
		return fmt.Sprintf("legacy codec %d", c&0xF)
	}
	return name
}

// addPacket appends p to dst, checked.
func addPacket(dst []tagPacket, p tagPacket) ([]tagPacket, error) {
	if len(dst) >= maxTagPackets {
		return dst, errTagPackets
	}
	p.codec = p.coding.codec()
	switch p.kind {
	case packetConfig, packetMetadata, packetChannels:
		if len(p.data) > maxTagConfig {
			return dst, errTagLarge
		}
	}
	if len(p.data) == 0 && (p.kind == packetConfig || p.kind == packetFrame) {
		p.kind = packetEmpty
	}
	if p.composition < -maxComposition || p.composition > maxComposition {
		p.composition, p.clamped = 0, true
	}
	return append(dst, p), nil
}

// A tagCursor reads a payload and remembers whether it ended too early.
type tagCursor struct {
	b     []byte
	short bool
}

func (c *tagCursor) bytes(n int) []byte {
	if n > len(c.b) {
		c.short, c.b = true, nil
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *tagCursor) uint(size int) uint32 {
	var v uint32
	for _, b := range c.bytes(size) {
		v = v<<8 | uint32(b)
	}
	return v
}

func (c *tagCursor) u8() uint8   { return uint8(c.uint(1)) }
func (c *tagCursor) u16() uint16 { return uint16(c.uint(2)) }
func (c *tagCursor) u24() uint32 { return c.uint(3) }
func (c *tagCursor) u32() uint32 { return c.uint(4) }

// s24 reads an SI24: two's complement (FLV 10.1, E.4.3.2).
func (c *tagCursor) s24() int32 { return int32(c.uint(3)<<8) >> 8 }

// rest returns what is left, capped so that an append by its owner copies.
func (c *tagCursor) rest() []byte { return c.bytes(len(c.b)) }

func (c *tagCursor) err() error {
	if c.short {
		return errTagShort
	}
	return nil
}
