package av1

import (
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/codec/bits"
	"github.com/headrace/headrace/internal/codec/video"
	"github.com/headrace/headrace/internal/media"
)

// A sequence is what we use of a sequence header OBU (AV1, 5.5).
type sequence struct {
	profile, level, tier    byte // level and tier of operating point 0
	highBitDepth, twelveBit bool
	mono                    bool
	subsamplingX            byte
	subsamplingY            byte
	chromaPosition          byte
	width, height           int
	color                   media.Color // 2, 2, 2 when not described
	described               bool        // the colour is
	frameRate               media.Rational
}

func (s *sequence) bitDepth() int {
	switch {
	case s.twelveBit:
		return 12
	case s.highBitDepth:
		return 10
	}
	return 8
}

// codecString returns the parameter of AV1-ISOBMFF, 5: short unless the pictures are not
// what the short form stands for (4:2:0, BT.709, limited range).
func (s *sequence) codecString() string {
	tier := "MH"[s.tier]
	str := fmt.Sprintf("av01.%d.%02d%c.%02d", s.profile, s.level, tier, s.bitDepth())
	c := s.color
	if !s.described {
		c.Primaries, c.Transfer, c.Matrix = 1, 1, 1 // as every reader assumes
	}
	usual := media.Color{Primaries: 1, Transfer: 1, Matrix: 1}
	if c == usual && !s.mono && s.subsamplingX == 1 && s.subsamplingY == 1 {
		return str
	}
	full, mono := 0, 0
	if c.FullRange {
		full = 1
	}
	if s.mono {
		mono = 1
	}
	return fmt.Sprintf("%s.%d.%d%d%d.%02d.%02d.%02d.%d", str, mono, s.subsamplingX, s.subsamplingY,
		s.chromaPosition, s.color.Primaries, s.color.Transfer, s.color.Matrix, full)
}

// parseSequence reads the payload of a sequence header OBU.
func parseSequence(payload []byte) (sequence, error) {
	var s sequence
	r := bits.New(payload)
	s.profile = byte(r.U(3))
	if s.profile > 2 {
		return s, errors.New("sequence header: reserved profile")
	}
	r.Skip(1)     // still_picture
	if r.Flag() { // reduced_still_picture_header
		return s, errors.New("sequence header of a still picture")
	}
	s.readOperatingPoints(&r)
	widthBits, heightBits := int(r.U(4))+1, int(r.U(4))+1
	s.width, s.height = int(r.U(widthBits))+1, int(r.U(heightBits))+1
	if s.width > video.MaxSize || s.height > video.MaxSize {
		return s, errors.New("sequence header: picture size out of bounds")
	}
	if r.Flag() { // frame_id_numbers_present_flag
		r.Skip(7)
	}
	skipTools(&r)
	s.readColor(&r)
	r.Skip(1) // film_grain_params_present
	if r.Err() != nil {
		return s, fmt.Errorf("sequence header: %w", r.Err())
	}
	return s, nil
}

// readOperatingPoints reads from timing_info_present_flag to the last operating point.
func (s *sequence) readOperatingPoints(r *bits.Reader) {
	decoderModel, delayBits := false, 0
	if r.Flag() { // timing_info_present_flag
		units, scale := r.U(32), r.U(32)
		if r.Flag() { // equal_picture_interval
			ticks := uint64(r.UE()) + 1 // num_ticks_per_picture_minus_1, uvlc()
			s.frameRate = video.FrameRate(uint64(scale), min(ticks*uint64(units), 1<<40))
		}
		if decoderModel = r.Flag(); decoderModel {
			delayBits = int(r.U(5)) + 1
			r.Skip(32 + 5 + 5)
		}
	}
	displayDelay := r.Flag() // initial_display_delay_present_flag
	for i := range r.U(5) + 1 {
		r.Skip(12) // operating_point_idc
		level, tier := byte(r.U(5)), byte(0)
		if level > 7 {
			tier = byte(r.U(1))
		}
		if i == 0 {
			s.level, s.tier = level, tier
		}
		if decoderModel && r.Flag() {
			r.Skip(2*delayBits + 1)
		}
		if displayDelay && r.Flag() {
			r.Skip(4)
		}
	}
}

// skipTools reads from use_128x128_superblock to enable_restoration.
func skipTools(r *bits.Reader) {
	r.Skip(3 + 4) // superblock, intra tools; inter tools up to enable_dual_filter
	orderHint := r.Flag()
	if orderHint {
		r.Skip(2)
	}
	screenContent := true // seq_force_screen_content_tools is not 0
	if !r.Flag() {        // seq_choose_screen_content_tools
		screenContent = r.Flag()
	}
	if screenContent && !r.Flag() { // seq_choose_integer_mv
		r.Skip(1)
	}
	if orderHint {
		r.Skip(3)
	}
	r.Skip(3)
}

// readColor reads color_config() (5.5.2).
func (s *sequence) readColor(r *bits.Reader) {
	s.highBitDepth = r.Flag()
	s.twelveBit = s.profile == 2 && s.highBitDepth && r.Flag()
	s.mono = s.profile != 1 && r.Flag()
	s.color = media.Color{Primaries: 2, Transfer: 2, Matrix: 2}
	if s.described = r.Flag(); s.described {
		s.color.Primaries, s.color.Transfer, s.color.Matrix = uint8(r.U(8)), uint8(r.U(8)), uint8(r.U(8))
	}
	switch {
	case s.mono:
		s.color.FullRange = r.Flag()
		s.subsamplingX, s.subsamplingY = 1, 1
		return
	case s.color.Primaries == 1 && s.color.Transfer == 13 && s.color.Matrix == 0: // sRGB
		s.color.FullRange = true
	default:
		s.color.FullRange = r.Flag()
		switch {
		case s.profile == 0:
			s.subsamplingX, s.subsamplingY = 1, 1
		case s.profile == 2 && s.twelveBit:
			if s.subsamplingX = byte(r.U(1)); s.subsamplingX == 1 {
				s.subsamplingY = byte(r.U(1))
			}
		case s.profile == 2:
			s.subsamplingX = 1
		}
		if s.subsamplingX == 1 && s.subsamplingY == 1 {
			s.chromaPosition = byte(r.U(2))
		}
	}
	r.Skip(1) // separate_uv_delta_q
}
