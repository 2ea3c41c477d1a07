package codec_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/codec"
	"github.com/headrace/headrace/internal/codec/avc"
	"github.com/headrace/headrace/internal/codec/hevc"
	"github.com/headrace/headrace/internal/media"
)

// An accessUnit is a line of a file in testdata.
type accessUnit struct {
	key  bool
	pts  int64
	data []byte
}

func readUnits(t testing.TB, name string) []accessUnit {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var units []accessUnit
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if strings.HasPrefix(sc.Text(), "#") {
			continue
		}
		var u accessUnit
		var key, data string
		if _, err := fmt.Sscan(sc.Text(), &key, &u.pts, &data); err != nil {
			t.Fatal(err)
		}
		u.key, u.data = key == "K", unhex(t, data)
		units = append(units, u)
	}
	if len(units) < 12 {
		t.Fatalf("%s: %d units", name, len(units))
	}
	return units
}

func mustInit(t testing.TB, c media.Codec, record string) media.Init {
	t.Helper()
	init, err := codec.ParseInit(c, unhex(t, record))
	if err != nil {
		t.Fatal(err)
	}
	return init
}

// nals joins NAL units, in hex, with lengths of size bytes.
func nals(t testing.TB, size int, units ...string) []byte {
	t.Helper()
	var out []byte
	for _, u := range units {
		b := unhex(t, u)
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(b)))
		out = append(append(out, n[4-size:]...), b...)
	}
	return out
}

const (
	aud    = "0910"
	filler = "0cffffff80"
	slice  = "419a0203" // P
	idr    = "65888421"
	// recovery is an SEI with a recovery point; islice the first bytes of an I slice.
	recovery  = "060601c480"
	islice    = "4188840a"
	picTiming = "0601010480"
)

func avcSets(t testing.TB, record string) (sps, pps string) {
	t.Helper()
	s, p := avc.ParameterSets(unhex(t, record))
	return hex.EncodeToString(s[0]), hex.EncodeToString(p[0])
}

