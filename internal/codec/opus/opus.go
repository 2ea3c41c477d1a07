// Package opus reads Opus (RFC 6716) as CMAF and RTMP carry it: the dOps box (Encapsulation
// of Opus in ISO Base Media File Format, 4.3.2), the Ogg ID header (RFC 7845, 5.1) and
// the duration of packets.
package opus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/media"
)

// magic begins an Ogg ID header and no dOps, whose first byte is 0.
const magic = "OpusHead"

// fixedSize is the size in bytes of dOps before the channel mapping table.
const fixedSize = 11

// ParseInit reads the payload of a dOps box or an OpusHead ID header. Config of the
// Init is the payload of dOps; it shares no memory with record.
func ParseInit(record []byte) (media.Init, error) {
	little := bytes.HasPrefix(record, []byte(magic))
	if little {
		record = record[len(magic):]
	}
	if len(record) < fixedSize {
		return media.Init{}, errors.New("header is truncated")
	}
	// RFC 7845, 5.1: the high half of OpusHead's version is the incompatible one.
	if little && record[0]&0xf0 != 0 || !little && record[0] != 0 {
		return media.Init{}, fmt.Errorf("header of version %d", record[0])
	}
	channels, family := int(record[1]), record[10]
	size := fixedSize
	if family != 0 {
		size += 2 + channels
	}
	if len(record) < size {
		return media.Init{}, errors.New("header is truncated")
	}
	if err := checkMapping(channels, family, record[fixedSize:size]); err != nil {
		return media.Init{}, err
	}
	config := append([]byte(nil), record[:size]...)
	config[0] = 0
	if little {
		binary.BigEndian.PutUint16(config[2:], binary.LittleEndian.Uint16(record[2:])) // PreSkip
		binary.BigEndian.PutUint32(config[4:], binary.LittleEndian.Uint32(record[4:])) // InputSampleRate
		binary.BigEndian.PutUint16(config[8:], binary.LittleEndian.Uint16(record[8:])) // OutputGain
	}
	return media.Init{
		Codec:       media.Opus,
		Config:      config,
		CodecString: "opus", // RFC 6381 registers "Opus"; browsers want lower case
		SampleRate:  48000,
		Channels:    channels,
	}, nil
}

// checkMapping: RFC 7845, 5.1.1. table is stream count, coupled count and a byte a
// channel, for families other than 0.
func checkMapping(channels int, family byte, table []byte) error {
	limit := 0
	switch family {
	case 0:
		limit = 2
	case 1:
		limit = 8
	case 255:
		limit = 255
	default:
		return fmt.Errorf("channel mapping family %d", family)
	}
	if channels == 0 || channels > limit {
		return fmt.Errorf("%d channels in mapping family %d", channels, family)
	}
	if family == 0 {
		return nil
	}
	streams, coupled := int(table[0]), int(table[1])
	if streams == 0 || coupled > streams || streams+coupled > 255 {
		return errors.New("impossible number of streams")
	}
	for _, i := range table[2:] {
		if int(i) >= streams+coupled && i != 255 {
			return errors.New("channel of no stream")
		}
	}
	return nil
}

// PreSkip returns the samples, at 48 kHz, that a player drops from the start of a stream.
// config is Config of an Init.
func PreSkip(config []byte) int {
	if len(config) < fixedSize {
		return 0
	}
	return int(binary.BigEndian.Uint16(config[2:]))
}

var (
	errEmpty = errors.New("opus: empty packet")
	errCount = errors.New("opus: number of frames out of bounds")
)

// maxDuration is 120 ms: RFC 6716, 3.2.5 (R5).
const maxDuration media.Ticks = 5760

// Duration returns how long a packet sounds, in ticks of 48 kHz (RFC 6716, 3.1 and 3.2).
func Duration(packet []byte) (media.Ticks, error) {
	if len(packet) == 0 {
		return 0, errEmpty
	}
	frames := media.Ticks(1)
	switch packet[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 {
			return 0, errCount
		}
		frames = media.Ticks(packet[1] & 0x3f)
	}
	d := frames * frameDuration(packet[0]>>3)
	if d == 0 || d > maxDuration {
		return 0, errCount
	}
	return d, nil
}

// frameDuration: RFC 6716, table 2.
func frameDuration(config byte) media.Ticks {
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		return [4]media.Ticks{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid: 10, 20 ms
		return 480 << (config & 1)
	default: // CELT: 2.5, 5, 10, 20 ms
		return 120 << (config & 3)
	}
}
