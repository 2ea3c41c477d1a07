package rtmp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// flvHeader is the bytes before the first tag: the header and an empty trailer (FLV 10.1, E.2).
const flvHeader = 9 + flvTrailer

// PublishFLV writes the tags of an FLV file as they come from r, until its end or an
// error. It does not pace them: whatever makes the file live does.
func (c *Client) PublishFLV(r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var header [flvHeader]byte
	if _, err := io.ReadFull(br, header[:]); err != nil {
		return fmt.Errorf("read FLV header: %w", err)
	}
	if string(header[:3]) != "FLV" {
		return errors.New("read FLV header: this is no FLV file")
	}
	for {
		var h [flvTagHeader]byte
		if _, err := io.ReadFull(br, h[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read FLV tag: %w", err)
		}
		size := int(h[1])<<16 | int(h[2])<<8 | int(h[3])
		if size > maxMessage {
			return fmt.Errorf("read FLV tag: it declares %d bytes", size)
		}
		data := make([]byte, size+flvTrailer)
		if _, err := io.ReadFull(br, data); err != nil {
			return fmt.Errorf("read FLV tag: %w", err)
		}
		time := uint32(h[7])<<24 | binary.BigEndian.Uint32(h[3:7])&0xFFFFFF
		if err := c.WriteTag(Tag{Type: h[0] & 0x1F, Time: time, Data: data[:size]}); err != nil {
			return fmt.Errorf("write FLV tag: %w", err)
		}
	}
}