func TestInspectAVC(t *testing.T) {
	cur := mustInit(t, media.H264, avcHigh)
	sps, pps := avcSets(t, avcHigh)
	for _, c := range []struct {
		name       string
		lengthSize int
		in, want   []string
		sync       bool
	}{
		{"nothing to strip", 4, []string{slice, slice}, []string{slice, slice}, false},
		{"IDR with all that goes before it", 4, []string{aud, sps, pps, picTiming, idr}, []string{picTiming, idr}, true},
		{"filler behind the slice", 4, []string{slice, filler}, []string{slice}, false},
		{"delimiters between what stays", 4, []string{picTiming, aud, slice}, []string{picTiming, slice}, false},
		{"empty units", 4, []string{"", slice, "", slice}, []string{slice, slice}, false},
		{"lengths of 1 byte", 1, []string{sps, pps, idr}, []string{idr}, true},
		{"lengths of 2 bytes", 2, []string{slice, slice}, []string{slice, slice}, false},
		{"parameter sets with zeros behind", 4, []string{sps + "0000", pps + "00", idr}, []string{idr}, true},
		{"I slice without a recovery point", 4, []string{picTiming, islice}, []string{picTiming, islice}, false},
		{"I slice with a recovery point", 4, []string{recovery, islice}, []string{recovery, islice}, true},
		{"recovery point in the second message of the second SEI", 4, []string{picTiming, "060101040601c480", islice}, []string{picTiming, "060101040601c480", islice}, true},
		{"P slice with a recovery point: intra refresh", 4, []string{recovery, slice}, []string{recovery, slice}, false},
		{"I and P slices with a recovery point", 4, []string{recovery, islice, slice}, []string{recovery, islice, slice}, false},
		{"second field of an IDR picture", 4, []string{idr, slice}, []string{idr, slice}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := codec.Inspect(cur, nals(t, c.lengthSize, c.in...), c.lengthSize)
			if err != nil {
				t.Fatal(err)
			}
			want := codec.Unit{Data: nals(t, 4, c.want...), Sync: c.sync}
			if d := cmp.Diff(want, u); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestInspectNewAVCParameterSets(t *testing.T) {
	cur := mustInit(t, media.H264, avcHigh)
	_, pps := avcSets(t, avcHigh)
	sps2, pps2 := avcSets(t, avcMain)
	t.Run("another picture size", func(t *testing.T) {
		u, err := codec.Inspect(cur, nals(t, 4, aud, sps2, pps2, idr), 4)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(nals(t, 4, idr), u.Data); d != "" {
			t.Error(d)
		}
		if want := mustInit(t, media.H264, avcMain); u.Init == nil || !cmp.Equal(want, *u.Init) {
			t.Fatalf("got %+v, want %+v", u.Init, want)
		}
		if u, err = codec.Inspect(*u.Init, nals(t, 4, aud, sps2, pps2, idr), 4); err != nil || u.Init != nil {
			t.Errorf("the same again: %+v, %v", u.Init, err)
		}
	})
	t.Run("one more PPS", func(t *testing.T) {
		const second = "685ee3cb"
		u, err := codec.Inspect(cur, nals(t, 4, second, slice), 4)
		if err != nil || u.Init == nil {
			t.Fatalf("got %+v, %v", u, err)
		}
		_, got := avc.ParameterSets(u.Init.Config)
		if d := cmp.Diff([][]byte{unhex(t, second), unhex(t, pps)}, got); d != "" {
			t.Error(d)
		}
		if u, err = codec.Inspect(*u.Init, nals(t, 4, pps, second, slice), 4); err != nil || u.Init != nil {
			t.Errorf("both again: %+v, %v", u.Init, err)
		}
	})
	t.Run("no configuration before", func(t *testing.T) {
		u, err := codec.Inspect(media.Init{Codec: media.H264}, nals(t, 4, sps2, pps2, idr), 4)
		if want := mustInit(t, media.H264, avcMain); err != nil || u.Init == nil || !cmp.Equal(want, *u.Init) {
			t.Fatalf("got %+v, %v", u.Init, err)
		}
	})
	t.Run("parameter sets alone", func(t *testing.T) {
		u, err := codec.Inspect(cur, nals(t, 4, sps2, pps2), 4)
		if err != nil || u.Init == nil || len(u.Data) != 0 {
			t.Fatalf("got %+v, %v", u, err)
		}
	})
}

func TestInspectNewHEVCParameterSets(t *testing.T) {
	cur := mustInit(t, media.H265, hevcMain)
	vps, sps, pps := hevc.ParameterSets(unhex(t, hevcMain10))
	in := nals(t, 4, "460150", hex.EncodeToString(vps[0]), hex.EncodeToString(sps[0]), hex.EncodeToString(pps[0]), "2601af")
	u, err := codec.Inspect(cur, in, 4)
	if err != nil {
		t.Fatal(err)
	}
	if want := mustInit(t, media.H265, hevcMain10); u.Init == nil || !cmp.Equal(want, *u.Init) {
		t.Fatalf("got %+v, want %+v", u.Init, want)
	}
	if d := cmp.Diff(nals(t, 4, "2601af"), u.Data); d != "" || !u.Sync {
		t.Error(d, u.Sync)
	}
	if u, err = codec.Inspect(*u.Init, in, 4); err != nil || u.Init != nil {
		t.Errorf("the same again: %+v, %v", u.Init, err)
	}
}

func TestInspectHEVC(t *testing.T) {
	cur := mustInit(t, media.H265, hevcMain)
	for _, c := range []struct {
		name          string
		in, want      []string
		sync, leading bool
	}{
		{"trailing picture", []string{"0201d0"}, []string{"0201d0"}, false, false},
		{"IDR_N_LP behind a delimiter", []string{"460150", "2801af"}, []string{"2801af"}, true, false},
		{"CRA", []string{"2a01af"}, []string{"2a01af"}, true, false},
		{"BLA_W_LP", []string{"2001af"}, []string{"2001af"}, true, false},
		{"RASL_R", []string{"1201d0"}, []string{"1201d0"}, false, true},
		{"RADL_R", []string{"0e01d0"}, []string{"0e01d0"}, false, false},
		{"a layer above the base", []string{"0201d0", "0209d0"}, []string{"0201d0"}, false, false},
		{"filler data in the middle", []string{"0201d0", "4c01ff80", "5001aa80"}, []string{"0201d0", "5001aa80"}, false, false},
	} {
		u, err := codec.Inspect(cur, nals(t, 4, c.in...), 4)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d := cmp.Diff(codec.Unit{Data: nals(t, 4, c.want...), Sync: c.sync, Leading: c.leading}, u); d != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, d)
		}
	}
}

func TestInspectAV1(t *testing.T) {
	cur := mustInit(t, media.AV1, av1SVT8)
	header := av1SVT8[8:]
	other := av1AOM[8:]
	const key, inter, frame2 = "3202100a", "32022000", "32022001"
	for _, c := range []struct {
		name, in, want string
		sync           bool
		init           string
	}{
		{"key frame behind delimiter and header", "1200" + header + key, header + key, true, ""},
		{"inter frame", inter, inter, false, ""},
		{"frame without size", "1200" + "302000", "302000", false, ""},
		{"show_existing_frame", "1a0188", "1a0188", false, ""},
		{"key frame not shown", "32020000", "32020000", false, ""},
		{"padding between frames", inter + "7a02ffff" + frame2, inter + frame2, false, ""},
		{"another sequence header", "1200" + other + key, other + key, true, av1AOM},
		{"another sequence header alone", "1200" + other, "", false, av1AOM},
	} {
		u, err := codec.Inspect(cur, unhex(t, c.in), 4)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if hex.EncodeToString(u.Data) != c.want || u.Sync != c.sync {
			t.Errorf("%s: got %x sync %v, want %s sync %v", c.name, u.Data, u.Sync, c.want, c.sync)
		}
		if c.init == "" && u.Init != nil || c.init != "" && (u.Init == nil || hex.EncodeToString(u.Init.Config) != "81000c00"+other) {
			t.Errorf("%s: Init %+v", c.name, u.Init)
		}
	}
}

func TestInspectAV1Stream(t *testing.T) {
	cur := mustInit(t, media.AV1, av1Small)
	for i, au := range readUnits(t, "av1") {
		u, err := codec.Inspect(cur, au.data, 4)
		if err != nil {
			t.Fatalf("unit %d: %v", i, err)
		}
		// SVT-AV1 1.4 writes another sequence header than it put into av1C.
		if (u.Init != nil) != (i == 0) || u.Sync != au.key || !bytes.Equal(u.Data, au.data) {
			t.Errorf("unit %d: got %+v, key %v", i, u, au.key)
		}
		if u.Init != nil {
			cur = *u.Init
		}
	}
}

func TestInspectAudio(t *testing.T) {
	aac := mustInit(t, media.AAC, aac48)
	he := mustInit(t, media.AAC, heAAC)
	opus := mustInit(t, media.Opus, opusStereo)
	for _, c := range []struct {
		name     string
		cur      media.Init
		in, want string
		duration media.Ticks
	}{
		{"AAC-LC", aac, "21004cff", "21004cff", 1024},
		{"HE-AAC", he, "21004cff", "21004cff", 2048},
		{"AAC behind ADTS", aac, "fff14c80017ffc" + "21004cff", "21004cff", 1024},
		{"AAC behind ADTS with CRC", aac, "fff04c8001bffcabcd" + "21004cff", "21004cff", 1024},
		{"HE-AAC behind ADTS, which has the core's rate", he, "fff15c80017ffc" + "21004cff", "21004cff", 2048},
		{"Opus CELT 20 ms", opus, "fc01", "fc01", 960},
		{"Opus CELT 2.5 ms", opus, "e001", "e001", 120},
		{"Opus SILK 60 ms", opus, "1801", "1801", 2880},
		{"Opus hybrid 10 ms", opus, "6001", "6001", 480},
		{"Opus two frames of 20 ms", opus, "0d0101", "0d0101", 1920},
		{"Opus three frames of 40 ms", opus, "1303010203", "1303010203", 5760},
	} {
		in := unhex(t, c.in)
		if strings.Contains(c.name, "ADTS") {
			n := len(in)
			in[3] = in[3]&^3 | byte(n>>11)
			in[4], in[5] = byte(n>>3), in[5]&0x1f|byte(n<<5)
		}
		got, err := codec.Inspect(c.cur, in, 4)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d := cmp.Diff(codec.Unit{Data: unhex(t, c.want), Sync: true, Duration: c.duration}, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, d)
		}
	}
}

