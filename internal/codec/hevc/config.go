// Package hevc reads HEVC (ITU-T H.265, ISO/IEC 23008-2) as CMAF and RTMP carry it (ISO/IEC
// 14496-15, 8): the hvcC record, parameter sets and the headers of access units. It
// keeps the base layer only, and looks at nothing behind a slice's NAL unit header.
package hevc

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/codec/bits"
	"github.com/headrace/headrace/internal/codec/video"
	"github.com/headrace/headrace/internal/media"
)

// Highest ids: ITU-T H.265, 7.4.3.1 to 7.4.3.3.
const (
	maxSPSID = 15
	maxPPSID = 63
)

// maxSets bounds the parameter sets and SEI units of one type in a record.
const maxSets = 64

var errRecord = errors.New("hvcC is truncated")

// headerSize is what stands before the arrays of an hvcC, in bytes.
const headerSize = 23

// arrays lists the NAL unit types that a record may hold, in the order in which we
// write them (ISO/IEC 14496-15, 8.3.3.1.3 recommends it).
var arrays = [...]byte{typeVPS, typeSPS, typePPS, typePrefixSEI, typeSuffixSEI}

// sets holds the units of a record by the index of their type in arrays.
type sets [len(arrays)][][]byte

// ParseInit reads an hvcC payload (ISO/IEC 14496-15, 8.3.3.1). Config of the Init is
// the record written anew, its header taken from the first SPS, with NAL lengths of 4
// bytes and complete arrays. Of SEI units those that describe all pictures are kept, not
// the page of settings that x265 writes. It shares no memory with record.
func ParseInit(record []byte) (media.Init, error) {
	if len(record) > video.MaxRecord {
		return media.Init{}, errors.New("hvcC is too large")
	}
	if len(record) < headerSize {
		return media.Init{}, errRecord
	}
	// Version 0 is what encoders wrote before the standard was final.
	if record[0] > 1 {
		return media.Init{}, fmt.Errorf("hvcC of version %d", record[0])
	}
	if record[21]&3 == 2 {
		return media.Init{}, errors.New("hvcC with NAL lengths of 3 bytes")
	}
	s, err := split(record)
	if err != nil {
		return media.Init{}, err
	}
	return s.build()
}

// NALLengthSize returns the size in bytes of the NAL length fields that an hvcC declares.
func NALLengthSize(record []byte) int {
	if len(record) < headerSize {
		return 4
	}
	return int(record[21]&3) + 1
}

// ParameterSets returns the VPS, SPS and PPS NAL units of an hvcC, which are subslices of it.
func ParameterSets(config []byte) (vps, sps, pps [][]byte) {
	s, _ := split(config)
	return s[0], s[1], s[2]
}

func split(record []byte) (sets, error) {
	var s sets
	err := walk(record, func(unit []byte) {
		if i := index(unit); i >= 0 && layer(unit) == 0 && (arrays[i] <= typePPS || static(unit)) {
			s[i] = append(s[i], unit)
		}
	})
	return s, err
}

// static reports whether an SEI unit begins with what holds for all pictures: mastering
// display colour volume, content light level, alternative transfer (D.2.1).
func static(sei []byte) bool {
	return len(sei) > 2 && (sei[2] == 137 || sei[2] == 144 || sei[2] == 147)
}

// index returns the place of the type of unit in arrays, -1 if it has none.
func index(unit []byte) int {
	return bytes.IndexByte(arrays[:], unitType(unit))
}

// walk calls f with each NAL unit in record. It allocates nothing.
func walk(record []byte, f func(unit []byte)) error {
	if len(record) < headerSize {
		return errRecord
	}
	rest := record[headerSize:]
	for range record[headerSize-1] { // numOfArrays
		if len(rest) < 3 {
			return errRecord
		}
		count := int(rest[1])<<8 | int(rest[2])
		rest = rest[3:]
		for range count {
			if len(rest) < 2 {
				return errRecord
			}
			unit, r, err := video.NextNAL(rest, 2)
			if err != nil {
				return errRecord
			}
			f(video.TrimZeros(unit))
			rest = r
		}
	}
	return nil
}

