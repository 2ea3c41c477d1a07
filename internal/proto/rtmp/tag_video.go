package rtmp

// Packet types of the Enhanced video tag (Enhanced RTMP v2, "VideoPacketType").
const (
	videoSequenceStart  = 0
	videoCodedFrames    = 1
	videoSequenceEnd    = 2
	videoCodedFramesX   = 3
	videoMetadata       = 4
	videoTSSequence     = 5
	videoMultitrack     = 6
	videoModEx          = 7
	videoEnhanced       = 0x80 // IsExHeader, of the first byte
	videoCommandSeek    = 0    // start of a client-side seek
	videoCommandSeekEnd = 1
)

// parseVideo appends to dst the packets of a video message (type 9) or the body of
// a video FLV tag. Their data are parts of payload. An error means that the rest of
// the message is to be dropped; the packets returned with it are whole. A caller
// that passes the same dst again, cut to zero length, causes no allocation.
func parseVideo(dst []tagPacket, payload []byte) ([]tagPacket, error) {
	if len(payload) == 0 {
		return dst, nil // some encoders send them as a keep-alive
	}
	if payload[0]&videoEnhanced != 0 {
		return parseEnhancedVideo(dst, payload)
	}
	return parseLegacyVideo(dst, payload)
}

// parseLegacyVideo reads a tag of FLV 10.1, E.4.3, and the HEVC variant of it that
// was in use before Enhanced RTMP.
func parseLegacyVideo(dst []tagPacket, payload []byte) ([]tagPacket, error) {
	c := tagCursor{b: payload}
	first := c.u8()
	p := tagPacket{frame: frameType(first >> 4), coding: legacyVideo | coding(first&0xF)}
	switch p.coding {
	case legacyVideo | 7:
		p.coding = fourCCAVC
	case legacyVideo | 12:
		p.coding = fourCCHEVC
	}
	if p.frame == frameCommand {
		p.kind = commandKind(c.u8())
	} else if p.coding.codec() == 0 {
		p.kind, p.data = packetFrame, c.rest()
	} else {
		switch c.u8() { // AVCPacketType
		case 0:
			c.s24()
			p.kind, p.data = packetConfig, c.rest()
		case 1:
			p.composition = c.s24()
			p.kind, p.data = packetFrame, c.rest()
		case 2:
			p.kind = packetEnd // with or without the composition time
		default:
			p.kind = packetUnknown
		}
	}
	if err := c.err(); err != nil {
		return dst, err
	}
	return addPacket(dst, p)
}

// parseEnhancedVideo reads a tag of Enhanced RTMP v2, "ExVideoTagHeader".
func parseEnhancedVideo(dst []tagPacket, payload []byte) ([]tagPacket, error) {
	c := tagCursor{b: payload}
	first := c.u8()
	p := tagPacket{frame: frameType(first >> 4 & 7)}
	packetType, err := readModEx(&c, first&0xF, videoModEx, &p.nano)
	if err != nil {
		return dst, err
	}
	if p.frame == frameCommand && packetType != videoMetadata {
		p.kind = commandKind(c.u8()) // no FourCC, no body
		if err := c.err(); err != nil {
			return dst, err
		}
		return addPacket(dst, p)
	}
	if packetType == videoMultitrack {
		return parseMultitrack(dst, &c, p, videoMultitrack, videoBody)
	}
	p.coding = coding(c.u32())
	if err := c.err(); err != nil {
		return dst, err
	}
	if p, err = videoBody(p, packetType, c.rest()); err != nil {
		return dst, err
	}
	return addPacket(dst, p)
}

// videoBody completes p from data, the body that packetType and p.coding announce.
func videoBody(p tagPacket, packetType uint8, data []byte) (tagPacket, error) {
	c := tagCursor{b: data}
	switch packetType {
	case videoSequenceStart:
		p.kind = packetConfig
	case videoCodedFrames:
		p.kind = packetFrame
		if p.coding.composed() {
			p.composition = c.s24()
		}
	case videoCodedFramesX:
		p.kind = packetFrame
	case videoSequenceEnd:
		p.kind = packetEnd
	case videoMetadata:
		p.kind = packetMetadata
	case videoTSSequence:
		p.kind = packetDescriptor
	default:
		p.kind = packetUnknown
	}
	p.data = c.rest()
	return p, c.err()
}

func commandKind(command uint8) packetKind {
	switch command {
	case videoCommandSeek:
		return packetSeekStart
	case videoCommandSeekEnd:
		return packetSeekEnd
	}
	return packetUnknown
}
