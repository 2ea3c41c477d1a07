package rtmp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/media"
)

// A trackConfig is what is needed to make samples of a track's frames.
type trackConfig struct {
	init       media.Init
	lengthSize int // bytes of the NAL unit lengths in its frames; 0: it has none
}

// parseTrackConfig reads the configuration packet of a tag.
func parseTrackConfig(codec media.Codec, record []byte) (trackConfig, error) {
	init, err := parseInit(codec, record)
	if err != nil {
		return trackConfig{}, fmt.Errorf("%v configuration: %w", codec, err)
	}
	c := trackConfig{init: init}
	switch {
	case codec == media.H264 && len(record) > 4:
		c.lengthSize = int(record[4]&3) + 1 // ISO/IEC 14496-15, 5.3.3.1.2
	case codec == media.H265 && len(record) > 21:
		c.lengthSize = int(record[21]&3) + 1 // ISO/IEC 14496-15, 8.3.3.1.2
	}
	return c, nil
}

var errNALLength = errors.New("NAL unit length reaches beyond the frame")

// unit returns a frame's data as an access unit in our form, with NAL unit lengths of
// 4 bytes. As good as every encoder writes that form: data itself is returned then.
func (t trackConfig) unit(data []byte) ([]byte, error) {
	if t.lengthSize == 0 || t.lengthSize == 4 {
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
