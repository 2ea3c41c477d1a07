package avc

import (
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/codec/bits"
	"github.com/headrace/headrace/internal/codec/video"
	"github.com/headrace/headrace/internal/media"
)

var errSize = errors.New("picture size out of bounds")

// An sps is what we use of a sequence parameter set (ITU-T H.264, 7.3.2.1.1).
type sps struct {
	profile, constraints, level byte
	chromaFormat                uint32
	bitDepthLuma                uint32 // minus 8
	bitDepthChroma              uint32 // minus 8
	width, height               int    // cropped
	vui                         video.VUI
	frameRate                   media.Rational
}

// parseSPS reads an SPS NAL unit, header included.
func parseSPS(unit []byte) (sps, error) {
	var s sps
	if len(unit) < 4 || unit[0]&0x1f != typeSPS {
		return s, errors.New("not an SPS")
	}
	r := bits.NewNAL(unit[1:])
	s.profile, s.constraints, s.level = byte(r.U(8)), byte(r.U(8)), byte(r.U(8))
	r.UEMax(maxSPSID) // seq_parameter_set_id
	s.chromaFormat = 1
	if hasChromaFormat(s.profile) {
		s.chromaFormat = r.UEMax(3)
		if s.chromaFormat == 3 {
			r.Skip(1) // separate_colour_plane_flag
		}
		s.bitDepthLuma, s.bitDepthChroma = r.UEMax(6), r.UEMax(6)
		r.Skip(1) // qpprime_y_zero_transform_bypass_flag
		if r.Flag() {
			skipScalingMatrix(&r, s.chromaFormat)
		}
	}
	r.UEMax(12) // log2_max_frame_num_minus4
	skipPicOrderCount(&r)
	r.UEMax(16) // max_num_ref_frames
	r.Skip(1)   // gaps_in_frame_num_value_allowed_flag
	s.readSize(&r)
	if r.Flag() { // vui_parameters_present_flag
		s.vui = video.ReadVUI(&r)
		if r.Flag() { // timing_info_present_flag
			units, scale := r.U(32), r.U(32)
			s.frameRate = video.FrameRate(uint64(scale), 2*uint64(units)) // E.2.1: a tick is a field
		}
	} else {
		s.vui.PixelAspect = media.Rational{Num: 1, Den: 1}
	}
	if err := r.Err(); err != nil {
		return s, fmt.Errorf("SPS: %w", err)
	}
	return s, nil
}

// hasChromaFormat: 7.3.2.1.1, the profiles with chroma_format_idc in the SPS.
func hasChromaFormat(profile byte) bool {
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		return true
	}
	return false
}

func skipScalingMatrix(r *bits.Reader, chromaFormat uint32) {
	lists := 8
	if chromaFormat == 3 {
		lists = 12
	}
	for i := range lists {
		if !r.Flag() {
			continue
		}
		size := 16
		if i >= 6 {
			size = 64
		}
		last, next := int32(8), int32(8)
		for range size { // 7.3.2.1.1.1
			if next != 0 {
				next = (last + r.SE()%256 + 256) % 256
			}
			if next != 0 {
				last = next
			}
		}
	}
}

func skipPicOrderCount(r *bits.Reader) {
	switch r.UEMax(2) { // pic_order_cnt_type
	case 0:
		r.UEMax(12) // log2_max_pic_order_cnt_lsb_minus4
	case 1:
		r.Skip(1)                // delta_pic_order_always_zero_flag
		r.SE()                   // offset_for_non_ref_pic
		r.SE()                   // offset_for_top_to_bottom_field
		for range r.UEMax(255) { // num_ref_frames_in_pic_order_cnt_cycle
			r.SE()
		}
	}
}

// readSize reads from pic_width_in_mbs_minus1 to the cropping offsets.
func (s *sps) readSize(r *bits.Reader) {
	width := 16 * (int64(r.UE()) + 1)
	height := 16 * (int64(r.UE()) + 1)
	fields := int64(1)
	if !r.Flag() { // frame_mbs_only_flag: the height counts fields
		fields = 2
		r.Skip(1) // mb_adaptive_frame_field_flag
	}
	height *= fields
	r.Skip(1)     // direct_8x8_inference_flag
	if r.Flag() { // frame_cropping_flag; units: equations 7-19 to 7-22
		unitX, unitY := int64(1), fields
		if s.chromaFormat == 1 || s.chromaFormat == 2 {
			unitX = 2
		}
		if s.chromaFormat == 1 {
			unitY *= 2
		}
		width -= unitX * (int64(r.UE()) + int64(r.UE()))
		height -= unitY * (int64(r.UE()) + int64(r.UE()))
	}
	if width <= 0 || height <= 0 || width > video.MaxSize || height > video.MaxSize {
		r.Fail(errSize)
		return
	}
	s.width, s.height = int(width), int(height)
}
