// Package cmaf writes CMAF: initialisation segments and chunks of one track
// (ISO/IEC 23000-19, on top of ISO/IEC 14496-12). It is pure: values in, bytes out,
// the same bytes every time. It does not cut, number or name anything, and it does
// not read.
package cmaf

import (
	"fmt"
	"math"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/headrace/headrace/internal/media"
)

// Init returns the CMAF header of a track: ftyp and moov. The decoder configuration
// goes in as it stands in in.Config. It fails for a codec it does not know and for
// an Init without configuration.
func Init(trackID uint32, in media.Init) ([]byte, error) {
	if len(in.Config) == 0 {
		return nil, fmt.Errorf("write init segment: no %s configuration", in.Codec)
	}
	entry, err := sampleEntry(in)
	if err != nil {
		return nil, fmt.Errorf("write init segment: %w", err)
	}
	trak := mp4.CreateEmptyTrak(trackID, uint32(in.Timescale()), in.Kind().String(), "und")
	trak.Mdia.Hdlr.Name = in.Kind().String()
	trak.Mdia.Minf.Stbl.Stsd.AddChild(entry)
	if in.Kind() == media.Video {
		// ISO/IEC 14496-12, 8.3.2: the visual presentation size, 16.16, so with the pixel aspect in it.
		trak.Tkhd.Width = fixed32(float64(in.Width) * aspect(in.PixelAspect))
		trak.Tkhd.Height = fixed32(float64(in.Height))
	}

	moov := mp4.NewMoovBox()
	mvhd := mp4.CreateMvhd()
	mvhd.NextTrackID = trackID + 1
	moov.AddChild(mvhd)
	moov.AddChild(trak)
	// No mehd: the duration of a live track is not known (ISO/IEC 23000-19, 7.3.2.1).
	mvex := mp4.NewMvexBox()
	mvex.AddChild(mp4.CreateTrex(trackID))
	moov.AddChild(mvex)

	seg := mp4.NewMP4Init()
	seg.AddChild(mp4.NewFtyp("cmfc", 0, brands(in)))
	seg.AddChild(moov)
	w := bits.NewFixedSliceWriter(int(seg.Size()))
	if err := seg.EncodeSW(w); err != nil {
		return nil, fmt.Errorf("write init segment: %w", err)
	}
	return w.Bytes(), nil
}

// sampleEntry returns the sample entry with the decoder configuration in it.
func sampleEntry(in media.Init) (mp4.Box, error) {
	switch in.Codec {
	case media.H264:
		return videoEntry("avc1", "avcC", in), nil
	case media.H265:
		return videoEntry("hvc1", "hvcC", in), nil
	case media.AV1:
		return videoEntry("av01", "av1C", in), nil
	case media.AAC:
		// The sample rate and channels are those that come out of the decoder, as the
		// AudioSpecificConfig tells them with its explicit SBR and PS (ISO/IEC 14496-3, 1.6.5.2).
		return audioEntry("mp4a", mp4.CreateEsdsBox(in.Config), in), nil
	case media.Opus:
		return audioEntry("Opus", raw("dOps", in.Config), in), nil
	}
	return nil, fmt.Errorf("codec %s has no sample entry", in.Codec)
}

// raw wraps a payload that is written as it came.
func raw(name string, payload []byte) mp4.Box {
	return mp4.CreateUnknownBox(name, uint64(8+len(payload)), payload)
}

func videoEntry(name, config string, in media.Init) mp4.Box {
	e := mp4.CreateVisualSampleEntryBox(name, fixed16(in.Width), fixed16(in.Height), raw(config, in.Config))
	e.CompressorName = ""
	if c := in.Color; c != (media.Color{}) {
		// ISO/IEC 14496-12, 12.1.5: the same code points as in the bitstream.
		e.AddChild(&mp4.ColrBox{
			ColorType:               mp4.ColorTypeOnScreenColors,
			ColorPrimaries:          uint16(c.Primaries),
			TransferCharacteristics: uint16(c.Transfer),
			MatrixCoefficients:      uint16(c.Matrix),
			FullRangeFlag:           c.FullRange,
		})
	}
	pasp := &mp4.PaspBox{HSpacing: 1, VSpacing: 1}
	if a := in.PixelAspect; a.Num > 0 && a.Den > 0 {
		pasp.HSpacing, pasp.VSpacing = a.Num, a.Den
	}
	e.AddChild(pasp)
	return e
}

func audioEntry(name string, config mp4.Box, in media.Init) mp4.Box {
	// The field is the upper half of 16.16: rates it cannot hold are left to the
	// configuration, which is what decoders read.
	rate := fixed16(int(in.Timescale()))
	if int(rate) != int(in.Timescale()) {
		rate = 0
	}
	const sampleSize = 16 // ISO/IEC 14496-12, 12.2.3.2: the template value
	e := mp4.CreateAudioSampleEntryBox(name, fixed16(in.Channels), sampleSize, rate, nil)
	if esds, ok := config.(*mp4.EsdsBox); ok {
		e.AddChild(esds)
	} else {
		e.Children = append(e.Children, config) // AddChild would want it parsed
	}
	return e
}

// brands returns the compatible brands: the structural ones, and the media profile
// (ISO/IEC 23000-19, annex A, B) where the configuration stays within one.
func brands(in media.Init) []string {
	b := []string{"iso6", "cmfc", "dash"}
	switch c := in.Config; in.Codec {
	case media.H264:
		const level = 3 // the offset of AVCLevelIndication, level x 10
		switch {
		case len(c) <= level:
		case c[level] <= 31 && in.Width <= 864 && in.Height <= 576:
			b = append(b, "cfsd")
		case c[level] <= 40 && in.Width <= 1920 && in.Height <= 1080:
			b = append(b, "cfhd")
		case c[level] <= 42 && in.Width <= 1920 && in.Height <= 1080:
			b = append(b, "chdf")
		}
	case media.H265:
		const profile, level = 1, 12 // the offsets of general_profile_idc and general_level_idc, level x 30
		if len(c) > level && c[level] <= 123 && in.Width <= 1920 && in.Height <= 1080 {
			switch c[profile] & 0x1f {
			case 1: // Main
				b = append(b, "chhd")
			case 2: // Main 10
				b = append(b, "chh1")
			}
		}
	case media.AV1:
		b = append(b, "av01")
	case media.AAC:
		if in.Channels <= 2 && in.SampleRate <= 48000 {
			b = append(b, "caac")
		}
	}
	return b
}

// aspect returns the width of a pixel in heights of a pixel.
func aspect(r media.Rational) float64 {
	if r.Num == 0 || r.Den == 0 {
		return 1
	}
	return r.Float()
}

func fixed32(v float64) mp4.Fixed32 {
	return mp4.Fixed32(min(math.Round(max(v, 0)*65536), math.MaxUint32))
}

func fixed16(v int) uint16 { return uint16(min(max(v, 0), math.MaxUint16)) }
