package hevc

import (
	"errors"

	"github.com/headrace/headrace/internal/codec/video"
	"github.com/headrace/headrace/internal/media"
)

// NAL unit types: ITU-T H.265, table 7-1.
const (
	typeRASLN     = 8
	typeRASLR     = 9
	typeBLAWLP    = 16
	typeCRA       = 21
	typeLastVCL   = 31
	typeVPS       = 32
	typeSPS       = 33
	typePPS       = 34
	typeAUD       = 35
	typeFiller    = 38
	typePrefixSEI = 39
	typeSuffixSEI = 40

	typeNone = 0xff // of what is too short for a header
)

var (
	errEmpty  = errors.New("hevc: access unit without a slice")
	errSets   = errors.New("hevc: too many parameter sets in an access unit")
	errHeader = errors.New("hevc: malformed NAL unit header")
)

// A Unit is what one access unit says of itself.
type Unit struct {
	Data    []byte      // with 4-byte lengths; no parameter sets, delimiters, filler, higher layers
	Sync    bool        // decoding can start here: IDR, CRA or BLA
	Leading bool        // RASL: not decodable when decoding starts at the sync sample before it
	Init    *media.Init // not nil if the unit carries parameter sets that Config lacked
}

// Inspect reads one access unit that follows cur. Config of cur may be empty before
// the first parameter sets. Data is data itself or a subslice if nothing has to go
// from its middle; it is empty if the unit is nothing but new parameter sets.
func Inspect(cur media.Init, data []byte, lengthSize int) (Unit, error) {
	var u Unit
	picture, changed, sets := false, false, 0
	for rest := data; len(rest) > 0; {
		unit, next, err := video.NextNAL(rest, lengthSize)
		if err != nil {
			return Unit{}, err
		}
		rest = next
		if len(unit) == 0 {
			continue
		}
		if len(unit) < 2 || unit[0]&0x80 != 0 || unit[1]&7 == 0 { // 7.3.1.2; nuh_temporal_id_plus1 is not 0
			return Unit{}, errHeader
		}
		t := unitType(unit)
		switch {
		case layer(unit) > 0:
		case t <= typeLastVCL:
			if !picture { // all slices of a picture are of one type: 7.4.2.2
				picture = true
				u.Sync = t >= typeBLAWLP && t <= typeCRA
				u.Leading = t == typeRASLN || t == typeRASLR
			}
		case isParameterSet(unit):
			if sets++; sets > video.MaxSets {
				return Unit{}, errSets
			}
			changed = changed || !configured(cur.Config, video.TrimZeros(unit))
		}
	}
	if changed {
		init, err := merge(cur.Config, data, lengthSize)
		if err != nil {
			return Unit{}, err
		}
		if !init.Same(cur) { // as it is when a set comes twice, the second time as configured
			u.Init = init
		}
	}
	if !picture {
		if u.Init == nil {
			return Unit{}, errEmpty
		}
		return u, nil
	}
	u.Data = video.StripNALs(data, lengthSize, dropped)
	return u, nil
}

func unitType(unit []byte) byte {
	if len(unit) < 2 {
		return typeNone
	}
	return unit[0] >> 1 & 0x3f
}

// layer returns nuh_layer_id of a unit that has a header.
func layer(unit []byte) byte { return unit[0]&1<<5 | unit[1]>>3 }

func isParameterSet(unit []byte) bool {
	t := unitType(unit)
	return t >= typeVPS && t <= typePPS
}

// dropped: ISO/IEC 14496-15, 8.3.2 wants the parameter sets of hvc1 in the record alone;
// delimiters and filler data say nothing in a sample; layers above the base are
// for decoders that the codec string does not ask for.
func dropped(unit []byte) bool {
	t := unitType(unit)
	return layer(unit) > 0 || isParameterSet(unit) || t == typeAUD || t == typeFiller
}
