package hevc

import (
	"errors"
	"fmt"
	mathbits "math/bits"
	"strings"

	"github.com/headrace/headrace/internal/codec/bits"
	"github.com/headrace/headrace/internal/codec/video"
	"github.com/headrace/headrace/internal/media"
)

var errSize = errors.New("picture size out of bounds")

// A profileTierLevel is the general part of profile_tier_level() (ITU-T H.265, 7.3.3):
// the 12 bytes that also stand in hvcC.
type profileTierLevel [12]byte

// codecString returns the RFC 6381 parameter (ISO/IEC 14496-15, E.3).
func (p profileTierLevel) codecString() string {
	var s strings.Builder
	s.WriteString("hvc1.")
	if space := p[0] >> 6; space > 0 {
		s.WriteByte('A' + space - 1)
	}
	compatibility := uint32(p[1])<<24 | uint32(p[2])<<16 | uint32(p[3])<<8 | uint32(p[4])
	tier := byte('L')
	if p[0]&0x20 != 0 {
		tier = 'H'
	}
	fmt.Fprintf(&s, "%d.%X.%c%d", p[0]&0x1f, mathbits.Reverse32(compatibility), tier, p[11])
	constraints := p[5:11]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, b := range constraints {
		fmt.Fprintf(&s, ".%X", b)
	}
	return s.String()
}

// readProfileTierLevel reads profile_tier_level(1, maxSubLayers-1).
func readProfileTierLevel(r *bits.Reader, maxSubLayers int) profileTierLevel {
	var p profileTierLevel
	for i := range p {
		p[i] = byte(r.U(8))
	}
	var profiles, levels [8]bool
	for i := range maxSubLayers - 1 {
		profiles[i], levels[i] = r.Flag(), r.Flag()
	}
	if maxSubLayers > 1 {
		r.Skip(2 * (8 - (maxSubLayers - 1))) // reserved_zero_2bits
	}
	for i := range maxSubLayers - 1 {
		if profiles[i] {
			r.Skip(88)
		}
		if levels[i] {
			r.Skip(8)
		}
	}
	return p
}

// An sps is what we use of a sequence parameter set (7.3.2.2.1).
type sps struct {
	id             uint32
	ptl            profileTierLevel
	subLayers      int
	nested         bool // sps_temporal_id_nesting_flag
	chromaFormat   uint32
	bitDepthLuma   uint32 // minus 8
	bitDepthChroma uint32 // minus 8
	width, height  int    // of the conformance window
	vui            video.VUI
	frameRate      media.Rational
}

// parseSPS reads an SPS NAL unit, header included.
func parseSPS(unit []byte) (sps, error) {
	var s sps
	if unitType(unit) != typeSPS {
		return s, errors.New("not an SPS")
	}
	r := bits.NewNAL(unit[2:])
	r.Skip(4) // sps_video_parameter_set_id
	s.subLayers = int(r.U(3)) + 1
	s.nested = r.Flag()
	if s.subLayers > 7 {
		r.Fail(bits.ErrSyntax)
	}
	s.ptl = readProfileTierLevel(&r, s.subLayers)
	s.id = r.UEMax(maxSPSID)
	s.readSize(&r)
	s.bitDepthLuma, s.bitDepthChroma = r.UEMax(8), r.UEMax(8)
	pocBits := int(r.UEMax(12)) + 4
	skipOrdering(&r, s.subLayers)
	for range 4 { // sizes of coding and transform blocks
		r.UEMax(6)
	}
	r.UEMax(6) // max_transform_hierarchy_depth_inter
	r.UEMax(6) // and _intra
	if r.Flag() && r.Flag() {
		skipScalingLists(&r)
	}
	r.Skip(2)     // amp_enabled_flag, sample_adaptive_offset_enabled_flag
	if r.Flag() { // pcm_enabled_flag
		r.Skip(8)
		r.UEMax(6)
		r.UEMax(6)
		r.Skip(1)
	}
	skipRefPicSets(&r)
	if r.Flag() { // long_term_ref_pics_present_flag
		for range r.UEMax(32) {
			r.Skip(pocBits + 1)
		}
	}
	r.Skip(2) // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
	s.vui.PixelAspect = media.Rational{Num: 1, Den: 1}
	if r.Flag() {
		s.readVUI(&r)
	}
	if err := r.Err(); err != nil {
		return s, fmt.Errorf("SPS: %w", err)
	}
	return s, nil
}

