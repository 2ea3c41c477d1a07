// Package av1 reads AV1 (AV1 Bitstream & Decoding Process Specification) as CMAF and RTMP
// carry it (AV1 Codec ISO Media File Format Binding): the av1C record, sequence headers
// and the headers of temporal units.
package av1

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/codec/video"
	"github.com/headrace/headrace/internal/media"
)

// headerSize is what stands before configOBUs in an av1C, in bytes.
const headerSize = 4

// maxOBUs bounds what a record that we write holds behind its header, in bytes. A
// sequence header has less than 100, with its HDR metadata less than 200.
const maxOBUs = 4096

// ParseInit reads an av1C payload (AV1-ISOBMFF, 2.3.3), which has to hold a sequence
// header. Config of the Init is the record written anew: its header taken from the
// sequence header, that OBU in the form with a size, then the OBUs with static HDR
// metadata. It shares no memory with record.
func ParseInit(record []byte) (media.Init, error) {
	if len(record) > video.MaxRecord {
		return media.Init{}, errors.New("av1C is too large")
	}
	if len(record) < headerSize {
		return media.Init{}, errors.New("av1C is truncated")
	}
	if record[0] != 0x81 {
		return media.Init{}, fmt.Errorf("av1C of version %#02x", record[0])
	}
	return build(record[headerSize:], record[3]&0x1f)
}

// build makes the Init for OBUs among which is a sequence header. delay is the low 5
// bits of byte 3 of the record: the initial presentation delay.
func build(obus []byte, delay byte) (media.Init, error) {
	var header, metadata []byte
	for len(obus) > 0 {
		o, rest, err := next(obus)
		if err != nil {
			return media.Init{}, err
		}
		switch o.kind {
		case kindSequenceHeader:
			if header == nil {
				header = trimZeros(o.payload)
			}
		case kindMetadata:
			if static(o.payload) {
				metadata = appendOBU(metadata, kindMetadata, o.payload)
			}
		}
		obus = rest
		if len(header)+len(metadata) > maxOBUs {
			return media.Init{}, errors.New("sequence header and metadata are too large")
		}
	}
	if header == nil {
		return media.Init{}, errors.New("no sequence header")
	}
	s, err := parseSequence(header)
	if err != nil {
		return media.Init{}, err
	}
	init := media.Init{
		Codec:       media.AV1,
		Config:      append(appendOBU(s.recordHeader(delay), kindSequenceHeader, header), metadata...),
		CodecString: s.codecString(),
		Width:       s.width,
		Height:      s.height,
		PixelAspect: media.Rational{Num: 1, Den: 1}, // AV1 has no other: 7.20 scales to square pixels
		FrameRate:   s.frameRate,
	}
	if s.described || s.color.FullRange {
		init.Color = s.color
	}
	return init, nil
}

// static reports whether metadata is of all pictures: METADATA_TYPE_HDR_CLL or
// METADATA_TYPE_HDR_MDCV (AV1, 6.7.1).
func static(metadata []byte) bool {
	return len(metadata) > 0 && (metadata[0] == 1 || metadata[0] == 2)
}

func (s *sequence) recordHeader(delay byte) []byte {
	flag := func(b bool, shift int) byte {
		if b {
			return 1 << shift
		}
		return 0
	}
	return []byte{
		0x81,
		s.profile<<5 | s.level,
		s.tier<<7 | flag(s.highBitDepth, 6) | flag(s.twelveBit, 5) | flag(s.mono, 4) |
			s.subsamplingX<<3 | s.subsamplingY<<2 | s.chromaPosition,
		delay,
	}
}

// configured reports whether config holds the sequence header of this payload.
func configured(config, payload []byte) bool {
	if len(config) < headerSize {
		return false
	}
	o, _, err := next(config[headerSize:])
	return err == nil && o.kind == kindSequenceHeader && bytes.Equal(trimZeros(o.payload), trimZeros(payload))
}

// trimZeros removes padding after the trailing bits, which begin with a one (AV1, 5.3.4).
func trimZeros(payload []byte) []byte { return video.TrimZeros(payload) }