// build makes the Init for parameter sets: the first SPS says what the pictures are.
func (s *sets) build() (media.Init, error) {
	for i := range arrays {
		if len(s[i]) > maxSets {
			return media.Init{}, errors.New("too many parameter sets")
		}
		if arrays[i] <= typePPS && len(s[i]) == 0 {
			return media.Init{}, errors.New("no VPS, no SPS or no PPS")
		}
	}
	if err := video.CheckSets(s[:]...); err != nil {
		return media.Init{}, err
	}
	var first sps
	for i, unit := range s[1] {
		p, err := parseSPS(unit)
		if err != nil {
			return media.Init{}, err
		}
		if i == 0 {
			first = p
		}
	}
	for _, list := range [...][][]byte{s[0], s[2]} {
		for _, unit := range list {
			if _, err := setID(unit); err != nil {
				return media.Init{}, err
			}
		}
	}
	rate := first.frameRate
	if rate.Den == 0 {
		rate = vpsFrameRate(s[0][0])
	}
	return media.Init{
		Codec:       media.H265,
		Config:      s.encode(first),
		CodecString: first.ptl.codecString(),
		Width:       first.width,
		Height:      first.height,
		PixelAspect: first.vui.PixelAspect,
		FrameRate:   rate,
		Color:       first.vui.Color,
	}, nil
}

// encode writes an hvcC (ISO/IEC 14496-15, 8.3.3.1.2). Segmentation, parallelism and
// the average frame rate are left as "unknown".
func (s *sets) encode(p sps) []byte {
	nested := byte(0)
	if p.nested {
		nested = 1
	}
	count := byte(0)
	for i := range s {
		if len(s[i]) > 0 {
			count++
		}
	}
	record := append(make([]byte, 0, 256), 1)
	record = append(record, p.ptl[:]...)
	record = append(record, 0xf0, 0, 0xfc, 0xfc|byte(p.chromaFormat),
		0xf8|byte(p.bitDepthLuma), 0xf8|byte(p.bitDepthChroma),
		0, 0, byte(p.subLayers)<<3|nested<<2|3, count)
	for i, list := range s {
		if len(list) == 0 {
			continue
		}
		complete := byte(0) // array_completeness: more SEI may come in band, parameter sets not
		if arrays[i] <= typePPS {
			complete = 0x80
		}
		record = append(record, complete|arrays[i], byte(len(list)>>8), byte(len(list)))
		for _, unit := range list {
			record = video.AppendSet(record, unit)
		}
	}
	return record
}

// setID returns the id of a parameter set.
func setID(unit []byte) (uint32, error) {
	switch {
	case len(unit) < 3:
	case unitType(unit) == typeVPS:
		return uint32(unit[2] >> 4), nil
	case unitType(unit) == typeSPS:
		p, err := parseSPS(unit)
		return p.id, err
	case unitType(unit) == typePPS:
		r := bits.NewNAL(unit[2:])
		id := r.UEMax(maxPPSID)
		if r.Err() != nil {
			return 0, fmt.Errorf("PPS: %w", r.Err())
		}
		return id, nil
	}
	return 0, errors.New("not a parameter set")
}

// configured reports whether config holds the parameter set.
func configured(config, set []byte) bool {
	found := false
	// A config that ends early holds what was found before its end.
	_ = walk(config, func(have []byte) { found = found || bytes.Equal(have, set) })
	return found
}

// merge returns the Init for config and the parameter sets of an access unit. Those of
// the unit come first and replace the ones with their ids.
func merge(config, data []byte, lengthSize int) (*media.Init, error) {
	var s sets
	for len(data) > 0 {
		unit, rest, err := video.NextNAL(data, lengthSize)
		if err != nil {
			return nil, err
		}
		data = rest
		if isParameterSet(unit) && layer(unit) == 0 {
			if err := s.add(video.TrimZeros(unit), true); err != nil {
				return nil, err
			}
		}
	}
	have, _ := split(config) // empty before the first parameter sets
	for i := range have {
		for _, unit := range have[i] {
			if arrays[i] > typePPS {
				s[i] = append(s[i], unit)
			} else if err := s.add(unit, false); err != nil {
				return nil, err
			}
		}
	}
	init, err := s.build()
	if err != nil {
		return nil, err
	}
	return &init, nil
}

// add adds a parameter set. Of two with one id the later stays if replace is set, else the earlier.
func (s *sets) add(unit []byte, replace bool) error {
	id, err := setID(unit)
	if err != nil {
		return err
	}
	list := s[index(unit)]
	for i, have := range list {
		if other, _ := setID(have); other == id {
			if replace {
				list[i] = unit
			}
			return nil
		}
	}
	s[index(unit)] = append(list, unit)
	return nil
}
