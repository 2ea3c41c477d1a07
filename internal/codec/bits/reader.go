// Package bits reads the bit syntax that codec headers share: fixed-length fields,
// Exp-Golomb codes (ITU-T H.264, 9.1), NAL payloads with their emulation prevention
// bytes. It knows no codec.
package bits

import (
	"errors"
	"math"
)

// ErrSyntax is what a Reader reports of codes that cannot be, ErrShort of a field
// beyond the end of the data.
var (
	ErrSyntax = errors.New("bits: impossible code")
	ErrShort  = errors.New("bits: data ends inside a field")
)

// A Reader reads bits, most significant first. It keeps its first error: from then on
// all fields read as zero, so that code reads like a syntax table and asks Err once at
// the end. Counts taken from the data still have to be bounded by the caller, since
// zeros may be read for ever. It allocates nothing.
type Reader struct {
	data  []byte
	pos   int    // of the next byte in data
	acc   uint64 // the low left bits are read from data but not yet handed out
	left  int
	zeros int  // run of zero bytes right before pos
	nal   bool // drop emulation prevention bytes
	err   error
}

// New returns a Reader of data as it stands.
func New(data []byte) Reader { return Reader{data: data} }

// NewNAL returns a Reader of the payload of a NAL unit, without its emulation
// prevention bytes (ITU-T H.264, 7.3.1).
func NewNAL(data []byte) Reader { return Reader{data: data, nal: true} }

// Err returns the first error met.
func (r *Reader) Err() error { return r.err }

// Fail makes the Reader fail with err, unless it has failed before.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Left returns the number of bits left, emulation prevention bytes included.
func (r *Reader) Left() int { return r.left + 8*(len(r.data)-r.pos) }

func (r *Reader) fill() bool {
	if r.nal && r.zeros >= 2 && r.pos < len(r.data) && r.data[r.pos] == 3 {
		r.pos++
		r.zeros = 0
	}
	if r.pos >= len(r.data) {
		r.Fail(ErrShort)
		return false
	}
	b := r.data[r.pos]
	r.pos++
	if b == 0 {
		r.zeros++
	} else {
		r.zeros = 0
	}
	r.acc = r.acc<<8 | uint64(b)
	r.left += 8
	return true
}

// U reads an unsigned field of n bits, 0 to 32.
func (r *Reader) U(n int) uint32 {
	if r.err != nil {
		return 0
	}
	for r.left < n {
		if !r.fill() {
			return 0
		}
	}
	r.left -= n
	return uint32(r.acc >> r.left & (1<<n - 1))
}

// Flag reads one bit.
func (r *Reader) Flag() bool { return r.U(1) == 1 }

// Skip reads past n bits.
func (r *Reader) Skip(n int) {
	for ; n > 32 && r.err == nil; n -= 32 {
		r.U(32)
	}
	r.U(min(n, 32))
}

// Align reads past what is left of the current byte.
func (r *Reader) Align() { r.U(r.left % 8) }

// UE reads an unsigned Exp-Golomb code, ue(v).
func (r *Reader) UE() uint32 {
	n := 0
	for !r.Flag() {
		if r.err != nil {
			return 0
		}
		if n++; n > 31 {
			r.Fail(ErrSyntax) // 2^32-1 is beyond every ue(v)
			return 0
		}
	}
	return 1<<n - 1 + r.U(n)
}

// UEMax reads a ue(v) that may be limit at most; a larger one is an error and reads as zero.
func (r *Reader) UEMax(limit uint32) uint32 {
	v := r.UE()
	if v > limit {
		r.Fail(ErrSyntax)
		return 0
	}
	return v
}

// SE reads a signed Exp-Golomb code, se(v).
func (r *Reader) SE() int32 {
	v := int64(r.UE())
	if v%2 == 0 {
		return int32(max(-v/2, math.MinInt32))
	}
	return int32(min((v+1)/2, math.MaxInt32))
}
