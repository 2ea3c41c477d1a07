// Package avc reads AVC (ITU-T H.264, ISO/IEC 14496-10) as CMAF and RTMP carry it (ISO/IEC
// 14496-15, 5): the avcC record, parameter sets and the headers of access units. It
// decodes no picture and looks at no more of a slice than its type.
package avc

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/codec/bits"
	"github.com/headrace/headrace/internal/codec/video"
	"github.com/headrace/headrace/internal/media"
)

// ITU-T H.264, 7.4.2.1.1 and 7.4.2.2. The count of SPS in avcC has 5 bits, that of PPS 8.
const (
	maxSPSID = 31
	maxPPSID = 255
	maxSPS   = 31
	maxPPS   = 255
)

var errRecord = errors.New("avcC is truncated")

// ParseInit reads an avcC payload (ISO/IEC 14496-15, 5.3.3.1). Config of the Init is
// the record written anew, its header taken from the first SPS, with NAL lengths of 4
// bytes; it shares no memory with record.
func ParseInit(record []byte) (media.Init, error) {
	if len(record) > video.MaxRecord {
		return media.Init{}, errors.New("avcC is too large")
	}
	if len(record) < 7 {
		return media.Init{}, errRecord
	}
	if record[0] != 1 {
		return media.Init{}, fmt.Errorf("avcC of version %d", record[0])
	}
	if record[4]&3 == 2 {
		return media.Init{}, errors.New("avcC with NAL lengths of 3 bytes")
	}
	sps, pps, err := split(record)
	if err != nil {
		return media.Init{}, err
	}
	return build(sps, pps)
}

// NALLengthSize returns the size in bytes of the NAL length fields that an avcC declares.
func NALLengthSize(record []byte) int {
	if len(record) < 5 {
		return 4
	}
	return int(record[4]&3) + 1
}

// ParameterSets returns the SPS and PPS NAL units of an avcC, which are subslices of it.
func ParameterSets(config []byte) (sps, pps [][]byte) {
	sps, pps, _ = split(config)
	return sps, pps
}

func split(record []byte) (sps, pps [][]byte, err error) {
	err = walk(record, func(set []byte, isSPS bool) {
		if isSPS {
			sps = append(sps, set)
		} else {
			pps = append(pps, set)
		}
	})
	return sps, pps, err
}

// walk calls f with each parameter set in record. It allocates nothing.
func walk(record []byte, f func(set []byte, isSPS bool)) error {
	if len(record) < 6 {
		return errRecord
	}
	count, rest := int(record[5]&0x1f), record[6:]
	for _, isSPS := range [...]bool{true, false} {
		if !isSPS {
			if len(rest) == 0 {
				return errRecord
			}
			count, rest = int(rest[0]), rest[1:]
		}
		for range count {
			if len(rest) < 2 {
				return errRecord
			}
			set, r, err := video.NextNAL(rest, 2)
			if err != nil {
				return errRecord
			}
			f(video.TrimZeros(set), isSPS)
			rest = r
		}
	}
	return nil
}

// build makes the Init for parameter sets: the first SPS says what the pictures are.
func build(spsUnits, ppsUnits [][]byte) (media.Init, error) {
	if len(spsUnits) == 0 || len(ppsUnits) == 0 {
		return media.Init{}, errors.New("no SPS or no PPS")
	}
	if len(spsUnits) > maxSPS || len(ppsUnits) > maxPPS {
		return media.Init{}, errors.New("too many parameter sets")
	}
	if err := video.CheckSets(spsUnits, ppsUnits); err != nil {
		return media.Init{}, err
	}
	var first sps
	for i, unit := range spsUnits {
		s, err := parseSPS(unit)
		if err != nil {
			return media.Init{}, err
		}
		if i == 0 {
			first = s
		}
	}
	for _, unit := range ppsUnits {
		if _, err := setID(unit); err != nil {
			return media.Init{}, err
		}
	}
	return media.Init{
		Codec:       media.H264,
		Config:      encode(first, spsUnits, ppsUnits),
		CodecString: fmt.Sprintf("avc1.%02x%02x%02x", first.profile, first.constraints, first.level),
		Width:       first.width,
		Height:      first.height,
		PixelAspect: first.vui.PixelAspect,
		FrameRate:   first.frameRate,
		Color:       first.vui.Color,
	}, nil
}

// encode writes an avcC (ISO/IEC 14496-15, 5.3.3.1.2).
func encode(s sps, spsUnits, ppsUnits [][]byte) []byte {
	record := []byte{1, s.profile, s.constraints, s.level, 0xff, 0xe0 | byte(len(spsUnits))}
	for _, unit := range spsUnits {
		record = video.AppendSet(record, unit)
	}
	record = append(record, byte(len(ppsUnits)))
	for _, unit := range ppsUnits {
		record = video.AppendSet(record, unit)
	}
	switch s.profile {
	case 66, 77, 88: // Baseline, Main, Extended: the record ends here
		return record
	}
	return append(record, 0xfc|byte(s.chromaFormat), 0xf8|byte(s.bitDepthLuma), 0xf8|byte(s.bitDepthChroma), 0)
}

// setID returns the id of an SPS or PPS NAL unit.
func setID(unit []byte) (uint32, error) {
	id, limit := uint32(0), uint32(maxPPSID)
	var r bits.Reader
	switch {
	case len(unit) > 4 && unit[0]&0x1f == typeSPS:
		r, limit = bits.NewNAL(unit[4:]), maxSPSID
	case len(unit) > 1 && unit[0]&0x1f == typePPS:
		r = bits.NewNAL(unit[1:])
	default:
		return 0, errors.New("not a parameter set")
	}
	id = r.UEMax(limit)
	if r.Err() != nil {
		return 0, fmt.Errorf("parameter set: %w", r.Err())
	}
	return id, nil
}

// configured reports whether config holds the parameter set.
func configured(config, set []byte) bool {
	found := false
	// A config that ends early holds what was found before its end.
	_ = walk(config, func(have []byte, _ bool) { found = found || bytes.Equal(have, set) })
	return found
}

// merge returns the Init for config and the parameter sets of an access unit. Those of
// the unit come first and replace the ones with their ids.
func merge(config, data []byte, lengthSize int) (*media.Init, error) {
	var sps, pps [][]byte
	add := func(list [][]byte, set []byte, replace bool) ([][]byte, error) {
		id, err := setID(set)
		if err != nil {
			return nil, err
		}
		for i, have := range list {
			if other, _ := setID(have); other == id {
				if replace {
					list[i] = set
				}
				return list, nil
			}
		}
		return append(list, set), nil
	}
	for len(data) > 0 {
		unit, rest, err := video.NextNAL(data, lengthSize)
		if err != nil {
			return nil, err
		}
		data = rest
		switch unit = video.TrimZeros(unit); unitType(unit) {
		case typeSPS:
			sps, err = add(sps, unit, true)
		case typePPS:
			pps, err = add(pps, unit, true)
		}
		if err != nil {
			return nil, err
		}
	}
	haveSPS, havePPS := ParameterSets(config)
	for _, set := range haveSPS {
		sps, _ = add(sps, set, false)
	}
	for _, set := range havePPS {
		pps, _ = add(pps, set, false)
	}
	init, err := build(sps, pps)
	if err != nil {
		return nil, err
	}
	return &init, nil
}