// readSize reads from chroma_format_idc to the conformance window.
func (s *sps) readSize(r *bits.Reader) {
	s.chromaFormat = r.UEMax(3)
	if s.chromaFormat == 3 {
		r.Skip(1) // separate_colour_plane_flag
	}
	width, height := int64(r.UE()), int64(r.UE())
	if r.Flag() { // conformance_window_flag; units of table 6-1
		unitX, unitY := int64(1), int64(1)
		if s.chromaFormat == 1 || s.chromaFormat == 2 {
			unitX = 2
		}
		if s.chromaFormat == 1 {
			unitY = 2
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

// readVUI reads vui_parameters() up to the timing (E.2.1).
func (s *sps) readVUI(r *bits.Reader) {
	s.vui = video.ReadVUI(r)
	r.Skip(3)     // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
	if r.Flag() { // default_display_window_flag
		for range 4 {
			r.UE()
		}
	}
	if r.Flag() { // vui_timing_info_present_flag
		units, scale := r.U(32), r.U(32)
		s.frameRate = video.FrameRate(uint64(scale), uint64(units))
	}
}

// skipOrdering reads past the sub-layer ordering info, which VPS and SPS share.
func skipOrdering(r *bits.Reader, subLayers int) {
	n := 1
	if r.Flag() { // sub_layer_ordering_info_present_flag
		n = subLayers
	}
	for range 3 * n {
		r.UE()
	}
}

// skipScalingLists: 7.3.4.
func skipScalingLists(r *bits.Reader) {
	for size := range 4 {
		step := 1
		if size == 3 {
			step = 3
		}
		for matrix := 0; matrix < 6; matrix += step {
			if !r.Flag() { // scaling_list_pred_mode_flag
				r.UE()
				continue
			}
			if size > 1 {
				r.SE()
			}
			for range min(64, 1<<(4+size<<1)) {
				r.SE()
			}
		}
	}
}

// skipRefPicSets reads past the short-term reference picture sets (7.3.7). How long a
// predicted set is depends on the one before it: count holds the pictures of that.
func skipRefPicSets(r *bits.Reader) {
	count := uint32(0)
	for i := range r.UEMax(64) {
		if r.Err() != nil {
			return
		}
		if i > 0 && r.Flag() { // inter_ref_pic_set_prediction_flag
			r.Skip(1) // delta_rps_sign
			r.UE()    // abs_delta_rps_minus1
			predicted := uint32(0)
			for range count + 1 {
				if r.Flag() || r.Flag() { // used_by_curr_pic_flag, else use_delta_flag
					predicted++
				}
			}
			count = predicted
		} else {
			negative, positive := r.UEMax(maxRefPics), r.UEMax(maxRefPics)
			count = negative + positive
			for range count {
				r.UE()    // delta_poc_minus1
				r.Skip(1) // used_by_curr_pic_flag
			}
		}
		if count > maxRefPics {
			r.Fail(bits.ErrSyntax)
		}
	}
}

// maxRefPics is MaxDpbSize (A.4.2): no reference picture set is larger.
const maxRefPics = 16

// vpsFrameRate returns the rate that a VPS NAL unit declares (7.3.2.1), zero if none.
func vpsFrameRate(unit []byte) media.Rational {
	r := bits.NewNAL(unit[2:])
	r.Skip(4 + 2 + 6) // id, base layer flags, vps_max_layers_minus1
	subLayers := int(r.U(3)) + 1
	r.Skip(1 + 16) // vps_temporal_id_nesting_flag, vps_reserved_0xffff_16bits
	if subLayers > 7 {
		return media.Rational{}
	}
	readProfileTierLevel(&r, subLayers)
	skipOrdering(&r, subLayers)
	layers := int(r.U(6)) + 1  // vps_max_layer_id
	sets := int(r.UEMax(1023)) // vps_num_layer_sets_minus1
	r.Skip(sets * layers)      // layer_id_included_flag
	if !r.Flag() {             // vps_timing_info_present_flag
		return media.Rational{}
	}
	units, scale := r.U(32), r.U(32)
	if r.Err() != nil {
		return media.Rational{}
	}
	return video.FrameRate(uint64(scale), uint64(units))
}