// broken are access units that have to be dropped.
var broken = []struct {
	name   string
	codec  media.Codec
	record string
	unit   string
}{
	{"E1 AVC: empty", media.H264, avcHigh, ""},
	{"E1 AVC: length beyond the packet", media.H264, avcHigh, "0000000565888400"},
	{"E1 AVC: length of 2^32-1", media.H264, avcHigh, "ffffffff65888400"},
	{"E1 AVC: cut length", media.H264, avcHigh, "00000002658800"},
	{"E1 AVC: zero lengths only", media.H264, avcHigh, "0000000000000000"},
	{"E1 AVC: delimiter only", media.H264, avcHigh, "000000020910"},
	{"E1 AVC: forbidden bit", media.H264, avcHigh, "00000002e588"},
	{"E1 AVC: new SPS of zeros", media.H264, avcHigh, "000000086700000000000001000000026588"},
	{"E1 AVC: new SPS, truncated", media.H264, avcHigh, "00000006674d4020eca0000000026588"},
	{"E1 HEVC: length beyond the packet", media.H265, hevcMain, "000000092601af"},
	{"E1 HEVC: unit of one byte", media.H265, hevcMain, "0000000126"},
	{"E1 HEVC: temporal id 0", media.H265, hevcMain, "000000032600af"},
	{"E1 HEVC: delimiter only", media.H265, hevcMain, "00000003460150"},
	{"E3 HEVC: new SPS, truncated", media.H265, hevcMain, "00000006420101016000000000032601af"},
	{"E3 AV1: empty", media.AV1, av1SVT8, ""},
	{"E3 AV1: delimiter only", media.AV1, av1SVT8, "1200"},
	{"E3 AV1: huge OBU", media.AV1, av1SVT8, "32ffffffff0f10"},
	{"E3 AV1: size that never ends", media.AV1, av1SVT8, "32ffffffffffffffffff"},
	{"E3 AV1: forbidden bit", media.AV1, av1SVT8, "b20110"},
	{"E3 AV1: empty frame", media.AV1, av1SVT8, "3200"},
	{"E2 AAC: empty", media.AAC, aac48, ""},
	{"E2 AAC: ADTS header alone", media.AAC, aac48, "fff14c8000fffc"},
	{"E2 AAC: ADTS with another length", media.AAC, aac48, "fff14c8001bffc21004cff"},
	{"E2 AAC: ADTS with another rate", media.AAC, aac48, "fff15080017ffc21004cff"},
	{"E2 AAC: ADTS with other channels", media.AAC, aac48, "fff14c40017ffc21004cff"},
	{"E2 Opus: empty", media.Opus, opusStereo, ""},
	{"E2 Opus: no frames", media.Opus, opusStereo, "ff00"},
	{"E2 Opus: 63 frames of 20 ms", media.Opus, opusStereo, "ff3f"},
}

