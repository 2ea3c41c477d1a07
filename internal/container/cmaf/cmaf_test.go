package cmaf

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headrace/headrace/internal/media"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// Configurations as encoders made them (x264, x265, SVT-AV1, FFmpeg's AAC, libopus).
var inits = map[string]media.Init{
	"h264": {
		Codec: media.H264, CodecString: "avc1.64000d", Width: 320, Height: 180,
		Color:  media.Color{Primaries: 1, Transfer: 1, Matrix: 1},
		Config: unhex("0164000dffe1001c6764000dacd941419f9f016a02020280000003008000001e078a14cb01000468ef8fcbfdf8f800"),
	},
	"h265": {
		Codec: media.H265, CodecString: "hvc1.1.6.L60.90", Width: 320, Height: 180,
		Config: unhex("0101600000009000000000003cf000fcfdf8f800000f03a00001001840010c01ffff01600000030090000003000003003c959809a10001002b42010101600000030090000003000003003ca00a080b9f796566924caf016808000003000800000300f040a2000100074401c172b46240"),
	},
	"av1": {
		Codec: media.AV1, CodecString: "av01.0.00M.08", Width: 320, Height: 180,
		PixelAspect: media.Rational{Num: 4, Den: 3},
		Config:      unhex("81000c000a0b000000043cfecc02f80040"),
	},
	"aac": {
		Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 48000, Channels: 2, FrameLength: 1024,
		Config: unhex("1190"),
	},
	// AOT 5 with the rate of the core and of the output: SBR told explicitly.
	"he-aac": {
		Codec: media.AAC, CodecString: "mp4a.40.5", SampleRate: 48000, Channels: 2, FrameLength: 2048,
		Config: unhex("2b118800"),
	},
	"aac-96k": {
		Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 96000, Channels: 2, FrameLength: 1024,
		Config: unhex("1010"),
	},
	"opus": {
		Codec: media.Opus, CodecString: "opus", SampleRate: 48000, Channels: 2,
		Config: unhex("000201380000bb80000000"),
	},
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// dump returns the boxes of data as mp4ff reads them.
func dump(t *testing.T, data []byte) string {
	t.Helper()
	f, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := f.Info(&b, "trun:1,stsd:1,dref:1,avcC:1,hvcC:1,esds:1", "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestInitBoxes(t *testing.T) {
	for name, in := range inits {
		t.Run(name, func(t *testing.T) {
			got, err := Init(1, in)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "init-"+name, dump(t, got))
			again, _ := Init(1, in)
			if !bytes.Equal(got, again) {
				t.Error("the same Init gave other bytes the second time")
			}
			if !bytes.Contains(got, in.Config) {
				t.Error("the decoder configuration is not in the init segment as it came")
			}
		})
	}
}

func TestInitRefuses(t *testing.T) {
	for name, in := range map[string]media.Init{
		"no configuration": {Codec: media.H264},
		"no codec":         {Config: []byte{1}},
	} {
		if got, err := Init(1, in); err == nil {
			t.Errorf("%s: got %d bytes, want an error", name, len(got))
		}
	}
}

func TestChunkBoxes(t *testing.T) {
	data := func(n int) []byte { return bytes.Repeat([]byte{0xab}, n) }
	for name, c := range map[string]Chunk{
		"audio": {TrackID: 1, Sequence: 7, DecodeTime: 1767225600 * 48000, Samples: []Sample{
			{data(30), 1024, 0, true}, {data(31), 1024, 0, true}, {data(29), 1024, 0, true},
		}},
		"video-first-sync": {TrackID: 1, Sequence: 8, DecodeTime: 1767225600 * 90000, Samples: []Sample{
			{data(30), 3000, 0, true}, {data(10), 3000, 0, false}, {data(11), 3000, 0, false},
		}},
		"video-b-frames": {TrackID: 1, Sequence: 9, DecodeTime: 90000, Samples: []Sample{
			{data(30), 3000, 0, true}, {data(10), 3000, 6000, false}, {data(11), 3000, -3000, false}, {data(11), 3001, -3000, false},
		}},
		"video-sync-inside": {TrackID: 1, Sequence: 10, DecodeTime: 0, Samples: []Sample{
			{data(9), 3000, 0, false}, {data(9), 3000, 0, true}, {data(9), 3000, 0, false},
		}},
		"one-sample": {TrackID: 2, Sequence: 11, DecodeTime: 1, Samples: []Sample{{data(5), 45000, 0, false}}},
	} {
		t.Run(name, func(t *testing.T) { golden(t, "chunk-"+name, dump(t, c.Bytes())) })
	}
}

func drawChunk(t *rapid.T) Chunk {
	few := rapid.SampledFrom([]uint32{0, 1024, 3000, 3003})
	c := Chunk{
		TrackID:    rapid.Uint32Range(1, 9).Draw(t, "track"),
		Sequence:   rapid.Uint32().Draw(t, "sequence"),
		DecodeTime: rapid.Uint64Range(0, 1<<62).Draw(t, "time"),
	}
	for range rapid.IntRange(1, 20).Draw(t, "samples") {
		c.Samples = append(c.Samples, Sample{
			Data:     rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "data"),
			Duration: few.Draw(t, "duration"),
			Offset:   rapid.SampledFrom([]int32{0, 0, 3000, -3000, -1 << 31, 1<<31 - 1}).Draw(t, "offset"),
			Sync:     rapid.Bool().Draw(t, "sync"),
		})
	}
	return c
}

