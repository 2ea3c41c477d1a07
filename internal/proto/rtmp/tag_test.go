package rtmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/media"
)

type tagParser func([]tagPacket, []byte) ([]tagPacket, error)

// cat joins numbers (as bytes), strings and byte slices.
func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		default:
			panic("cat: neither a number nor bytes")
		}
	}
	return b
}

type tagCase struct {
	name    string
	payload []byte
	want    []tagPacket
	err     error
}

func checkTags(t *testing.T, parse tagParser, cases []tagCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(nil, c.payload)
			if !errors.Is(err, c.err) {
				t.Errorf("error: got %v, want %v", err, c.err)
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(tagPacket{})); d != "" {
				t.Errorf("packets (-want +got):\n%s", d)
			}
		})
	}
}

func avc(kind packetKind, frame frameType, cts int32, data string) tagPacket {
	return tagPacket{kind: kind, coding: fourCCAVC, codec: media.H264, frame: frame, composition: cts, data: []byte(data)}
}

func hevc(kind packetKind, frame frameType, cts int32, data string) tagPacket {
	p := avc(kind, frame, cts, data)
	p.coding, p.codec = fourCCHEVC, media.H265
	return p
}

func TestParseVideoLegacy(t *testing.T) {
	sorenson := tagPacket{kind: packetFrame, coding: legacyVideo | 2, frame: frameKey, data: []byte("x")}
	checkTags(t, parseVideo, []tagCase{
		{"empty message", nil, nil, nil},
		{"AVC configuration", cat(0x17, 0, 0, 0, 0, "avcC"), []tagPacket{avc(packetConfig, frameKey, 0, "avcC")}, nil},
		{"AVC key frame", cat(0x17, 1, 0, 0, 80, "nalu"), []tagPacket{avc(packetFrame, frameKey, 80, "nalu")}, nil},
		{"AVC disposable frame", cat(0x37, 1, 0, 0, 0, "n"), []tagPacket{avc(packetFrame, frameDisposable, 0, "n")}, nil},
		{"AVC end of two bytes", cat(0x17, 2), []tagPacket{{kind: packetEnd, coding: fourCCAVC, codec: media.H264, frame: frameKey}}, nil},
		{"AVC packet type 3", cat(0x17, 3, 0, 0, 0), []tagPacket{{kind: packetUnknown, coding: fourCCAVC, codec: media.H264, frame: frameKey}}, nil},
		{"HEVC before Enhanced RTMP", cat(0x2C, 1, 0, 0, 33, "n"), []tagPacket{hevc(packetFrame, frameInter, 33, "n")}, nil},
		{"Sorenson H.263", cat(0x12, "x"), []tagPacket{sorenson}, nil},
		{"seek start", cat(0x57, 0), []tagPacket{{kind: packetSeekStart, coding: fourCCAVC, codec: media.H264, frame: frameCommand}}, nil},
		{"seek end", cat(0x57, 1), []tagPacket{{kind: packetSeekEnd, coding: fourCCAVC, codec: media.H264, frame: frameCommand}}, nil},
	})
}

