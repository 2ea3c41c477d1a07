// Package aac reads AAC (ISO/IEC 14496-3) as CMAF and RTMP carry it: the
// AudioSpecificConfig, and raw frames, with or without a stray ADTS header in front. It
// knows AAC-LC, Main and LTP with or without SBR and PS; error resilient, low delay and
// USAC object types are refused.
package aac

import (
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/codec/bits"
	"github.com/headrace/headrace/internal/media"
)

// Audio object types: ISO/IEC 14496-3, table 1.17.
const (
	objectMain = 1
	objectLC   = 2
	objectLTP  = 4
	objectSBR  = 5
	objectPS   = 29
)

// Hz that we accept, of the core and after SBR.
const (
	minRate = 7350
	maxRate = 192000
)

// maxConfig bounds an AudioSpecificConfig in bytes; with a program config element and
// its comment it can have 300, without 7.
const maxConfig = 512

// rates is table 1.18; index 13 and 14 are reserved, 15 says that the rate follows.
var rates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// channelCounts is table 1.19 with its later rows; 0 stands for a program config
// element (configuration 0) or reserved.
var channelCounts = [16]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 13: 24, 14: 8}

// A config is an AudioSpecificConfig (1.6.2.1).
type config struct {
	object   byte // of the core coder
	rate     int  // Hz of the core coder
	channel  byte // channelConfiguration
	channels int  // of the core coder
	short    bool // frameLengthFlag: 960 samples a frame of the core coder, not 1024
	sbr, ps  bool
	outRate  int  // Hz after SBR
	appended bool // SBR is signalled behind the core's configuration
}

func parse(asc []byte) (config, error) {
	var c config
	if len(asc) < 2 || len(asc) > maxConfig {
		return c, fmt.Errorf("AudioSpecificConfig of %d bytes", len(asc))
	}
	if asc[0] == 0xff && asc[1]&0xf6 == 0xf0 {
		return c, errors.New("ADTS header instead of an AudioSpecificConfig")
	}
	r := bits.New(asc)
	c.object = readObject(&r)
	c.rate = readRate(&r)
	c.outRate = c.rate
	c.channel = byte(r.U(4))
	if c.object == objectSBR || c.object == objectPS {
		c.sbr, c.ps = true, c.object == objectPS
		c.outRate = readRate(&r)
		c.object = readObject(&r)
	}
	switch c.object {
	case objectMain, objectLC, objectLTP:
	default:
		if r.Err() == nil {
			return c, fmt.Errorf("audio object type %d", c.object)
		}
	}
	// GASpecificConfig, 4.4.1
	c.short = r.Flag()
	if r.Flag() { // dependsOnCoreCoder
		r.Skip(14)
	}
	r.Skip(1) // extensionFlag
	c.channels = channelCounts[c.channel]
	if c.channel == 0 {
		c.channels = readProgram(&r)
	}
	if r.Err() != nil {
		return c, fmt.Errorf("AudioSpecificConfig: %w", r.Err())
	}
	if !c.sbr {
		c.readAppended(&r)
	}
	return c, c.check()
}

func (c *config) check() error {
	switch {
	case c.channels == 0:
		return errors.New("no channels")
	case c.rate < minRate || c.rate > maxRate || c.outRate > maxRate:
		return fmt.Errorf("sampling rate of %d Hz", c.outRate)
	case c.outRate != c.rate && c.outRate != 2*c.rate: // 4.6.18.2: SBR doubles, or is downsampled
		return fmt.Errorf("SBR from %d to %d Hz", c.rate, c.outRate)
	}
	return nil
}

func readObject(r *bits.Reader) byte {
	if t := r.U(5); t != 31 {
		return byte(t)
	}
	return byte(32 + r.U(6))
}

func readRate(r *bits.Reader) int {
	switch i := r.U(4); {
	case i == 15:
		return int(r.U(24))
	case int(i) < len(rates):
		return rates[i]
	}
	r.Fail(errors.New("reserved sampling frequency index"))
	return 0
}

