// Package codec is the table over the codecs: it turns decoder configuration records
// into media.Init and access units into CMAF form, whatever the codec. What a codec's
// standard says is in its package below this one. Everything here is pure.
//
// One Inspect call belongs to one access unit; Data of its result is as immutable as
// the input has to be.
package codec

import (
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/codec/aac"
	"github.com/headrace/headrace/internal/codec/av1"
	"github.com/headrace/headrace/internal/codec/avc"
	"github.com/headrace/headrace/internal/codec/hevc"
	"github.com/headrace/headrace/internal/codec/opus"
	"github.com/headrace/headrace/internal/media"
)

var errUnknown = errors.New("unknown codec")

// ParseInit reads a decoder configuration record as RTMP and MP4 carry it: avcC, hvcC,
// av1C, AudioSpecificConfig; for Opus the OpusHead ID header or dOps. The Init holds a
// normalised copy: NAL lengths of 4 bytes, what the headers say of the parameter sets
// taken from these.
func ParseInit(c media.Codec, record []byte) (media.Init, error) {
	var init media.Init
	var err error
	switch c {
	case media.H264:
		init, err = avc.ParseInit(record)
	case media.H265:
		init, err = hevc.ParseInit(record)
	case media.AV1:
		init, err = av1.ParseInit(record)
	case media.AAC:
		init, err = aac.ParseInit(record)
	case media.Opus:
		init, err = opus.ParseInit(record)
	default:
		err = errUnknown
	}
	if err != nil {
		return media.Init{}, fmt.Errorf("parse %v configuration: %w", c, err)
	}
	return init, nil
}

// NALLengthSize returns the size in bytes of the NAL length fields that a record as
// received declares, 4 for codecs without NAL units.
func NALLengthSize(c media.Codec, record []byte) int {
	switch c {
	case media.H264:
		return avc.NALLengthSize(record)
	case media.H265:
		return hevc.NALLengthSize(record)
	}
	return 4
}

// A Unit is what one access unit, or audio packet, says of itself.
type Unit struct {
	// Data is the unit in CMAF form: 4-byte lengths; no access unit delimiters, filler
	// data and parameter sets; no AV1 temporal delimiters; no ADTS header. It is the
	// input slice or a subslice when nothing had to go from its middle, else a new one.
	// It is empty, and no sample, only when the unit was nothing but new parameter
	// sets; Init is not nil then.
	Data []byte

	// Sync: decoding can start here: an IDR, CRA or BLA picture; an AVC I picture with a
	// recovery point (open GOP); an AV1 key frame; all audio.
	Sync bool

	// Leading: an HEVC RASL picture, which cannot be decoded when decoding starts at the
	// sync sample before it. AVC leading pictures cannot be told from the unit alone.
	Leading bool

	// Init is not nil when the unit carries parameter sets other than those of cur: what
	// decoding needs from this unit on. The unit need not be a sync sample.
	Init *media.Init

	// Duration of an audio packet, in ticks of Init.Timescale; 0 for video.
	Duration media.Ticks
}

// Inspect reads one access unit that follows cur. lengthSize is the size in bytes (1, 2
// or 4) of the NAL length fields in data, ignored for codecs without NAL units. Of cur
// only Codec needs to be set where the parameter sets come in band. A unit that is an
// error is to be dropped and counted. It allocates only where something goes from the
// middle of data, or where Init is set.
func Inspect(cur media.Init, data []byte, lengthSize int) (Unit, error) {
	switch cur.Codec {
	case media.H264:
		u, err := avc.Inspect(cur, data, lengthSize)
		return Unit{Data: u.Data, Sync: u.Sync, Init: u.Init}, err
	case media.H265:
		u, err := hevc.Inspect(cur, data, lengthSize)
		return Unit{Data: u.Data, Sync: u.Sync, Leading: u.Leading, Init: u.Init}, err
	case media.AV1:
		u, err := av1.Inspect(cur, data)
		return Unit{Data: u.Data, Sync: u.Sync, Init: u.Init}, err
	case media.AAC:
		raw, err := aac.Raw(cur, data)
		if err != nil {
			return Unit{}, err
		}
		return Unit{Data: raw, Sync: true, Duration: media.Ticks(cur.FrameLength)}, nil
	case media.Opus:
		d, err := opus.Duration(data)
		if err != nil {
			return Unit{}, err
		}
		return Unit{Data: data, Sync: true, Duration: d}, nil
	}
	return Unit{}, errUnknown
}