// TestParseVideoEnhanced has the cases of the Enhanced video tag. Composition times of
// HEVC run from -1 to 5 as encoders with pictures out of order send them.
func TestParseVideoEnhanced(t *testing.T) {
	av1 := func(kind packetKind, frame frameType, data string) tagPacket {
		return tagPacket{kind: kind, coding: fourCCAV1, codec: media.AV1, frame: frame, data: []byte(data)}
	}
	nano := hevc(packetFrame, frameInter, 0, "n")
	nano.nano = 999_999
	cases := []tagCase{
		{"HEVC configuration", cat(0x90, "hvc1hvcC"), []tagPacket{hevc(packetConfig, frameKey, 0, "hvcC")}, nil},
		{"HEVC without composition time", cat(0xA3, "hvc1n"), []tagPacket{hevc(packetFrame, frameInter, 0, "n")}, nil},
		{"HEVC end", cat(0x92, "hvc1"), []tagPacket{hevc(packetEnd, frameKey, 0, "")}, nil},
		{"AVC as FourCC", cat(0x91, "avc1", 0, 0, 40, "n"), []tagPacket{avc(packetFrame, frameKey, 40, "n")}, nil},
		{"AV1 has no composition time", cat(0x91, "av01", 0, 0, 40), []tagPacket{av1(packetFrame, frameKey, "\x00\x00\x28")}, nil},
		{"AV1 descriptor of MPEG-2 TS", cat(0x95, "av01desc"), []tagPacket{av1(packetDescriptor, frameKey, "desc")}, nil},
		{"colour metadata", cat(0x94, "hvc1\x02\x00\x09colorInfo"), []tagPacket{hevc(packetMetadata, frameKey, 0, "\x02\x00\x09colorInfo")}, nil},
		{"metadata on a command frame", cat(0xD4, "hvc1x"), []tagPacket{hevc(packetMetadata, frameCommand, 0, "x")}, nil},
		{"seek start has no FourCC", cat(0xD1, 0), []tagPacket{{kind: packetSeekStart, frame: frameCommand}}, nil},
		{"seek end has no FourCC", cat(0xD0, 1), []tagPacket{{kind: packetSeekEnd, frame: frameCommand}}, nil},
		{"unknown command", cat(0xD0, 9), []tagPacket{{kind: packetUnknown, frame: frameCommand}}, nil},
		{"unknown packet type", cat(0x9C, "hvc1x"), []tagPacket{hevc(packetUnknown, frameKey, 0, "x")}, nil},
		{"ModEx with a nanosecond offset", cat(0xA7, 2, 0x0F, 0x42, 0x3F, 0x03, "hvc1n"), []tagPacket{nano}, nil},
		{"ModEx of size 256", cat(0xA7, 255, 0, 255, make([]byte, 256), 0x13, "hvc1n"), []tagPacket{hevc(packetFrame, frameInter, 0, "n")}, nil},
		{"ModEx of size 257", cat(0xA7, 255, 1, 0, make([]byte, 257), 0x13, "hvc1n"), []tagPacket{hevc(packetFrame, frameInter, 0, "n")}, nil},
		{"two ModEx", cat(0xA7, 0, "x", 0x17, 2, 0x0F, 0x42, 0x3F, 0x03, "hvc1n"), []tagPacket{nano}, nil},
		{"nanosecond offset out of range", cat(0xA7, 2, 0x0F, 0x42, 0x40, 0x03, "hvc1n"), []tagPacket{hevc(packetFrame, frameInter, 0, "n")}, nil},
	}
	for cts := int32(-1); cts <= 5; cts++ {
		cases = append(cases, tagCase{"HEVC composition time", cat(0xA1, "hvc1", appendS24(nil, cts), "n"),
			[]tagPacket{hevc(packetFrame, frameInter, cts, "n")}, nil})
	}
	checkTags(t, parseVideo, cases)
}

func TestParseAudio(t *testing.T) {
	sound := func(kind packetKind, c coding, data string) tagPacket {
		return tagPacket{kind: kind, coding: c, codec: c.codec(), data: []byte(data)}
	}
	checkTags(t, parseAudio, []tagCase{
		{"empty message", nil, nil, nil},
		{"AAC configuration", cat(0xAF, 0, "\x11\x90\x56\xe5"), []tagPacket{sound(packetConfig, fourCCAAC, "\x11\x90\x56\xe5")}, nil},
		{"AAC frame", cat(0xAF, 1, "raw"), []tagPacket{sound(packetFrame, fourCCAAC, "raw")}, nil},
		{"AAC packet type 2", cat(0xAF, 2, "raw"), []tagPacket{sound(packetUnknown, fourCCAAC, "raw")}, nil},
		{"MP3", cat(0x2F, "x"), []tagPacket{sound(packetFrame, fourCCMP3, "x")}, nil},
		{"G.711", cat(0x72, "x"), []tagPacket{sound(packetFrame, legacyAudio|7, "x")}, nil},
		{"Opus configuration", cat(0x90, "OpusOpusHead"), []tagPacket{sound(packetConfig, fourCCOpus, "OpusHead")}, nil},
		{"Opus frame", cat(0x91, "Opusx"), []tagPacket{sound(packetFrame, fourCCOpus, "x")}, nil},
		{"AAC as FourCC", cat(0x91, "mp4ax"), []tagPacket{sound(packetFrame, fourCCAAC, "x")}, nil},
		{"channel layout", cat(0x94, "Opus", 1, 2), []tagPacket{sound(packetChannels, fourCCOpus, "\x01\x02")}, nil},
		{"end", cat(0x92, "Opus"), []tagPacket{sound(packetEnd, fourCCOpus, "")}, nil},
		{"ModEx", cat(0x97, 0, "x", 0x11, "Opusx"), []tagPacket{sound(packetFrame, fourCCOpus, "x")}, nil},
		{"unknown packet type", cat(0x9A, "Opusx"), []tagPacket{sound(packetUnknown, fourCCOpus, "x")}, nil},
	})
}

