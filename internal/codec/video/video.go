// Package video holds what the video codecs have in common: NAL units with a length in
// front (ISO/IEC 14496-15, 4.3.3), the start of the VUI that AVC and HEVC share (ITU-T
// H.264 and H.265, annex E), and the bounds on what a header may declare.
package video

import (
	"github.com/headrace/headrace/internal/codec/bits"
	"github.com/headrace/headrace/internal/media"
)

// MaxSize is the largest width or height, in pixels, that a parameter set may declare:
// nobody allocates for more.
const MaxSize = 16384

// MaxRecord bounds, in bytes, a decoder configuration record. Real ones are below 1 kB.
const MaxRecord = 1 << 16

// maxRecordHeader is more than an avcC or hvcC holds besides its parameter sets, in bytes.
const maxRecordHeader = 64

// MaxSets bounds the parameter sets in one access unit: AVC has ids for 32 SPS and 256 PPS.
const MaxSets = 288

// A VUI is the start of the video usability information, up to where the two codecs part.
type VUI struct {
	PixelAspect media.Rational
	Color       media.Color // zero unless the colour is described or the range is full
}

// ReadVUI reads from aspect_ratio_info_present_flag to the chroma sample locations.
func ReadVUI(r *bits.Reader) VUI {
	v := VUI{PixelAspect: media.Rational{Num: 1, Den: 1}}
	if r.Flag() { // aspect_ratio_info_present_flag
		idc := uint8(r.U(8))
		var w, h uint16
		if idc == extendedSAR {
			w, h = uint16(r.U(16)), uint16(r.U(16))
		}
		v.PixelAspect = pixelAspect(idc, w, h)
	}
	if r.Flag() { // overscan_info_present_flag
		r.Skip(1)
	}
	if r.Flag() { // video_signal_type_present_flag
		r.Skip(3) // video_format
		c := media.Color{Primaries: 2, Transfer: 2, Matrix: 2, FullRange: r.Flag()}
		described := r.Flag()
		if described {
			c.Primaries, c.Transfer, c.Matrix = uint8(r.U(8)), uint8(r.U(8)), uint8(r.U(8))
		}
		if described || c.FullRange {
			v.Color = c
		}
	}
	if r.Flag() { // chroma_loc_info_present_flag
		r.UE()
		r.UE()
	}
	return v
}

// extendedSAR is the aspect_ratio_idc that is followed by a ratio (table E.1).
const extendedSAR = 255

// FrameRate returns timeScale/units as a fraction in lowest terms; zero if it is not
// between 1 and 300 pictures a second, which means that the encoder made it up.
func FrameRate(timeScale, units uint64) media.Rational {
	if units == 0 || timeScale < units || timeScale > 300*units {
		return media.Rational{}
	}
	return reduce(timeScale, units)
}

// pixelAspect returns the sample aspect ratio for aspect_ratio_idc (ITU-T H.264 and
// H.265, table E.1), where extendedSAR stands for width:height. It is 1:1 when unknown.
func pixelAspect(idc uint8, width, height uint16) media.Rational {
	table := [...]media.Rational{
		{Num: 1, Den: 1}, {Num: 1, Den: 1}, {Num: 12, Den: 11}, {Num: 10, Den: 11}, {Num: 16, Den: 11},
		{Num: 40, Den: 33}, {Num: 24, Den: 11}, {Num: 20, Den: 11}, {Num: 32, Den: 11},
		{Num: 80, Den: 33}, {Num: 18, Den: 11}, {Num: 15, Den: 11}, {Num: 64, Den: 33},
		{Num: 160, Den: 99}, {Num: 4, Den: 3}, {Num: 3, Den: 2}, {Num: 2, Den: 1},
	}
	switch {
	case int(idc) < len(table):
		return table[idc]
	case idc == extendedSAR && width > 0 && height > 0:
		return reduce(uint64(width), uint64(height))
	}
	return media.Rational{Num: 1, Den: 1}
}

func reduce(num, den uint64) media.Rational {
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	num, den = num/a, den/a
	if num > 1<<32-1 || den > 1<<32-1 {
		return media.Rational{}
	}
	return media.Rational{Num: uint32(num), Den: uint32(den)}
}
