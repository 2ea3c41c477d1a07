package codec_test

import (
	"bytes"
	"testing"

	"github.com/headrace/headrace/internal/codec"
	"github.com/headrace/headrace/internal/codec/video"
	"github.com/headrace/headrace/internal/media"
)

func fuzzParseInit(f *testing.F, c media.Codec, records ...string) {
	for _, r := range records {
		f.Add(unhex(f, r))
	}
	for _, r := range rejected {
		if r.codec == c {
			f.Add(unhex(f, r.record))
		}
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		before := bytes.Clone(record)
		if n := codec.NALLengthSize(c, record); n < 1 || n > 4 {
			t.Fatalf("NAL length size %d", n)
		}
		init, err := codec.ParseInit(c, record)
		if !bytes.Equal(before, record) {
			t.Fatal("ParseInit changed its input")
		}
		if err == nil {
			checkInit(t, c, init)
		}
	})
}

// checkInit fails unless init is sane and its Config in normal form.
func checkInit(t *testing.T, c media.Codec, init media.Init) {
	t.Helper()
	if init.Codec != c || init.CodecString == "" || len(init.Config) == 0 || len(init.Config) > video.MaxRecord {
		t.Fatalf("Init %+v", init)
	}
	switch init.Kind() {
	case media.Video:
		if min(init.Width, init.Height) < 1 || max(init.Width, init.Height) > video.MaxSize || init.PixelAspect.Den == 0 {
			t.Fatalf("picture of %dx%d, pixel %v", init.Width, init.Height, init.PixelAspect)
		}
		if r := init.FrameRate.Float(); r != 0 && (r < 1 || r > 300) {
			t.Fatalf("frame rate %v", init.FrameRate)
		}
	case media.Audio:
		if init.SampleRate < 7350 || init.SampleRate > 192000 || init.Channels < 1 || init.Channels > 255 {
			t.Fatalf("%d Hz, %d channels", init.SampleRate, init.Channels)
		}
	}
	again, err := codec.ParseInit(c, init.Config)
	if err != nil || !again.Same(init) || again.CodecString != init.CodecString {
		t.Fatalf("Config %x becomes %x, %v", init.Config, again.Config, err)
	}
}

func FuzzParseInitAVC(f *testing.F) {
	fuzzParseInit(f, media.H264, avcBaseline, avcMain, avcHigh, avcInterlaced, avc422, avcSAR, avcGray, avcHRD)
}
func FuzzParseInitHEVC(f *testing.F) {
	fuzzParseInit(f, media.H265, hevcMain, hevcMain10, hevc422)
}
func FuzzParseInitAV1(f *testing.F) {
	fuzzParseInit(f, media.AV1, av1SVT8, av1SVT10, av1AOM, av1Timing, av1422)
}
func FuzzParseInitAAC(f *testing.F) {
	fuzzParseInit(f, media.AAC, aac44, aacMono, aac51, heAAC, heAACv2, "139056e5a0", "138856e5a54880", "11800400080000")
}
func FuzzParseInitOpus(f *testing.F) {
	fuzzParseInit(f, media.Opus, opusMono, opusStereo, opus51, opusHead)
}

func fuzzInspect(f *testing.F, c media.Codec, record string, units ...[]byte) {
	cur := mustInit(f, c, record)
	for _, u := range units {
		f.Add(u, byte(4))
	}
	for _, b := range broken {
		if b.codec == c {
			f.Add(unhex(f, b.unit), byte(4))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, lengthSize byte) {
		before := bytes.Clone(data)
		u, err := codec.Inspect(cur, data, int(lengthSize))
		if !bytes.Equal(before, data) {
			t.Fatal("Inspect changed its input")
		}
		if err != nil {
			return
		}
		if len(u.Data) > 4*len(data) {
			t.Fatalf("%d bytes became %d", len(data), len(u.Data))
		}
		next := cur
		if u.Init != nil {
			checkInit(t, c, *u.Init)
			next = *u.Init
		}
		if len(u.Data) == 0 {
			if u.Init == nil {
				t.Fatal("neither data nor Init")
			}
			return
		}
		if c == media.AAC {
			return // what is behind an ADTS header may look like another
		}
		again, err := codec.Inspect(next, u.Data, 4)
		if err != nil || again.Init != nil || again.Sync != u.Sync || again.Leading != u.Leading || !bytes.Equal(again.Data, u.Data) {
			t.Fatalf("%+v becomes %+v, %v", u, again, err)
		}
	})
}

func FuzzInspectAVC(f *testing.F) {
	sps, pps := avcSets(f, avcMain)
	fuzzInspect(f, media.H264, avcHigh, nals(f, 4, aud, sps, pps, picTiming, idr), nals(f, 4, recovery, islice, filler, slice), nals(f, 1, slice))
}
func FuzzInspectHEVC(f *testing.F) {
	fuzzInspect(f, media.H265, hevcMain, nals(f, 4, "460150", "2a01af", "1201d0"), unhex(f, "00000018"+hevcMain10[56:104]+"0000002c"+hevcMain10[114:202]+"000000032601af"))
}
func FuzzInspectAV1(f *testing.F) {
	fuzzInspect(f, media.AV1, av1SVT8, unhex(f, "1200"+av1AOM[8:]+"3202100a"), unhex(f, "320220007a02ffff32022001"))
}
func FuzzInspectAAC(f *testing.F) {
	fuzzInspect(f, media.AAC, aac48, unhex(f, "21004cff"), unhex(f, "fff14c80017ffc21004cff"))
}
func FuzzInspectOpus(f *testing.F) {
	fuzzInspect(f, media.Opus, opusStereo, unhex(f, "fc01"), unhex(f, "0d0101"), unhex(f, "1303010203"))
}
