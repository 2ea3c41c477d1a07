package rtmp

import (
	"encoding/binary"
	"errors"

	"github.com/headrace/headrace/internal/codec"
	"github.com/headrace/headrace/internal/media"
)

// A trackConfig is what is needed to make samples of a track's frames.
type trackConfig struct {
	init       media.Init
	lengthSize int // bytes of the NAL unit lengths in its frames; 4 if it has none
}

// parseTrackConfig reads the configuration packet of a tag.
func parseTrackConfig(c media.Codec, record []byte) (trackConfig, error) {
	init, err := codec.ParseInit(c, record)
	if err != nil {
		return trackConfig{}, err
	}
	return trackConfig{init, codec.NALLengthSize(c, record)}, nil
}

var errNALLength = errors.New("NAL unit length reaches beyond the frame")

// unit returns a frame's data as an access unit in our form, with NAL unit lengths of
// 4 bytes. As good as every encoder writes that form: data itself is returned then.
func (t trackConfig) unit(data []byte) ([]byte, error) {
	if t.lengthSize == 4 {
		return data, nil
	}
	var wide []byte
	for len(data) > 0 {
		if len(data) < t.lengthSize {
			return nil, errNALLength
		}
		size := 0
		for _, b := range data[:t.lengthSize] {
			size = size<<8 | int(b)
		}
		data = data[t.lengthSize:]
		if size > len(data) {
			return nil, errNALLength
		}
		wide = append(binary.BigEndian.AppendUint32(wide, uint32(size)), data[:size]...)
		data = data[size:]
	}
	return wide, nil
}
