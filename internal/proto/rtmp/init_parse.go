package rtmp

import (
	"bytes"
	"errors"

	"github.com/headrace/headrace/internal/media"
)

// TODO: replace by the codec package once it is on main.
func parseInit(codec media.Codec, record []byte) (media.Init, error) {
	switch codec {
	case media.H264:
		if len(record) < 8 || record[0] != 1 || record[5]&31 == 0 || record[6]|record[7] == 0 {
			return media.Init{}, errors.New("avcC has no SPS")
		}
		config := bytes.Clone(record)
		config[4] |= 3
		return media.Init{Codec: codec, Config: config}, nil
	case media.AAC:
		if len(record) < 2 {
			return media.Init{}, errors.New("AudioSpecificConfig is too short")
		}
		rates := [16]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000}
		rate := rates[record[0]&7<<1|record[1]>>7]
		if rate == 0 {
			return media.Init{}, errors.New("AudioSpecificConfig has no sample rate")
		}
		return media.Init{Codec: codec, Config: record, SampleRate: rate, Channels: int(record[1] >> 3 & 15), FrameLength: 1024}, nil
	}
	return media.Init{Codec: codec, Config: record, SampleRate: 48000}, nil
}
