package codec_test

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/codec"
	"github.com/headrace/headrace/internal/media"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Records of real encoders (libx264 164, libx265 3.5 without its SEI, SVT-AV1 1.4, libaom
// 3.6, ffmpeg's aac, libopus 1.3).
const (
	avcBaseline   = "0142c01effe100196742c01eda0280bfe5c044000003000400000300f03c58ba8001000468ce0fc8"
	avcMain       = "014d4020ffe10017674d4020eca02802dd808800001f48000ea60078c18cb001000468ef8fc8"
	avcHigh       = "01640028ffe1001e67640028acd940780227e5c05a808080a0000003002000000641e30632c001000468ef8fcbfdf8f800"
	avcInterlaced = "01640029ffe1001a67640029acd94078044fde0220000003002000000643e2c5b2c001000468fe8fcbfdf8f800"
	avc422        = "017a0020ffe1001a677a0020b6cd9405005bb011000003000100000300640f18319601000468ef8fcbfefafa00"
	avcSAR        = "0164001effe1001e6764001eacd940b4126ffc010000b5b2000003000200000300641e2c5b2c01000468ef8fcbfdf8f800"
	avcOpenGOP    = "0164000affe100186764000aacd94426c044000003000400000300c83c48965801000568ef81972cfdf8f800"
	hevcMain      = "01016000000090000000000078f000fcfdf8f800000f03a00001001840010c01ffff016000000300900000030000030078959409a10001002b420101016000000300900000030000030078a003c0801107cb965654a4c2f0168080000003008000000f04a2000100064401c073c189"
	hevcMain10    = "01022000000090000000000078f000fcfdfafa00000f03a00001001840010c01ffff022000000300900000030000030078959409a10001002c420101022000000300900000030000030078a00280802d136595952930bc05a84880482000007d20001d4c01a2000100064401c073c189"
	hevcOpenGOP   = "0101600000009000000000001ef000fcfdf8f800000f03a00001001840010c01ffff01600000030090000003000003001e959009a10001002842010101600000030090000003000003001ea020810596564924caf0168080000003008000000c84a2000100074401c172b42240"
	avcGray       = "0164000dffe1001b6764000df365054678f8bc05b2000003000200000300601e28532c01000668ebe3cb22c0fcf8f800"
	avcHRD        = "0164000dffe100246764000dacd941419f9f01100000030010000003030602001e840007a12930c01e28532c01000768ebe3cb3002c0fdf8f800"
	hevc422       = "0104080000009d08000000003cf000fcfefafa00000f03a00001001740010c01ffff0408000003009d0800000300003c959809a10001002b4201010408000003009d0800000300003cb00a480b9c96d96566924caf03a604000003000400000300c820a2000100074401c172b46240"
	av1Timing     = "81000c000a140400000004000000cb400000bc3d06d4daf90040"
	av1422        = "814068000a0b400000043d06d4daf96220"
	av1SVT8       = "81010c000a0b0000000cc4ff6700be0010"
	av1SVT10      = "81084c000a0e00000042abbfc3700be142440241"
	av1AOM        = "81000c000a0b000000043cffbcdaf90040"
	av1Small      = "81000c000a0a00000002afff805f0008"
	aac44         = "121056e500"
	aac48         = "119056e500"
	aacMono       = "118856e500"
	aac51         = "11b056e500"
	heAAC         = "2b920800"
	heAACv2       = "eb8a0800"
	opusMono      = "000101380000bb80000000"
	opusStereo    = "000201380000bb80000000"
	opus51        = "000601380000bb800000010402000401020305"
	opusHead      = "4f707573486561640102380180bb0000000000"
)

var square = media.Rational{Num: 1, Den: 1}

// The values wanted are what ffprobe says of the same streams.
func TestParseInit(t *testing.T) {
	rate := func(num, den uint32) media.Rational { return media.Rational{Num: num, Den: den} }
	for _, c := range []struct {
		name, record string
		want         media.Init // Config nil: as the record
	}{
		{"x264 constrained baseline", avcBaseline, media.Init{Codec: media.H264, CodecString: "avc1.42c01e", Width: 640, Height: 360, PixelAspect: square, FrameRate: rate(30, 1)}},
		{"x264 main 59.94", avcMain, media.Init{Codec: media.H264, CodecString: "avc1.4d4020", Width: 1280, Height: 720, PixelAspect: square, FrameRate: rate(60000, 1001)}},
		{"x264 high 4.0, 1088 cropped to 1080, BT.709", avcHigh, media.Init{Codec: media.H264, CodecString: "avc1.640028", Width: 1920, Height: 1080, PixelAspect: square, FrameRate: rate(25, 1), Color: media.Color{Primaries: 1, Transfer: 1, Matrix: 1}}},
		{"x264 interlaced", avcInterlaced, media.Init{Codec: media.H264, CodecString: "avc1.640029", Width: 1920, Height: 1080, PixelAspect: square, FrameRate: rate(25, 1)}},
		{"x264 4:2:2 10 bit", avc422, media.Init{Codec: media.H264, CodecString: "avc1.7a0020", Width: 1280, Height: 720, PixelAspect: square, FrameRate: rate(50, 1)}},
		{"x264 anamorphic, full range", avcSAR, media.Init{Codec: media.H264, CodecString: "avc1.64001e", Width: 720, Height: 576, PixelAspect: rate(64, 45), FrameRate: rate(25, 1), Color: media.Color{Primaries: 2, Transfer: 2, Matrix: 2, FullRange: true}}},
		{"x264 monochrome", avcGray, media.Init{Codec: media.H264, CodecString: "avc1.64000d", Width: 322, Height: 182, PixelAspect: square, FrameRate: rate(24, 1), Color: media.Color{Primaries: 2, Transfer: 2, Matrix: 2, FullRange: true}}},
		{"x264 with scaling matrices and HRD", avcHRD, media.Init{Codec: media.H264, CodecString: "avc1.64000d", Width: 320, Height: 180, PixelAspect: square, FrameRate: rate(24, 1)}},
		{"x265 4:2:2 10 bit, SAR 10:11, full range", hevc422, media.Init{Codec: media.H265, CodecString: "hvc1.4.10.L60.9D.8", Width: 322, Height: 182, PixelAspect: rate(10, 11), FrameRate: rate(50, 1), Color: media.Color{Primaries: 2, Transfer: 2, Matrix: 2, FullRange: true}}},
		{"libaom with timing info", av1Timing, media.Init{Codec: media.AV1, CodecString: "av01.0.00M.08", Width: 322, Height: 182, PixelAspect: square, FrameRate: rate(50, 1)}},
		{"libaom 4:2:2 12 bit", av1422, media.Init{Codec: media.AV1, CodecString: "av01.2.00M.12.0.100.02.02.02.0", Width: 322, Height: 182, PixelAspect: square}},
		{"x265 main", hevcMain, media.Init{Codec: media.H265, CodecString: "hvc1.1.6.L120.90", Width: 1920, Height: 1080, PixelAspect: square, FrameRate: rate(30, 1)}},
		{"x265 main 10, PQ", hevcMain10, media.Init{Codec: media.H265, CodecString: "hvc1.2.4.L120.90", Width: 1280, Height: 720, PixelAspect: square, FrameRate: rate(60000, 1001), Color: media.Color{Primaries: 9, Transfer: 16, Matrix: 9}}},
		{"SVT-AV1 8 bit", av1SVT8, media.Init{Codec: media.AV1, CodecString: "av01.0.01M.08", Width: 640, Height: 360, PixelAspect: square}},
		{"SVT-AV1 10 bit, PQ", av1SVT10, media.Init{Codec: media.AV1, CodecString: "av01.0.08M.10.0.110.09.16.09.0", Width: 1920, Height: 1080, PixelAspect: square, Color: media.Color{Primaries: 9, Transfer: 16, Matrix: 9}}},
		{"libaom", av1AOM, media.Init{Codec: media.AV1, CodecString: "av01.0.00M.08", Width: 320, Height: 240, PixelAspect: square}},
		{"AAC-LC 44.1", aac44, media.Init{Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 44100, Channels: 2, FrameLength: 1024}},
		{"AAC-LC 48", aac48, media.Init{Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 48000, Channels: 2, FrameLength: 1024}},
		{"AAC-LC mono", aacMono, media.Init{Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 48000, Channels: 1, FrameLength: 1024}},
		{"AAC-LC 5.1", aac51, media.Init{Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 48000, Channels: 6, FrameLength: 1024}},
		{"AAC-LC 7.1", "11b8", media.Init{Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 48000, Channels: 8, FrameLength: 1024}},
		{"AAC-LC, 960 samples a frame", "1194", media.Init{Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 48000, Channels: 2, FrameLength: 960}},
		{"HE-AAC, explicit", heAAC, media.Init{Codec: media.AAC, CodecString: "mp4a.40.5", SampleRate: 44100, Channels: 2, FrameLength: 2048}},
		{"HE-AAC v2, explicit", heAACv2, media.Init{Codec: media.AAC, CodecString: "mp4a.40.29", SampleRate: 44100, Channels: 2, FrameLength: 2048}},
		{"HE-AAC, backward compatible", "139056e5a0", media.Init{Codec: media.AAC, CodecString: "mp4a.40.5", Config: unhex(t, heAAC), SampleRate: 44100, Channels: 2, FrameLength: 2048}},
		{"HE-AAC v2, backward compatible", "138856e5a54880", media.Init{Codec: media.AAC, CodecString: "mp4a.40.29", Config: unhex(t, heAACv2), SampleRate: 44100, Channels: 2, FrameLength: 2048}},
		{"Opus mono", opusMono, media.Init{Codec: media.Opus, CodecString: "opus", SampleRate: 48000, Channels: 1}},
		{"Opus stereo", opusStereo, media.Init{Codec: media.Opus, CodecString: "opus", SampleRate: 48000, Channels: 2}},
		{"Opus 5.1", opus51, media.Init{Codec: media.Opus, CodecString: "opus", SampleRate: 48000, Channels: 6}},
		{"Opus stereo, from Ogg", opusHead, media.Init{Codec: media.Opus, CodecString: "opus", Config: unhex(t, opusStereo), SampleRate: 48000, Channels: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			record := unhex(t, c.record)
			if c.want.Config == nil {
				c.want.Config = unhex(t, c.record)
			}
			got, err := codec.ParseInit(c.want.Codec, record)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			clear(record)
			if again, err := codec.ParseInit(got.Codec, got.Config); err != nil || !again.Same(got) {
				t.Errorf("Config is not its own normal form: %x, %v", again.Config, err)
			}
		})
	}
}

func TestParseInitNormalises(t *testing.T) {
	for _, c := range []struct {
		name      string
		codec     media.Codec
		got, want string
	}{
		{"NAL lengths of 2 bytes", media.H264, "01640028fd" + avcHigh[10:], avcHigh},
		{"a header that contradicts the SPS", media.H264, "01420010ff" + avcHigh[10:], avcHigh},
		{"High profile without chroma format", media.H264, avcHigh[:len(avcHigh)-8], avcHigh},
		{"zeros behind the SPS", media.H264, avcMain[:12] + "0019" + avcMain[16:62] + "0000" + avcMain[62:], avcMain},
		{"hvcC version 0, lengths of 1 byte", media.H265, "00" + hevcMain[2:42] + "0c" + hevcMain[44:], hevcMain},
		{"av1C that contradicts the sequence header", media.AV1, "81ffff00" + av1SVT10[8:], av1SVT10},
		{"a sequence header without size", media.AV1, "81010c0008" + av1SVT8[12:], av1SVT8},
	} {
		init, err := codec.ParseInit(c.codec, unhex(t, c.got))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := hex.EncodeToString(init.Config); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestHEVCKeepsStaticHDRMetadata(t *testing.T) {
	const mastering = "4e018918" + "33c286c41d4c0bb884d03e80" + "3d13404200989680" + "00000032" + "80"
	const settings = "4e010503aabbcc80"
	record := unhex(t, hevcMain10)
	record[22] = 4
	record = append(record, unhex(t, "270002001d"+mastering+"0008"+settings)...)
	init, err := codec.ParseInit(media.H265, record)
	if err != nil {
		t.Fatal(err)
	}
	want := append(unhex(t, hevcMain10), unhex(t, "270001001d"+mastering)...)
	want[22] = 4
	if d := cmp.Diff(want, init.Config); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestNALLengthSize(t *testing.T) {
	for _, c := range []struct {
		codec  media.Codec
		record string
		want   int
	}{
		{media.H264, avcHigh, 4}, {media.H264, "01640028fd", 2}, {media.H264, "01640028fc", 1},
		{media.H264, "", 4}, {media.H265, hevcMain, 4}, {media.H265, hevcMain[:42] + "0d03", 2},
		{media.H265, "", 4}, {media.AV1, av1SVT8, 4}, {media.AAC, aac44, 4},
	} {
		if got := codec.NALLengthSize(c.codec, unhex(t, c.record)); got != c.want {
			t.Errorf("%v %.20s: got %d, want %d", c.codec, c.record, got, c.want)
		}
	}
}

// rejected are records that no decoder could be set up with.
var rejected = []struct {
	name   string
	codec  media.Codec
	record string
}{
	{"R7 AVC: empty", media.H264, ""},
	{"R7 AVC: header alone", media.H264, "01640028ff"},
	{"R7 AVC: no SPS", media.H264, "01640028ffe001000468ef8fcb"},
	{"R7 AVC: null SPS", media.H264, "01640028ffe1000001000468ef8fcb"},
	{"R7 AVC: SPS of zeros", media.H264, "01640028ffe100040000000001000468ef8fcb"},
	{"R7 AVC: no PPS", media.H264, avcMain[:62] + "00"},
	{"R7 AVC: all zero", media.H264, "00000000000000000000"},
	{"R7 HEVC: empty", media.H265, ""},
	{"R7 HEVC: header alone", media.H265, hevcMain[:44] + "00"},
	{"R7 HEVC: all zero", media.H265, "0000000000000000000000000000000000000000000000000000"},
	{"R7 HEVC: null SPS", media.H265, hevcMain[:44] + "01a100010000"},
	{"R7 AV1: empty", media.AV1, ""},
	{"R7 AV1: no sequence header", media.AV1, "81010c00"},
	{"R7 AV1: null sequence header", media.AV1, "81010c000a00"},
	{"R7 AAC: empty", media.AAC, ""},
	{"R7 AAC: one byte", media.AAC, "12"},
	{"R7 AAC: zeros", media.AAC, "0000"},
	{"R7 Opus: empty", media.Opus, ""},
	{"R7 Opus: magic alone", media.Opus, "4f70757348656164"},
	{"R7 Opus: zeros", media.Opus, "0000000000000000000000"},
	{"R7 no codec", 0, avcHigh},

	{"E1 AVC: truncated SPS", media.H264, "01640028ffe1000567640028ac01000468ef8fcb"},
	{"E1 AVC: SPS longer than the record", media.H264, "01640028ffe1ffff6764"},
	{"E1 AVC: 3-byte lengths", media.H264, "01640028fe" + avcHigh[10:]},
	{"E1 AVC: 16400 wide", media.H264, "0142c01effe1000a6742c01eda00100416e401000468ce0fc8"},
	{"E1 AVC: 2^31 macroblocks wide and high", media.H264, "0142c01effe100176742c01eda0000030001fffffffc000003000ffffffff901000468ce0fc8"},
	{"E1 AVC: cropped to nothing", media.H264, "0142c01effe1000b6742c01eda0280bf80507401000468ce0fc8"},
	{"E1 AVC: cropped by 2^31", media.H264, "0142c01effe1001d6742c01eda0280bf80000003008000000300800000030080000003004001000468ce0fc8"},

	{"E2 AAC: no channels in the program config", media.AAC, "1180040000000000"},
	{"E2 AAC: program config missing", media.AAC, "1180"},
	{"E2 AAC: reserved channel configuration", media.AAC, "11c8"},
	{"E2 AAC: reserved rate index 13", media.AAC, "1690"},
	{"E2 AAC: explicit rate of 0 Hz", media.AAC, "1780000010"},
	{"E2 AAC: explicit rate of 16 MHz", media.AAC, "17ffffff9000"},
	{"E2 AAC: ADTS", media.AAC, "fff15080017ffc"},
	{"E2 AAC: SBR from 8 to 96 kHz", media.AAC, "2d900800"},
	{"E2 AAC: USAC", media.AAC, "f95010"},

	{"E3 AV1: sequence header beyond the record", media.AV1, "81010c000aff7f00"},
	{"E3 AV1: size of 2^56", media.AV1, "81010c000affffffffffffff7f"},
	{"E3 AV1: 65536x65536", media.AV1, "81010c000a0c0000000fffffffffff00be00100000"},
	{"E3 AV1: truncated sequence header", media.AV1, "81010c000a040000000c"},
	{"E3 HEVC: more units than the record holds", media.H265, hevcMain[:44] + "01a1ffff0000"},
}

func testRejected(t *testing.T, row string) {
	t.Helper()
	n := 0
	for _, c := range rejected {
		if c.name[:2] != row {
			continue
		}
		n++
		if init, err := codec.ParseInit(c.codec, unhex(t, c.record)); err == nil {
			t.Errorf("%s: accepted as %+v", c.name, init)
		} else {
			t.Logf("%s: %v", c.name, err)
		}
	}
	if n == 0 {
		t.Fatal("no cases")
	}
}

func TestFault_R7_EmptyAndNullConfigurations(t *testing.T) { testRejected(t, "R7") }
func TestFault_E1_AbsurdAVCConfigurations(t *testing.T)    { testRejected(t, "E1") }
func TestFault_E2_AbsurdAACConfigurations(t *testing.T)    { testRejected(t, "E2") }
func TestFault_E3_OverflowingConfigurations(t *testing.T)  { testRejected(t, "E3") }

func TestFault_E2_7350HzIsLegal(t *testing.T) {
	init, err := codec.ParseInit(media.AAC, unhex(t, "1610"))
	if err != nil || init.SampleRate != 7350 || init.Channels != 2 {
		t.Errorf("got %+v, %v", init, err)
	}
}

func TestFault_E2_SBRComesAndGoes(t *testing.T) {
	lc, err := codec.ParseInit(media.AAC, unhex(t, "1390"))
	if err != nil {
		t.Fatal(err)
	}
	he, err := codec.ParseInit(media.AAC, unhex(t, heAAC))
	if err != nil {
		t.Fatal(err)
	}
	if lc.Same(he) || lc.SampleRate != 22050 || he.SampleRate != 44100 {
		t.Errorf("with SBR %+v, without %+v", he, lc)
	}
}
