package avc

import (
	"errors"

	"github.com/headrace/headrace/internal/codec/bits"
	"github.com/headrace/headrace/internal/codec/video"
	"github.com/headrace/headrace/internal/media"
)

// NAL unit types: ITU-T H.264, table 7-1.
const (
	typeSlice      = 1
	typePartitionA = 2
	typeIDR        = 5
	typeSEI        = 6
	typeSPS        = 7
	typePPS        = 8
	typeAUD        = 9
	typeFiller     = 12
)

// payloadRecoveryPoint is the SEI payload type of a recovery point: H.264, D.1.8.
const payloadRecoveryPoint = 6

var (
	errEmpty     = errors.New("avc: access unit without a slice")
	errSets      = errors.New("avc: too many parameter sets in an access unit")
	errForbidden = errors.New("avc: forbidden_zero_bit is set")
)

// A Unit is what one access unit says of itself.
type Unit struct {
	Data []byte      // with 4-byte lengths, without parameter sets, delimiters and filler
	Sync bool        // decoding can start here: IDR, or all slices I and a recovery point
	Init *media.Init // not nil if the unit carries parameter sets that Config lacked
}

// Inspect reads one access unit that follows cur. Config of cur may be empty before
// the first parameter sets. Data is data itself or a subslice if nothing has to go
// from its middle; it is empty if the unit is nothing but new parameter sets.
func Inspect(cur media.Init, data []byte, lengthSize int) (Unit, error) {
	var u Unit
	var slices, intra, seis, sets int
	idr, changed := false, false
	for rest := data; len(rest) > 0; {
		unit, next, err := video.NextNAL(rest, lengthSize)
		if err != nil {
			return Unit{}, err
		}
		rest = next
		if len(unit) == 0 {
			continue
		}
		if unit[0]&0x80 != 0 {
			return Unit{}, errForbidden
		}
		switch t := unitType(unit); t {
		case typeIDR:
			slices++
			idr = true
		case typeSlice, typePartitionA:
			slices++
			if seis > 0 && isIntra(unit) {
				intra++
			}
		case typeSEI:
			seis++
		case typeSPS, typePPS:
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
	if slices == 0 {
		if u.Init == nil {
			return Unit{}, errEmpty
		}
		return u, nil
	}
	u.Sync = idr || intra == slices && recoveryPoint(data, lengthSize)
	u.Data = video.StripNALs(data, lengthSize, dropped)
	return u, nil
}

// unitType returns nal_unit_type, 0 (unspecified) for an empty unit.
func unitType(unit []byte) byte {
	if len(unit) == 0 {
		return 0
	}
	return unit[0] & 0x1f
}

// dropped: ISO/IEC 14496-15, 5.3.2 wants parameter sets in the record alone, and
// delimiters and filler data say nothing in a sample.
func dropped(unit []byte) bool {
	switch unitType(unit) {
	case typeSPS, typePPS, typeAUD, typeFiller:
		return true
	}
	return false
}

// isIntra reports whether a slice is of type I or SI (7.4.3, table 7-6).
func isIntra(unit []byte) bool {
	r := bits.NewNAL(unit[1:min(len(unit), 16)]) // the two codes are below 16 bytes
	r.UE()                                       // first_mb_in_slice
	t := r.UE() % 5
	return r.Err() == nil && (t == 2 || t == 4)
}

// recoveryPoint reports whether an SEI unit of an access unit holds a recovery point.
func recoveryPoint(data []byte, lengthSize int) bool {
	for len(data) > 0 {
		unit, rest, err := video.NextNAL(data, lengthSize)
		if err != nil {
			return false
		}
		if unitType(unit) == typeSEI && hasPayload(unit[1:], payloadRecoveryPoint) {
			return true
		}
		data = rest
	}
	return false
}

// hasPayload walks SEI messages (7.3.2.3.1), through a Reader because their sizes do
// not count emulation prevention bytes.
func hasPayload(sei []byte, want uint32) bool {
	r := bits.NewNAL(sei)
	for r.Left() > 16 && r.Err() == nil {
		payload, size := seiNumber(&r), seiNumber(&r)
		if payload == want && r.Err() == nil {
			return true
		}
		if int64(size) > int64(len(sei)) {
			return false
		}
		r.Skip(8 * int(size))
	}
	return false
}

// seiNumber reads a payloadType or payloadSize: bytes 255 add up with the one after them.
func seiNumber(r *bits.Reader) uint32 {
	var n uint32
	for r.Err() == nil {
		b := r.U(8)
		n += b
		if b != 255 {
			break
		}
	}
	return n
}