// readProgram reads a program_config_element (4.4.1.1) and returns its channels.
func readProgram(r *bits.Reader) int {
	r.Skip(4 + 2 + 4) // instance tag, object type, sampling frequency index
	front, side, back := r.U(4), r.U(4), r.U(4)
	lfe, data, coupling := r.U(2), r.U(3), r.U(4)
	if r.Flag() { // mono_mixdown_present
		r.Skip(4)
	}
	if r.Flag() { // stereo_mixdown_present
		r.Skip(4)
	}
	if r.Flag() { // matrix_mixdown_idx_present
		r.Skip(3)
	}
	channels := int(lfe)
	for range front + side + back {
		channels++
		if r.Flag() { // element_is_cpe
			channels++
		}
		r.Skip(4)
	}
	r.Skip(int(4*lfe + 4*data + 5*coupling))
	r.Align()
	r.Skip(8 * int(r.U(8))) // comment
	return channels
}

// readAppended reads the backward compatible signalling of SBR and PS (1.6.5.1).
func (c *config) readAppended(r *bits.Reader) {
	if r.Left() < 16 || r.U(11) != 0x2b7 || readObject(r) != objectSBR || !r.Flag() {
		return
	}
	rate := readRate(r)
	if r.Err() != nil {
		return // a broken extension: a decoder sees none
	}
	c.sbr, c.appended, c.outRate = true, true, rate
	if r.Left() >= 12 && r.U(11) == 0x548 {
		c.ps = r.Flag()
	}
}

// codecString returns the RFC 6381 parameter, the object type that a decoder has to know.
func (c *config) codecString() string {
	object := c.object
	switch {
	case c.ps:
		object = objectPS
	case c.sbr:
		object = objectSBR
	}
	return fmt.Sprintf("mp4a.40.%d", object)
}

// frameLength returns the samples a packet holds, after SBR.
func (c *config) frameLength() int {
	n := 1024
	if c.short {
		n = 960
	}
	return n * c.outRate / c.rate
}

// explicit returns the hierarchical form of a configuration that signals SBR in the
// backward compatible one, which players take for AAC-LC (HLS authoring specification,
// 2.24); nil if there is none of 4 bytes.
func (c *config) explicit() []byte {
	core, out := rateIndex(c.rate), rateIndex(c.outRate)
	if !c.appended || c.channel == 0 || c.object != objectLC || core < 0 || out < 0 {
		return nil
	}
	outer, short := uint32(objectSBR), uint32(0)
	if c.ps {
		outer = objectPS
	}
	if c.short {
		short = 1
	}
	// 5 + 4 + 4 + 4 + 5 bits, then the 3 of GASpecificConfig and 7 of padding.
	v := outer<<27 | uint32(core)<<23 | uint32(c.channel)<<19 | uint32(out)<<15 | objectLC<<10 | short<<9
	return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// rateIndex returns the samplingFrequencyIndex of a rate, -1 if it has none.
func rateIndex(rate int) int {
	for i, r := range rates {
		if r == rate {
			return i
		}
	}
	return -1
}

// ParseInit reads an AudioSpecificConfig. Config of the Init is a copy, with SBR and PS
// in the explicit hierarchical form where they are signalled.
func ParseInit(asc []byte) (media.Init, error) {
	c, err := parse(asc)
	if err != nil {
		return media.Init{}, err
	}
	record := c.explicit()
	if record == nil {
		record = append(record, asc...)
	}
	channels := c.channels
	if c.ps && channels == 1 {
		channels = 2 // 8.6.4: PS makes stereo of mono
	}
	return media.Init{
		Codec:       media.AAC,
		Config:      record,
		CodecString: c.codecString(),
		SampleRate:  c.outRate,
		Channels:    channels,
		FrameLength: c.frameLength(),
	}, nil
}