// TestParseMultitrack: two video and two audio tracks in each multitrack type.
func TestParseMultitrack(t *testing.T) {
	on := func(track uint8, p tagPacket) tagPacket { p.track = track; return p }
	av1 := tagPacket{kind: packetFrame, coding: fourCCAV1, codec: media.AV1, frame: frameKey, data: []byte("tu")}
	aac := tagPacket{kind: packetFrame, coding: fourCCAAC, codec: media.AAC, data: []byte("raw")}
	opus := tagPacket{kind: packetFrame, coding: fourCCOpus, codec: media.Opus, data: []byte("o")}
	alien := tagPacket{kind: packetFrame, coding: 'z'<<24 | 'z'<<16 | 'z'<<8 | '9', frame: frameKey, data: []byte("?")}
	checkTags(t, parseVideo, []tagCase{
		{"one track", cat(0x96, 0x01, "hvc1", 1, 0, 0, 2, "n"), []tagPacket{on(1, hevc(packetFrame, frameKey, 2, "n"))}, nil},
		{"many tracks", cat(0x96, 0x11, "hvc1", 0, 0, 0, 4, 0, 0, 2, "n", 1, 0, 0, 5, 0, 0, 3, "mm"), []tagPacket{
			on(0, hevc(packetFrame, frameKey, 2, "n")), on(1, hevc(packetFrame, frameKey, 3, "mm"))}, nil},
		{"many tracks, many codecs", cat(0x96, 0x21, "hvc1", 0, 0, 0, 4, 0, 0, 2, "n", "av01", 1, 0, 0, 2, "tu"), []tagPacket{
			on(0, hevc(packetFrame, frameKey, 2, "n")), on(1, av1)}, nil},
		{"unknown FourCC between others", cat(0x96, 0x21, "av01", 0, 0, 0, 2, "tu", "zzz9", 1, 0, 0, 1, "?", "av01", 2, 0, 0, 2, "tu"),
			[]tagPacket{av1, on(1, alien), on(2, av1)}, nil},
		{"ModEx before", cat(0x97, 0, 0, 0x16, 0x01, "hvc1", 1, 0, 0, 2, "n"), []tagPacket{on(1, hevc(packetFrame, frameKey, 2, "n"))}, nil},
		{"unknown packet type within", cat(0x96, 0x0E, "hvc1", 1, "n"), []tagPacket{on(1, hevc(packetUnknown, frameKey, 0, "n"))}, nil},
	})
	checkTags(t, parseAudio, []tagCase{
		{"one track", cat(0x95, 0x01, "mp4a", 1, "raw"), []tagPacket{on(1, aac)}, nil},
		{"many tracks", cat(0x95, 0x11, "mp4a", 0, 0, 0, 3, "raw", 1, 0, 0, 3, "raw"), []tagPacket{aac, on(1, aac)}, nil},
		{"many tracks, many codecs", cat(0x95, 0x21, "mp4a", 0, 0, 0, 3, "raw", "Opus", 1, 0, 0, 1, "o"), []tagPacket{aac, on(1, opus)}, nil},
	})
}

