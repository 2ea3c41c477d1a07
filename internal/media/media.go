// Package media holds the words of the pipeline: what flows from stage to stage,
// as plain values. It knows no protocol, no container and no codec syntax, and it
// imports the standard library only.
//
// There is one form of media, the CMAF sample (docs/adr/0001): NAL units with a
// 4-byte length in front and parameter sets out of band, raw AAC frames, Opus
// packets, AV1 temporal units without temporal delimiters.
package media

import "time"

// Kind is what a track is for.
type Kind uint8

const (
	Video Kind = iota + 1
	Audio
)

func (k Kind) String() string {
	switch k {
	case Video:
		return "video"
	case Audio:
		return "audio"
	}
	return "unknown"
}

// Codec names the coding of a track's samples.
type Codec uint8

const (
	H264 Codec = iota + 1
	H265
	AV1
	AAC
	Opus
)

func (c Codec) String() string {
	switch c {
	case H264:
		return "h264"
	case H265:
		return "h265"
	case AV1:
		return "av1"
	case AAC:
		return "aac"
	case Opus:
		return "opus"
	}
	return "unknown"
}

// Kind returns whether c codes pictures or sound.
func (c Codec) Kind() Kind {
	switch c {
	case H264, H265, AV1:
		return Video
	case AAC, Opus:
		return Audio
	}
	return 0
}

// Rational is a fraction, for frame rates and aspect ratios. The zero value means unknown.
type Rational struct{ Num, Den uint32 }

// Float returns r as a number, 0 when unknown.
func (r Rational) Float() float64 {
	if r.Den == 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// Color is what the bitstream signals of its colour volume: code points of ITU-T H.273.
// 2 in any field means unspecified; the zero value means not signalled.
type Color struct {
	Primaries, Transfer, Matrix uint8
	FullRange                   bool
}

// Init is all a decoder needs before the first sample, and what manifests say of
// it. It is a plain value: nobody changes Config after the Init has been handed on.
type Init struct {
	Codec Codec

	// Config is the decoder configuration record as it stands in an MP4 sample
	// entry: the payload of avcC, hvcC, av1C or dOps; for AAC the AudioSpecificConfig.
	Config []byte

	// CodecString is the RFC 6381 parameter, for example "avc1.64001f".
	CodecString string

	// Video: size in pixels as displayed before the pixel aspect ratio, and what
	// the bitstream says of its rate. FrameRate is a hint: zero when not signalled.
	Width, Height int
	PixelAspect   Rational // 1:1 when not signalled
	FrameRate     Rational
	Color         Color

	// Audio: Hz and number of channels as presented (after SBR and PS), and the
	// samples a packet holds where that is constant (AAC 1024 or 2048), else 0.
	SampleRate  int
	Channels    int
	FrameLength int
}

// Kind returns whether the track is video or audio.
func (i Init) Kind() Kind { return i.Codec.Kind() }

// Timescale returns the ticks a second in which a track of this Init is counted, here
// and in everything made from it: 90 kHz for video, the sample rate for audio
// (48 kHz for Opus, whose time always counts so: RFC 7845, 4).
func (i Init) Timescale() Timescale {
	if i.Kind() == Video {
		return VideoTimescale
	}
	if i.Codec == Opus {
		return 48000
	}
	return Timescale(i.SampleRate)
}

// Same reports whether a decoder set up for i can go on with o.
func (i Init) Same(o Init) bool {
	return i.Codec == o.Codec && string(i.Config) == string(o.Config)
}

// VideoTimescale is the timescale of all video tracks. Every common frame rate but
// 59.94 has a whole number of ticks a frame; that one alternates 1501 and 1502.
const VideoTimescale Timescale = 90000

// A Sample is one access unit of one track, in CMAF form. Data is immutable from
// the moment the sample is handed on, and owned by the collector.
type Sample struct {
	DTS, PTS Ticks     // of the track's timescale
	Duration Ticks     // 0 until known
	Sync     bool      // decoding can start here
	Data     []byte    // length-prefixed NAL units, raw AAC, Opus packet, AV1 temporal unit
	Arrived  time.Time // when its last byte reached us: the start of our share of the latency
}
