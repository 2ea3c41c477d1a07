package av1

import (
	"errors"

	"github.com/headrace/headrace/internal/media"
)

// OBU types: AV1, 6.2.2.
const (
	kindSequenceHeader    = 1
	kindTemporalDelimiter = 2
	kindFrameHeader       = 3
	kindMetadata          = 5
	kindFrame             = 6
	kindTileList          = 8
	kindPadding           = 15
)

var (
	errEmpty     = errors.New("av1: temporal unit without a frame")
	errTruncated = errors.New("av1: OBU reaches beyond the packet")
	errForbidden = errors.New("av1: obu_forbidden_bit is set")
	errSize      = errors.New("av1: OBU size is no leb128")
)

// An obu is an open bitstream unit, its payload a subslice of what it was read from.
type obu struct {
	kind    byte
	payload []byte
}

// next splits the first OBU off data, which is not empty (AV1, 5.3). One without a size
// field reaches to the end.
func next(data []byte) (o obu, rest []byte, err error) {
	header := data[0]
	if header&0x80 != 0 {
		return obu{}, nil, errForbidden
	}
	o.kind = header >> 3 & 0xf
	data = data[1:]
	if header&4 != 0 { // obu_extension_flag
		if len(data) == 0 {
			return obu{}, nil, errTruncated
		}
		data = data[1:]
	}
	if header&2 == 0 { // obu_has_size_field
		o.payload = data
		return o, nil, nil
	}
	size, n, err := leb128(data)
	if err != nil {
		return obu{}, nil, err
	}
	data = data[n:]
	if size > uint64(len(data)) {
		return obu{}, nil, errTruncated
	}
	o.payload = data[:size:size]
	return o, data[size:], nil
}

// leb128 reads a size and says how many bytes it took (AV1, 4.10.5).
func leb128(data []byte) (size uint64, n int, err error) {
	for i := range min(8, len(data)) {
		size |= uint64(data[i]&0x7f) << (7 * i)
		if data[i]&0x80 == 0 {
			if size > 1<<32-1 {
				return 0, 0, errSize
			}
			return size, i + 1, nil
		}
	}
	return 0, 0, errSize
}

// appendOBU appends an OBU with a size field.
func appendOBU(to []byte, kind byte, payload []byte) []byte {
	to = append(to, kind<<3|2)
	n := len(payload)
	for ; n >= 0x80; n >>= 7 {
		to = append(to, byte(n)|0x80)
	}
	to = append(to, byte(n))
	return append(to, payload...)
}

// A Unit is what one temporal unit says of itself.
type Unit struct {
	Data []byte      // without temporal delimiters, padding and tile lists
	Sync bool        // decoding can start here: its first frame is a key frame that is shown
	Init *media.Init // not nil if the unit carries a sequence header other than Config's
}

// Inspect reads one temporal unit that follows cur. Config of cur may be empty before
// the first sequence header. Data is data itself or a subslice if nothing has to go from
// its middle; it is empty if the unit is nothing but a new sequence header.
func Inspect(cur media.Init, data []byte) (Unit, error) {
	var u Unit
	frame, header, changed := false, false, false
	for rest := data; len(rest) > 0; {
		o, after, err := next(rest)
		if err != nil {
			return Unit{}, err
		}
		rest = after
		switch o.kind {
		case kindSequenceHeader:
			if !header {
				header = true
				changed = !configured(cur.Config, o.payload)
			}
		case kindFrameHeader, kindFrame:
			if len(o.payload) == 0 {
				return Unit{}, errTruncated
			}
			if !frame {
				frame = true
				// 5.9.2: show_existing_frame 0, frame_type KEY_FRAME (0), show_frame 1.
				u.Sync = o.payload[0]>>4 == 0b0001
			}
		}
	}
	if changed {
		init, err := initOf(data)
		if err != nil {
			return Unit{}, err
		}
		if !init.Same(cur) {
			u.Init = init
		}
	}
	if !frame {
		if u.Init == nil {
			return Unit{}, errEmpty
		}
		return u, nil
	}
	u.Data = strip(data)
	return u, nil
}

// initOf returns the Init for the first sequence header of a temporal unit.
func initOf(data []byte) (*media.Init, error) {
	init, err := build(data, 0)
	if err != nil {
		return nil, err
	}
	return &init, nil
}

// dropped: AV1-ISOBMFF, 2.4 says what a sample should not or must not hold.
func dropped(kind byte) bool {
	return kind == kindTemporalDelimiter || kind == kindPadding || kind == kindTileList
}

// strip returns what stays of a temporal unit whose OBUs are sound: a subslice if it is
// in one piece, else a new slice.
func strip(data []byte) []byte {
	var pieces, size, begin, end int
	inPiece := false
	for pos := 0; pos < len(data); {
		o, rest, err := next(data[pos:])
		if err != nil {
			return nil
		}
		after := len(data) - len(rest)
		stays := !dropped(o.kind)
		if stays {
			if !inPiece {
				pieces++
				begin = pos
			}
			end = after
			size += after - pos
		}
		inPiece = stays
		pos = after
	}
	if pieces == 1 {
		return data[begin:end:end]
	}
	out := make([]byte, 0, size)
	for len(data) > 0 {
		o, rest, err := next(data)
		if err != nil {
			return nil
		}
		if !dropped(o.kind) {
			out = append(out, data[:len(data)-len(rest)]...)
		}
		data = rest
	}
	return out
}