// TestFault_R7_EmptyConfig: a sequence header without a byte is no configuration, and
// so is a frame without a byte no frame; the caller counts and drops them.
func TestFault_R7_EmptyConfig(t *testing.T) {
	empty := func(c coding, frame frameType) []tagPacket {
		return []tagPacket{{kind: packetEmpty, coding: c, codec: c.codec(), frame: frame, data: []byte{}}}
	}
	checkTags(t, parseVideo, []tagCase{
		{"AVC configuration", cat(0x17, 0, 0, 0, 0), empty(fourCCAVC, frameKey), nil},
		{"AVC frame", cat(0x27, 1, 0, 0, 0), empty(fourCCAVC, frameInter), nil},
		{"HEVC configuration", cat(0x90, "hvc1"), empty(fourCCHEVC, frameKey), nil},
		{"AV1 frame", cat(0x91, "av01"), empty(fourCCAV1, frameKey), nil},
	})
	checkTags(t, parseAudio, []tagCase{
		{"AAC configuration", cat(0xAF, 0), empty(fourCCAAC, 0), nil},
		{"AAC frame", cat(0xAF, 1), empty(fourCCAAC, 0), nil},
		{"Opus configuration", cat(0x90, "Opus"), empty(fourCCOpus, 0), nil},
	})
}

func TestFault_R9_UnknownFourCC(t *testing.T) {
	for name, parse := range map[string]func([]byte) ([]tagPacket, error){
		"video": func(id []byte) ([]tagPacket, error) { return parseVideo(nil, cat(0x91, id, "data")) },
		"audio": func(id []byte) ([]tagPacket, error) { return parseAudio(nil, cat(0x91, id, "data")) },
	} {
		for _, id := range []string{"vp09", "ac-3", "zzzz", "\x00\xff\n%", "avc2"} {
			got, err := parse([]byte(id))
			if err != nil || len(got) != 1 {
				t.Fatalf("%s %q: got %v, %v, want one packet", name, id, got, err)
			}
			if got[0].codec != 0 {
				t.Errorf("%s %q: got codec %v, want none", name, id, got[0].codec)
			}
			if s := got[0].coding.String(); strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%s %q: name %q is not safe to log", name, id, s)
			}
		}
	}
}

func TestFault_R9_Limits(t *testing.T) {
	modEx := func(n int) []byte {
		b := cat(0xA7)
		for i := range n {
			next := 0x17
			if i == n-1 {
				next = 0x13
			}
			b = cat(b, 0, "x", next)
		}
		return cat(b, "hvc1n")
	}
	tracks := func(n int) []byte {
		return cat(0x96, 0x13, "hvc1", bytes.Repeat(cat(7, 0, 0, 1, "n"), n))
	}
	for _, c := range []struct {
		name    string
		payload []byte
		packets int
		err     error
	}{
		{"32 ModEx", modEx(32), 1, nil},
		{"33 ModEx", modEx(33), 0, errTagModEx},
		{"multitrack without a track", tracks(0), 0, nil},
		{"255 tracks", tracks(255), 255, nil},
		{"257 tracks", tracks(257), 256, errTagPackets},
		{"a million tracks", tracks(1_000_000), 256, errTagPackets},
		{"metadata of 64 KiB", cat(0x94, "hvc1", make([]byte, 64<<10)), 1, nil},
		{"metadata of 64 KiB and a byte", cat(0x94, "hvc1", make([]byte, 64<<10+1)), 0, errTagLarge},
		{"configuration of 64 KiB and a byte", cat(0x17, 0, 0, 0, 0, make([]byte, 64<<10+1)), 0, errTagLarge},
		{"multitrack in multitrack", cat(0x96, 0x06, "hvc1", 0, "n"), 0, errTagNesting},
		{"multitrack type 3", cat(0x96, 0x31, "hvc1", 0, "n"), 0, errTagMultitype},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseVideo(nil, c.payload)
			if len(got) != c.packets || !errors.Is(err, c.err) {
				t.Errorf("got %d packets, %v, want %d, %v", len(got), err, c.packets, c.err)
			}
		})
	}
}