func testBroken(t *testing.T, row string) {
	t.Helper()
	n := 0
	for _, c := range broken {
		if c.name[:2] != row {
			continue
		}
		n++
		if u, err := codec.Inspect(mustInit(t, c.codec, c.record), unhex(t, c.unit), 4); err == nil {
			t.Errorf("%s: accepted as %+v", c.name, u)
		} else {
			t.Logf("%s: %v", c.name, err)
		}
	}
	if n == 0 {
		t.Fatal("no cases")
	}
}

func TestFault_E1_BrokenAccessUnitIsAnError(t *testing.T)  { testBroken(t, "E1") }
func TestFault_E2_BrokenAudioPacketIsAnError(t *testing.T) { testBroken(t, "E2") }
func TestFault_E3_HugeOBUIsAnError(t *testing.T)           { testBroken(t, "E3") }

func TestFault_E1_LengthSizes(t *testing.T) {
	for _, size := range []int{-1, 0, 3, 5, 8} {
		if _, err := codec.Inspect(mustInit(t, media.H264, avcHigh), unhex(t, "00000002658800000000"), size); err == nil {
			t.Errorf("length size %d accepted", size)
		}
	}
}

func TestFault_E1_FloodOfParameterSets(t *testing.T) {
	unit := bytes.Repeat(nals(t, 4, "68ce0fc8"), 10_000)
	if _, err := codec.Inspect(mustInit(t, media.H264, avcHigh), unit, 4); err == nil {
		t.Error("accepted")
	}
}

