package rtmp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/media"
)

// A tagTrack writes the audio or video messages of one track. The sample's bytes are
// the tail of the message unchanged, as our form of media is RTMP's too; so this
// writes what stands before them.
//
// H.264 and AAC are written in their legacy form, which every player knows, all else
// as Enhanced RTMP. Tracks other than the first of their kind are OneTrack multitrack
// tags; the first has none, so that a player without multitrack support plays it.
type tagTrack struct {
	init  media.Init
	track uint8 // 0 for the first of its kind
}

// messageType returns the RTMP message type of the track (RTMP 1.0, 7.1).
func (t tagTrack) messageType() messageType {
	if t.init.Kind() == media.Video {
		return typeVideo
	}
	return typeAudio
}

// maxTagHeader is the most bytes that appendHeader adds: multitrack video with a
// composition time.
const maxTagHeader = 10

// appendHeader appends what stands before the data of a packet of kind packetConfig or
// packetFrame. For audio, key and composition mean nothing.
func (t tagTrack) appendHeader(dst []byte, kind packetKind, key bool, composition int32) []byte {
	switch {
	case t.init.Kind() == media.Video:
		return t.appendVideoHeader(dst, kind, key, composition)
	case t.track == 0 && t.init.Codec == media.AAC:
		// AAC is always announced as 44 kHz, 16 bit, stereo (FLV 10.1, E.4.2.1).
		if kind == packetConfig {
			return append(dst, 0xAF, 0)
		}
		return append(dst, 0xAF, 1)
	}
	packetType := byte(audioCodedFrames)
	if kind == packetConfig {
		packetType = audioSequenceStart
	}
	return t.appendTrack(dst, audioEnhanced<<4, packetType, audioMultitrack)
}

func (t tagTrack) appendVideoHeader(dst []byte, kind packetKind, key bool, composition int32) []byte {
	frame := frameInter
	if key || kind == packetConfig {
		frame = frameKey
	}
	if t.track == 0 && t.init.Codec == media.H264 {
		packetType := byte(1)
		if kind == packetConfig {
			packetType, composition = 0, 0
		}
		return appendS24(append(dst, byte(frame)<<4|7, packetType), composition)
	}
	packetType := byte(videoCodedFrames)
	switch {
	case kind == packetConfig:
		packetType = videoSequenceStart
	case composition == 0 && t.coding().composed():
		packetType = videoCodedFramesX
	}
	dst = t.appendTrack(dst, videoEnhanced|byte(frame)<<4, packetType, videoMultitrack)
	if packetType == videoCodedFrames && t.coding().composed() {
		dst = appendS24(dst, composition)
	}
	return dst
}

// appendTrack appends the Enhanced header: first is the first byte without its packet type.
func (t tagTrack) appendTrack(dst []byte, first, packetType, multitrack byte) []byte {
	if t.track == 0 {
		return binary.BigEndian.AppendUint32(append(dst, first|packetType), uint32(t.coding()))
	}
	dst = append(dst, first|multitrack, oneTrack<<4|packetType)
	return append(binary.BigEndian.AppendUint32(dst, uint32(t.coding())), t.track)
}

// coding returns the FourCC of the track.
func (t tagTrack) coding() coding {
	switch t.init.Codec {
	case media.H264:
		return fourCCAVC
	case media.H265:
		return fourCCHEVC
	case media.AV1:
		return fourCCAV1
	case media.AAC:
		return fourCCAAC
	case media.Opus:
		return fourCCOpus
	}
	return 0
}

// config returns the data of the track's configuration packet.
func (t tagTrack) config() ([]byte, error) {
	if t.init.Codec == media.Opus {
		head, err := opusHead(t.init.Config)
		if err != nil {
			return nil, fmt.Errorf("write Opus configuration: %w", err)
		}
		return head, nil
	}
	return t.init.Config, nil
}

// opusHead rewrites a dOps payload (Opus in ISOBMFF, 4.3.2; big-endian) as the ID header
// of RFC 7845, 5.1 (little-endian), which is what Enhanced RTMP has as SequenceStart.
func opusHead(dOps []byte) ([]byte, error) {
	c := tagCursor{b: dOps}
	c.u8() // version
	channels, preSkip, rate, gain, family := c.u8(), c.u16(), c.u32(), c.u16(), c.u8()
	if c.short {
		return nil, errors.New("dOps is too short")
	}
	head := append([]byte("OpusHead"), 1, channels)
	head = binary.LittleEndian.AppendUint16(head, preSkip)
	head = binary.LittleEndian.AppendUint32(head, rate)
	head = binary.LittleEndian.AppendUint16(head, gain)
	return append(append(head, family), c.rest()...), nil
}

// Range of an SI24.
const (
	minS24 = -1 << 23
	maxS24 = 1<<23 - 1
)

func appendS24(dst []byte, v int32) []byte {
	return append(dst, byte(v>>16), byte(v>>8), byte(v))
}

// metaData returns what onMetaData says of the tracks. Codec ids are the legacy numbers where the legacy form is written, else
// the FourCC as a number (Enhanced RTMP v2, "Metadata Frame").
func metaData(tracks []tagTrack) ECMAArray {
	fields := ECMAArray{{"duration", 0.0}}
	for _, t := range tracks {
		if t.track != 0 {
			continue // onMetaData's fields are of the default tracks
		}
		id := float64(t.coding())
		if t.init.Kind() == media.Video {
			if t.init.Codec == media.H264 {
				id = 7
			}
			fields = append(fields, Property{"width", float64(t.init.Width)},
				Property{"height", float64(t.init.Height)})
			if rate := t.init.FrameRate.Float(); rate > 0 {
				fields = append(fields, Property{"framerate", rate})
			}
			fields = append(fields, Property{"videocodecid", id})
			continue
		}
		if t.init.Codec == media.AAC {
			id = 10
		}
		fields = append(fields, Property{"audiosamplerate", float64(t.init.SampleRate)},
			Property{"audiosamplesize", 16.0}, Property{"stereo", t.init.Channels > 1},
			Property{"audiochannels", float64(t.init.Channels)}, Property{"audiocodecid", id})
	}
	return append(fields, Property{"encoder", "Headrace"})
}