// TestFault_R11_Truncated cuts every kind of tag at every byte: never a panic, and
// never a packet made of bytes that are not there.
func TestFault_R11_Truncated(t *testing.T) {
	for _, c := range []struct {
		parse   tagParser
		payload []byte
		header  int // bytes without which the tag is an error
	}{
		{parseVideo, cat(0x17, 1, 0, 0, 80), 5},
		{parseVideo, cat(0x17, 0, 0, 0, 0), 5},
		{parseVideo, cat(0x57, 0), 2},
		{parseVideo, cat(0xA1, "hvc1", 0, 0, 80), 8},
		{parseVideo, cat(0xA3, "hvc1"), 5},
		{parseVideo, cat(0xD0, 1), 2},
		{parseVideo, cat(0xA7, 2, 0, 0, 1, 0x03, "hvc1"), 10},
		{parseVideo, cat(0x96, 0x01, "hvc1", 1, 0, 0, 2), 10},
		{parseAudio, cat(0xAF, 1), 2},
		{parseAudio, cat(0x91, "Opus"), 5},
		{parseAudio, cat(0x95, 0x01, "Opus", 1), 7},
	} {
		for n := 1; n <= len(c.payload); n++ {
			got, err := c.parse(nil, c.payload[:n])
			if short := n < c.header; short != errors.Is(err, errTagShort) || short != (len(got) == 0) {
				t.Errorf("% x, %d bytes: got %d packets, %v", c.payload, n, len(got), err)
			}
		}
	}
}

// TestFault_R11_SizeBeyondMessage: a track that says it is longer than the message is
// dropped; those before it stand.
func TestFault_R11_SizeBeyondMessage(t *testing.T) {
	got, err := parseVideo(nil, cat(0x96, 0x13, "hvc1", 0, 0, 0, 1, "n", 1, 0, 0, 3, "nn"))
	want := []tagPacket{hevc(packetFrame, frameKey, 0, "n")}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(tagPacket{})); d != "" || !errors.Is(err, errTagShort) {
		t.Errorf("got %v (-want +got):\n%s", err, d)
	}
	if _, err = parseVideo(nil, cat(0x96, 0x11, "hvc1", 0, 0, 0, 2, "nn")); !errors.Is(err, errTagShort) {
		t.Errorf("track without room for its composition time: got %v, want %v", err, errTagShort)
	}
}

func TestFault_R11_CompositionTime(t *testing.T) {
	for _, c := range []struct {
		wire, want int32
		clamped    bool
	}{
		{0, 0, false}, {-40, -40, false}, {10_000, 10_000, false}, {-10_000, -10_000, false},
		{10_001, 0, true}, {-8_388_608, 0, true}, {8_388_607, 0, true},
	} {
		for _, head := range [][]byte{{0x27, 1}, cat(0xA1, "hvc1")} {
			got, err := parseVideo(nil, cat(head, appendS24(nil, c.wire), "n"))
			if err != nil || got[0].composition != c.want || got[0].clamped != c.clamped {
				t.Errorf("% x, %d ms: got %v, %v, want %d, clamped %v", head, c.wire, got, err, c.want, c.clamped)
			}
		}
	}
}

