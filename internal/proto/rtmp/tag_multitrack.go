package rtmp

// What audio and video tags of Enhanced RTMP v2 have in common: ModEx headers and
// the multitrack body.

// Multitrack types (Enhanced RTMP v2, "AvMultitrackType").
const (
	oneTrack             = 0
	manyTracks           = 1
	manyTracksManyCodecs = 2
)

// modExNanoOffset is the ModEx type that carries a TimestampOffsetNano.
const modExNanoOffset = 0

// readModEx reads ModEx headers as long as packetType is modEx and returns the
// packet type behind them. It skips what it does not know.
func readModEx(c *tagCursor, packetType, modEx uint8, nano *uint32) (uint8, error) {
	for n := 0; packetType == modEx; n++ {
		if n == maxModEx {
			return 0, errTagModEx
		}
		size := int(c.u8()) + 1
		if size == 256 {
			size = int(c.u16()) + 1
		}
		data := tagCursor{b: c.bytes(size)}
		next := c.u8()
		if c.short {
			return 0, errTagShort
		}
		if next>>4 == modExNanoOffset {
			if v := data.u24(); !data.short && v < 1_000_000 {
				*nano = v
			}
		}
		packetType = next & 0xF
	}
	return packetType, nil
}

// parseMultitrack reads the multitrack part of a tag and appends one packet for each
// track in it. The frame type and the nanosecond offset of p are theirs too. body
// completes a packet from what its track holds.
func parseMultitrack(dst []tagPacket, c *tagCursor, p tagPacket, multitrack uint8,
	body func(tagPacket, uint8, []byte) (tagPacket, error)) ([]tagPacket, error) {
	first := c.u8()
	kind, packetType := first>>4, first&0xF
	switch {
	case c.short:
		return dst, errTagShort
	case packetType == multitrack:
		return dst, errTagNesting
	case kind > manyTracksManyCodecs:
		return dst, errTagMultitype
	}
	if kind != manyTracksManyCodecs {
		p.coding = coding(c.u32())
	}
	// OneTrack has no size and ends with the message; the others go on to its end,
	// which may come at once.
	for more := kind == oneTrack || len(c.b) > 0; more; more = len(c.b) > 0 {
		if kind == manyTracksManyCodecs {
			p.coding = coding(c.u32())
		}
		p.track = c.u8()
		size := len(c.b)
		if kind != oneTrack {
			size = int(c.u24())
		}
		data := c.bytes(size)
		if c.short {
			break
		}
		q, err := body(p, packetType, data)
		if err != nil {
			return dst, err
		}
		if dst, err = addPacket(dst, q); err != nil {
			return dst, err
		}
	}
	return dst, c.err()
}