// What another reader finds in a chunk is what went in.
func TestChunkRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawChunk(t)
		data := c.Bytes()
		if len(data) != cap(data) {
			t.Errorf("%d bytes in an allocation of %d", len(data), cap(data))
		}
		got, err := read(data)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c, got); d != "" {
			t.Errorf("(-written +read):\n%s", d)
		}
	})
}

func read(data []byte) (Chunk, error) {
	sr := bits.NewFixedSliceReader(data)
	f, err := mp4.DecodeFileSR(sr)
	if err != nil {
		return Chunk{}, err
	}
	if len(f.Segments) != 1 || len(f.Segments[0].Fragments) != 1 {
		return Chunk{}, fmt.Errorf("not one fragment")
	}
	frag := f.Segments[0].Fragments[0]
	samples, err := frag.GetFullSamples(nil)
	if err != nil {
		return Chunk{}, err
	}
	c := Chunk{
		TrackID:    frag.Moof.Traf.Tfhd.TrackID,
		Sequence:   frag.Moof.Mfhd.SequenceNumber,
		DecodeTime: frag.Moof.Traf.Tfdt.BaseMediaDecodeTime(),
	}
	for _, s := range samples {
		c.Samples = append(c.Samples, Sample{s.Data, s.Dur, s.CompositionTimeOffset, s.IsSync()})
	}
	return c, nil
}

func audioChunk() Chunk {
	c := Chunk{TrackID: 1, Sequence: 1, DecodeTime: 1767225600 * 48000}
	for i := range 24 {
		c.Samples = append(c.Samples, Sample{Data: make([]byte, 330+i%9), Duration: 1024, Sync: true})
	}
	return c
}

func videoChunk() Chunk {
	c := Chunk{TrackID: 1, Sequence: 1, DecodeTime: 1767225600 * 90000}
	for i := range 15 {
		c.Samples = append(c.Samples, Sample{Data: make([]byte, 12000+i), Duration: 3000, Offset: 3000, Sync: i == 0})
	}
	return c
}

func TestChunkAllocatesOnce(t *testing.T) {
	for name, c := range map[string]Chunk{"audio": audioChunk(), "video": videoChunk()} {
		if n := testing.AllocsPerRun(100, func() { sink = c.Bytes() }); n != 1 {
			t.Errorf("%s: %v allocations a chunk, want 1", name, n)
		}
	}
}

// Half a second of sound costs 8 bytes of headers a frame at most.
func TestChunkHeadersAreSmall(t *testing.T) {
	c := audioChunk()
	payload := 0
	for _, s := range c.Samples {
		payload += len(s.Data)
	}
	if got, limit := len(c.Bytes())-payload, 8*len(c.Samples); got > limit+40 {
		t.Errorf("%d bytes of headers for %d frames, want %d at most", got, len(c.Samples), limit+40)
	}
}

var sink []byte

func BenchmarkChunk(b *testing.B) {
	for name, c := range map[string]Chunk{"audio": audioChunk(), "video": videoChunk()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(c.Bytes())))
			b.ReportAllocs()
			for b.Loop() {
				sink = c.Bytes()
			}
		})
	}
}