func TestCodingNames(t *testing.T) {
	for c, want := range map[coding]string{fourCCAVC: "avc1", legacyVideo | 4: "VP6", legacyVideo | 9: "legacy codec 9",
		legacyAudio | 11: "Speex", 0: "0x00000000", 0xFFFFFFFF: "0xffffffff"} {
		if got := c.String(); got != want {
			t.Errorf("%#x: got %q, want %q", uint32(c), got, want)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	many := cat(0x96, 0x11, "hvc1", 0, 0, 0, 4, 0, 0, 2, "n", 1, 0, 0, 5, 0, 0, 3, "mm")
	raw := []byte{0xAF, 1, 0}
	dst := make([]tagPacket, 0, 4)
	if n := testing.AllocsPerRun(100, func() {
		parseVideo(dst[:0], many)
		parseAudio(dst[:0], raw)
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

// TestTagRoundTrip: what we write for players is what we would read.
func TestTagRoundTrip(t *testing.T) {
	dOps := cat(0, 2, 0x01, 0x38, 0, 0, 0xBB, 0x80, 0xFF, 0xFE, 0)
	for _, codec := range []media.Codec{media.H264, media.H265, media.AV1, media.AAC, media.Opus} {
		for _, track := range []uint8{0, 1, 9} {
			tr := tagTrack{init: media.Init{Codec: codec, Config: []byte("config")}, track: track}
			want := "config"
			if codec == media.Opus {
				tr.init.Config = dOps
				want = "OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\xfe\xff\x00"
			}
			parse := tagParser(parseAudio)
			if codec.Kind() == media.Video {
				parse = parseVideo
			}
			config, err := tr.config()
			if err != nil {
				t.Fatal(err)
			}
			got, err := parse(nil, append(tr.appendHeader(nil, packetConfig, true, 0), config...))
			if err != nil || len(got) != 1 || got[0].kind != packetConfig || got[0].codec != codec ||
				got[0].track != track || string(got[0].data) != want {
				t.Errorf("%v track %d: got %+v, %v", codec, track, got, err)
			}
			for _, cts := range []int32{0, -1, 5, 80} {
				for _, key := range []bool{true, false} {
					head := tr.appendHeader(nil, packetFrame, key, cts)
					if len(head) > maxTagHeader {
						t.Errorf("%v track %d: header of %d bytes", codec, track, len(head))
					}
					got, err := parse(nil, append(head, "data"...))
					if err != nil || len(got) != 1 {
						t.Fatalf("%v track %d: got %+v, %v", codec, track, got, err)
					}
					g := got[0]
					if g.kind != packetFrame || g.codec != codec || g.track != track || string(g.data) != "data" {
						t.Errorf("%v track %d: got %+v", codec, track, g)
					}
					if codec.Kind() == media.Video && g.key() != key {
						t.Errorf("%v track %d: got key %v, want %v", codec, track, g.key(), key)
					}
					if codec != media.AV1 && codec.Kind() == media.Video && g.composition != cts {
						t.Errorf("%v track %d: got composition %d, want %d", codec, track, g.composition, cts)
					}
				}
			}
		}
	}
}

// TestTagBytes holds the forms that players know, byte for byte.
func TestTagBytes(t *testing.T) {
	for _, c := range []struct {
		name  string
		track tagTrack
		kind  packetKind
		cts   int32
		want  []byte
	}{
		{"AVC configuration", tagTrack{init: media.Init{Codec: media.H264}}, packetConfig, 0, cat(0x17, 0, 0, 0, 0)},
		{"AVC frame", tagTrack{init: media.Init{Codec: media.H264}}, packetFrame, -1, cat(0x17, 1, 0xFF, 0xFF, 0xFF)},
		{"AAC frame", tagTrack{init: media.Init{Codec: media.AAC}}, packetFrame, 0, cat(0xAF, 1)},
		{"HEVC with composition time", tagTrack{init: media.Init{Codec: media.H265}}, packetFrame, 2, cat(0x91, "hvc1", 0, 0, 2)},
		{"HEVC without", tagTrack{init: media.Init{Codec: media.H265}}, packetFrame, 0, cat(0x93, "hvc1")},
		{"AV1", tagTrack{init: media.Init{Codec: media.AV1}}, packetFrame, 0, cat(0x91, "av01")},
		{"second AAC", tagTrack{init: media.Init{Codec: media.AAC}, track: 1}, packetConfig, 0, cat(0x95, 0x00, "mp4a", 1)},
		{"second AVC", tagTrack{init: media.Init{Codec: media.H264}, track: 1}, packetFrame, 0, cat(0x96, 0x03, "avc1", 1)},
	} {
		if got := c.track.appendHeader(nil, c.kind, true, c.cts); !bytes.Equal(got, c.want) {
			t.Errorf("%s: got % x, want % x", c.name, got, c.want)
		}
	}
	if _, err := (tagTrack{init: media.Init{Codec: media.Opus, Config: []byte{0, 2}}}).config(); err == nil {
		t.Error("dOps of two bytes: got no error")
	}
}

func TestMetaData(t *testing.T) {
	got := metaData([]tagTrack{
		{init: media.Init{Codec: media.H264, Width: 1280, Height: 720, FrameRate: media.Rational{Num: 30, Den: 1}}},
		{init: media.Init{Codec: media.Opus, SampleRate: 48000, Channels: 2}},
		{init: media.Init{Codec: media.AAC, SampleRate: 44100, Channels: 1}, track: 1},
	})
	want := ECMAArray{{"duration", 0.0}, {"width", 1280.0}, {"height", 720.0}, {"framerate", 30.0}, {"videocodecid", 7.0},
		{"audiosamplerate", 48000.0}, {"audiosamplesize", 16.0}, {"stereo", true}, {"audiochannels", 2.0},
		{"audiocodecid", float64(binary.BigEndian.Uint32([]byte("Opus")))}, {"encoder", "Headrace"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func fuzzTags(f *testing.F, parse tagParser) {
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := slices.Clone(payload)
		got, _ := parse(nil, payload)
		if !bytes.Equal(before, payload) {
			t.Error("the parser wrote to its input")
		}
		if len(got) > maxTagPackets {
			t.Errorf("%d packets", len(got))
		}
		total := 0
		for _, p := range got {
			total += len(p.data)
			if p.kind == 0 || p.nano > 999_999 || p.composition < -maxComposition || p.composition > maxComposition {
				t.Errorf("out of range: %+v", p)
			}
			if p.codec != p.coding.codec() || (p.kind == packetFrame || p.kind == packetConfig) && len(p.data) == 0 {
				t.Errorf("inconsistent: %+v", p)
			}
			_ = p.coding.String()
		}
		if total > len(payload) {
			t.Errorf("%d bytes of data out of %d of payload", total, len(payload))
		}
	})
}

func FuzzVideoTag(f *testing.F) {
	for _, seed := range [][]byte{
		cat(0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1F), cat(0x27, 1, 0xFF, 0xFF, 0xD8, "nalu"), cat(0x17, 2, 0, 0, 0), cat(0x57, 0),
		cat(0x1C, 0, 0, 0, 0, "hvcC"), cat(0x90, "hvc1hvcC"), cat(0xA1, "hvc1", 0, 0, 2, "n"), cat(0xA3, "av01tu"), cat(0xD0, 1),
		cat(0x94, "hvc1\x02\x00\x09colorInfo"), cat(0xA7, 2, 0, 0, 9, 0x03, "hvc1n"), cat(0xA7, 255, 0, 255, make([]byte, 256), 0x13, "hvc1n"),
		cat(0x96, 0x01, "hvc1", 1, 0, 0, 2, "n"), cat(0x96, 0x13, "hvc1", 0, 0, 0, 1, "n", 1, 0, 0, 1, "n"),
		cat(0x96, 0x21, "hvc1", 0, 0, 0, 4, 0, 0, 2, "n", "av01", 1, 0, 0, 2, "tu"),
	} {
		f.Add(seed)
	}
	fuzzTags(f, parseVideo)
}

func FuzzAudioTag(f *testing.F) {
	for _, seed := range [][]byte{
		cat(0xAF, 0, 0x11, 0x90), cat(0xAF, 1, "raw"), cat(0x2F, "mp3"), cat(0x90, "OpusOpusHead"), cat(0x91, "mp4araw"),
		cat(0x94, "Opus", 1, 2), cat(0x97, 0, "x", 0x11, "Opusx"), cat(0x95, 0x01, "mp4a", 1, "raw"),
		cat(0x95, 0x11, "mp4a", 0, 0, 0, 3, "raw", 1, 0, 0, 3, "raw"), cat(0x95, 0x21, "mp4a", 0, 0, 0, 3, "raw", "Opus", 1, 0, 0, 1, "o"),
	} {
		f.Add(seed)
	}
	fuzzTags(f, parseAudio)
}
