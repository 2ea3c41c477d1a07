package rtmp

// Packet types of the Enhanced audio tag (Enhanced RTMP v2, "AudioPacketType").
const (
	audioSequenceStart = 0
	audioCodedFrames   = 1
	audioSequenceEnd   = 2
	audioMultichannel  = 4
	audioMultitrack    = 5
	audioModEx         = 7
	audioEnhanced      = 9 // ExHeader, as the legacy sound format
)

// parseAudio is to audio messages (type 8) what parseVideo is to video messages.
func parseAudio(dst []tagPacket, payload []byte) ([]tagPacket, error) {
	if len(payload) == 0 {
		return dst, nil // silence (Enhanced RTMP v2, "Enhanced Audio")
	}
	if payload[0]>>4 == audioEnhanced {
		return parseEnhancedAudio(dst, payload)
	}
	c := tagCursor{b: payload}
	// The lower nibble (rate, size, channels) means nothing for AAC (FLV 10.1, E.4.2.1).
	p := tagPacket{kind: packetFrame, coding: legacyAudio | coding(c.u8()>>4)}
	switch p.coding {
	case legacyAudio | 10:
		p.coding = fourCCAAC
		switch c.u8() { // AACPacketType
		case 0:
			p.kind = packetConfig
		case 1:
		default:
			p.kind = packetUnknown
		}
	case legacyAudio | 2:
		p.coding = fourCCMP3
	}
	p.data = c.rest()
	if err := c.err(); err != nil {
		return dst, err
	}
	return addPacket(dst, p)
}

// parseEnhancedAudio reads a tag of Enhanced RTMP v2, "ExAudioTagHeader".
func parseEnhancedAudio(dst []tagPacket, payload []byte) ([]tagPacket, error) {
	c := tagCursor{b: payload}
	var p tagPacket
	packetType, err := readModEx(&c, c.u8()&0xF, audioModEx, &p.nano)
	if err != nil {
		return dst, err
	}
	if packetType == audioMultitrack {
		return parseMultitrack(dst, &c, p, audioMultitrack, audioBody)
	}
	p.coding = coding(c.u32())
	if err := c.err(); err != nil {
		return dst, err
	}
	if p, err = audioBody(p, packetType, c.rest()); err != nil {
		return dst, err
	}
	return addPacket(dst, p)
}

// audioBody completes p from data, the body that packetType announces.
func audioBody(p tagPacket, packetType uint8, data []byte) (tagPacket, error) {
	switch packetType {
	case audioSequenceStart:
		p.kind = packetConfig
	case audioCodedFrames:
		p.kind = packetFrame
	case audioSequenceEnd:
		p.kind = packetEnd
	case audioMultichannel:
		p.kind = packetChannels
	default:
		p.kind = packetUnknown
	}
	p.data = data
	return p, nil
}