// The streams have open GOPs: keyframes behind the first are I pictures with a recovery
// point (x264) or CRA with RASL (x265). What is sync and leading is known from outside:
// ffprobe's key flags, and PTS below that of the keyframe before.
func TestFault_E4_OpenGOP(t *testing.T) {
	for _, c := range []struct {
		name   string
		codec  media.Codec
		record string
		rasl   bool
	}{
		{"h264-open-gop", media.H264, avcOpenGOP, false},
		{"h265-open-gop", media.H265, hevcOpenGOP, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cur := mustInit(t, c.codec, c.record)
			keys, leading := 0, 0
			var keyPTS int64
			for i, au := range readUnits(t, c.name) {
				u, err := codec.Inspect(cur, au.data, 4)
				if err != nil {
					t.Fatalf("unit %d: %v", i, err)
				}
				if au.key {
					keys++
					keyPTS = au.pts
				}
				lead := c.rasl && au.pts < keyPTS
				if lead {
					leading++
				}
				if u.Sync != au.key || u.Leading != lead || u.Init != nil {
					t.Errorf("unit %d: got sync %v leading %v init %v, want %v %v", i, u.Sync, u.Leading, u.Init, au.key, lead)
				}
			}
			if keys < 3 || c.rasl && leading == 0 {
				t.Errorf("%d keyframes, %d leading pictures: the stream shows nothing", keys, leading)
			}
		})
	}
}

func TestInspectAllocations(t *testing.T) {
	sps, pps := avcSets(t, avcHigh)
	vps5, sps5, pps5 := hevc.ParameterSets(unhex(t, hevcMain))
	sets5 := []string{hex.EncodeToString(vps5[0]), hex.EncodeToString(sps5[0]), hex.EncodeToString(pps5[0])}
	for _, c := range []struct {
		name   string
		codec  media.Codec
		record string
		unit   []byte
		want   float64
	}{
		{"AVC, nothing to strip", media.H264, avcHigh, nals(t, 4, picTiming, slice, slice), 0},
		{"AVC, recovery point", media.H264, avcHigh, nals(t, 4, recovery, islice), 0},
		{"AVC, repeated parameter sets in front", media.H264, avcHigh, nals(t, 4, aud, sps, pps, idr), 0},
		{"AVC, a delimiter in the middle", media.H264, avcHigh, nals(t, 4, picTiming, sps, pps, idr), 1},
		{"HEVC, nothing to strip", media.H265, hevcMain, nals(t, 4, "0201d0"), 0},
		{"HEVC, repeated parameter sets in front", media.H265, hevcMain, nals(t, 4, append(sets5, "2601af")...), 0},
		{"HEVC, repeated parameter sets in the middle", media.H265, hevcMain, nals(t, 4, "4e01aa80", sets5[0], "2601af"), 1},
		{"AV1, delimiter and header", media.AV1, av1SVT8, unhex(t, "1200"+av1SVT8[8:]+"3202100a"), 0},
		{"AV1, padding in the middle", media.AV1, av1SVT8, unhex(t, "32022000"+"7a02ffff"+"32022001"), 1},
		{"AAC", media.AAC, aac48, unhex(t, "21004cff"), 0},
		{"Opus", media.Opus, opusStereo, unhex(t, "fc01"), 0},
	} {
		cur := mustInit(t, c.codec, c.record)
		var err error
		got := testing.AllocsPerRun(100, func() { _, err = codec.Inspect(cur, c.unit, 4) })
		if err != nil || got != c.want {
			t.Errorf("%s: %v allocations, want %v (%v)", c.name, got, c.want, err)
		}
	}
}

func BenchmarkInspect(b *testing.B) {
	sps, pps := avcSets(b, avcHigh)
	frame := slice + strings.Repeat("ab", 20_000)
	for _, c := range []struct {
		name   string
		codec  media.Codec
		record string
		unit   []byte
	}{
		{"avc/inter", media.H264, avcHigh, nals(b, 4, frame)},
		{"avc/idr", media.H264, avcHigh, nals(b, 4, aud, sps, pps, idr+strings.Repeat("ab", 80_000))},
		{"avc/stripped", media.H264, avcHigh, nals(b, 4, picTiming, filler, frame)},
		{"hevc/inter", media.H265, hevcMain, nals(b, 4, "0201d0"+strings.Repeat("ab", 20_000))},
		{"av1/key", media.AV1, av1SVT8, unhex(b, "1200"+av1SVT8[8:]+"3202100a")},
		{"aac", media.AAC, aac48, unhex(b, "21004cff")},
		{"opus", media.Opus, opusStereo, unhex(b, "fc01")},
	} {
		b.Run(c.name, func(b *testing.B) {
			cur := mustInit(b, c.codec, c.record)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := codec.Inspect(cur, c.unit, 4); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
