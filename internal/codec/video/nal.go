package video

import (
	"encoding/binary"
	"errors"
)

var (
	errLengthSize = errors.New("video: size of NAL length fields is not 1, 2 or 4")
	errSets       = errors.New("video: parameter sets are too large")
	errTruncated  = errors.New("video: NAL length reaches beyond the packet")
)

// NextNAL splits the first NAL unit off data, which is not empty. The unit may be empty;
// it and the rest are subslices of data.
func NextNAL(data []byte, lengthSize int) (unit, rest []byte, err error) {
	if len(data) < lengthSize {
		return nil, nil, errTruncated
	}
	var n uint64
	switch lengthSize {
	case 1:
		n = uint64(data[0])
	case 2:
		n = uint64(binary.BigEndian.Uint16(data))
	case 4:
		n = uint64(binary.BigEndian.Uint32(data))
	default:
		return nil, nil, errLengthSize
	}
	data = data[lengthSize:]
	if n > uint64(len(data)) {
		return nil, nil, errTruncated
	}
	return data[:n:n], data[n:], nil
}

// StripNALs returns the units of data that drop does not want dropped, with lengths of 4
// bytes. Empty units go, too. The result is a subslice of data if what stays is in one
// piece and has such lengths already, else one new slice. Call it after a walk has
// shown that the lengths of data are sound.
func StripNALs(data []byte, lengthSize int, drop func(unit []byte) bool) []byte {
	var pieces, size int // of what stays, in the new form
	var begin, end int   // of the last piece
	var inPiece bool     // the unit before stays
	for pos := 0; pos < len(data); {
		unit, rest, err := NextNAL(data[pos:], lengthSize)
		if err != nil {
			return nil
		}
		next := len(data) - len(rest)
		stays := len(unit) > 0 && !drop(unit)
		if stays {
			if !inPiece {
				pieces++
				begin = pos
			}
			end = next
			size += 4 + len(unit)
		}
		inPiece = stays
		pos = next
	}
	if pieces == 0 {
		return nil
	}
	if pieces == 1 && lengthSize == 4 {
		return data[begin:end:end]
	}
	out := make([]byte, 0, size)
	for len(data) > 0 {
		unit, rest, err := NextNAL(data, lengthSize)
		if err != nil {
			return nil
		}
		if len(unit) > 0 && !drop(unit) {
			out = binary.BigEndian.AppendUint32(out, uint32(len(unit)))
			out = append(out, unit...)
		}
		data = rest
	}
	return out
}

// TrimZeros returns a parameter set without trailing zero bytes. A NAL unit never ends
// in one (ITU-T H.264, 7.4.1): they are what Annex B framing left behind.
func TrimZeros(set []byte) []byte {
	n := len(set)
	for n > 0 && set[n-1] == 0 {
		n--
	}
	return set[:n:n]
}

// AppendSet appends a parameter set with its 16-bit length, as records carry it. The
// set is not larger than MaxRecord-1.
func AppendSet(record, set []byte) []byte {
	record = binary.BigEndian.AppendUint16(record, uint16(len(set)))
	return append(record, set...)
}

// CheckSets reports whether a record of these lists of parameter sets is within MaxRecord.
func CheckSets(lists ...[][]byte) error {
	size := maxRecordHeader
	for _, list := range lists {
		for _, set := range list {
			if size += 2 + len(set); size > MaxRecord {
				return errSets
			}
		}
	}
	return nil
}
