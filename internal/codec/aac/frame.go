package aac

import (
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/media"
)

var (
	errEmpty = errors.New("aac: empty frame")
	errADTS  = errors.New("aac: malformed ADTS header")
)

// Raw returns the raw frame in a packet of a stream with Init cur: the packet, or what
// is in it behind an ADTS header, if that agrees with cur. No raw frame looks like
// one: it would begin with its end (ID_END, ISO/IEC 14496-3, table 4.85).
func Raw(cur media.Init, packet []byte) ([]byte, error) {
	if len(packet) == 0 {
		return nil, errEmpty
	}
	if len(packet) < 2 || packet[0] != 0xff || packet[1]&0xf6 != 0xf0 {
		return packet, nil
	}
	return stripADTS(cur, packet)
}

// stripADTS checks an ADTS header (ISO/IEC 14496-3, 1.A.2.2) against cur and removes it.
func stripADTS(cur media.Init, packet []byte) ([]byte, error) {
	size := 7
	if packet[1]&1 == 0 { // protection_absent
		size = 9
	}
	if len(packet) <= size {
		return nil, errADTS
	}
	length := int(packet[3]&3)<<11 | int(packet[4])<<3 | int(packet[5]>>5)
	if length != len(packet) || packet[6]&3 != 0 { // one frame, one raw data block
		return nil, errADTS
	}
	c, err := parse(cur.Config)
	if err != nil {
		return nil, fmt.Errorf("aac: ADTS before a configuration: %w", err)
	}
	object := packet[2]>>6 + 1
	rate := int(packet[2] >> 2 & 0xf)
	channel := packet[2]&1<<2 | packet[3]>>6
	if object != c.object || rate != rateIndex(c.rate) || channel != c.channel {
		return nil, errors.New("aac: ADTS header differs from the configuration")
	}
	return packet[size:], nil
}
