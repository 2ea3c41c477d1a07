package cmaf

import "encoding/binary"

// Sample is one sample of a chunk.
type Sample struct {
	Data     []byte
	Duration uint32 // ticks, as written: the distance of the decode times
	Offset   int32  // ticks from the written decode time to the presentation time
	Sync     bool
}

// Chunk is a run of samples to be written as one moof and one mdat.
type Chunk struct {
	TrackID    uint32
	Sequence   uint32 // mfhd.sequence_number
	DecodeTime uint64 // tfdt.baseMediaDecodeTime: of the first sample
	Samples    []Sample
}

// Flags of ISO/IEC 14496-12, 8.8.7.1 (tfhd) and 8.8.8.1 (trun).
const (
	tfhdDefaultDuration   = 0x000008
	tfhdDefaultSize       = 0x000010
	tfhdDefaultFlags      = 0x000020
	tfhdDefaultBaseIsMoof = 0x020000

	trunDataOffset = 0x000001
	trunFirstFlags = 0x000004
	trunDuration   = 0x000100
	trunSize       = 0x000200
	trunFlags      = 0x000400
	trunOffset     = 0x000800
)

// Sample flags of ISO/IEC 14496-12, 8.8.3.1: sample_depends_on and sample_is_non_sync_sample.
const (
	flagsSync    = 0x02000000
	flagsNonSync = 0x01010000
)

func (s Sample) flags() uint32 {
	if s.Sync {
		return flagsSync
	}
	return flagsNonSync
}

// layout is which fields of the samples are told once, for all, and which one by one.
type layout struct {
	tfhd, trun uint32 // flags
	rest       uint32 // sample flags of all but the first sample
	perSample  int    // bytes of a sample's row in the trun
	media      int    // bytes of the samples
}

func (c Chunk) layout() layout {
	l := layout{tfhd: tfhdDefaultBaseIsMoof, trun: trunDataOffset}
	first := c.Samples[0]
	l.rest = first.flags()
	if len(c.Samples) > 1 {
		l.rest = c.Samples[1].flags()
	}
	sameDuration, sameSize, sameFlags, offsets := true, true, true, false
	for i, s := range c.Samples {
		sameDuration = sameDuration && s.Duration == first.Duration
		sameSize = sameSize && len(s.Data) == len(first.Data)
		sameFlags = sameFlags && (i == 0 || s.flags() == l.rest)
		offsets = offsets || s.Offset != 0
		l.media += len(s.Data)
	}
	each := func(flag uint32) {
		l.trun |= flag
		l.perSample += 4
	}
	if sameDuration {
		l.tfhd |= tfhdDefaultDuration
	} else {
		each(trunDuration)
	}
	if sameSize {
		l.tfhd |= tfhdDefaultSize
	} else {
		each(trunSize)
	}
	switch {
	case !sameFlags:
		each(trunFlags)
	case first.flags() != l.rest:
		l.tfhd |= tfhdDefaultFlags
		l.trun |= trunFirstFlags
	default:
		l.tfhd |= tfhdDefaultFlags
	}
	if offsets {
		each(trunOffset)
	}
	return l
}

// Sizes of the boxes in bytes.
const (
	boxSize  = 8
	fullSize = 12
	mfhdSize = fullSize + 4
	tfdtSize = fullSize + 8
)

func (l layout) tfhdSize() int {
	n := fullSize + 4
	for _, f := range [...]uint32{tfhdDefaultDuration, tfhdDefaultSize, tfhdDefaultFlags} {
		if l.tfhd&f != 0 {
			n += 4
		}
	}
	return n
}

func (l layout) trunSize(samples int) int {
	n := fullSize + 4 + 4 // sample_count, data_offset
	if l.trun&trunFirstFlags != 0 {
		n += 4
	}
	return n + samples*l.perSample
}

// Bytes returns the chunk as it goes over the wire: one allocation of its exact
// size, into which the samples are copied. There must be at least one sample, and
// all of it must be below 4 GiB.
func (c Chunk) Bytes() []byte {
	l := c.layout()
	tfhd, trun := l.tfhdSize(), l.trunSize(len(c.Samples))
	traf := boxSize + tfhd + tfdtSize + trun
	moof := boxSize + mfhdSize + traf
	w := writer(make([]byte, 0, moof+boxSize+l.media))

	w.box(moof, "moof")
	w.full(mfhdSize, "mfhd", 0, 0)
	w.u32(c.Sequence)
	w.box(traf, "traf")

	w.full(tfhd, "tfhd", 0, l.tfhd)
	w.u32(c.TrackID)
	if l.tfhd&tfhdDefaultDuration != 0 {
		w.u32(c.Samples[0].Duration)
	}
	if l.tfhd&tfhdDefaultSize != 0 {
		w.u32(uint32(len(c.Samples[0].Data)))
	}
	if l.tfhd&tfhdDefaultFlags != 0 {
		w.u32(l.rest)
	}

	w.full(tfdtSize, "tfdt", 1, 0)
	w.u32(uint32(c.DecodeTime >> 32))
	w.u32(uint32(c.DecodeTime))

	c.trun(&w, l, trun, moof+boxSize)

	w.box(boxSize+l.media, "mdat")
	for _, s := range c.Samples {
		w = append(w, s.Data...)
	}
	return w
}

// trun appends the run of size bytes, whose samples begin dataOffset bytes after
// the start of the moof.
func (c Chunk) trun(w *writer, l layout, size, dataOffset int) {
	version := byte(0)
	if l.trun&trunOffset != 0 {
		version = 1 // signed offsets: ISO/IEC 23000-19, 7.5.17
	}
	w.full(size, "trun", version, l.trun)
	w.u32(uint32(len(c.Samples)))
	w.u32(uint32(dataOffset))
	if l.trun&trunFirstFlags != 0 {
		w.u32(c.Samples[0].flags())
	}
	for _, s := range c.Samples {
		if l.trun&trunDuration != 0 {
			w.u32(s.Duration)
		}
		if l.trun&trunSize != 0 {
			w.u32(uint32(len(s.Data)))
		}
		if l.trun&trunFlags != 0 {
			w.u32(s.flags())
		}
		if l.trun&trunOffset != 0 {
			w.u32(uint32(s.Offset))
		}
	}
}

// writer appends big-endian fields.
type writer []byte

func (w *writer) u32(v uint32) { *w = binary.BigEndian.AppendUint32(*w, v) }

func (w *writer) box(size int, name string) {
	w.u32(uint32(size))
	*w = append(*w, name...)
}

func (w *writer) full(size int, name string, version byte, flags uint32) {
	w.box(size, name)
	w.u32(uint32(version)<<24 | flags)
}
