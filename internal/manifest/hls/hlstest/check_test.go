package hlstest

import (
	"strings"
	"testing"
)

const good = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3,HOLD-BACK=6,CAN-SKIP-UNTIL=12
#EXT-X-PART-INF:PART-TARGET=1
#EXT-X-MEDIA-SEQUENCE:10
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T10:00:00.000Z
#EXTINF:2.00000,
10.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T10:00:02.000Z
#EXT-X-PART:DURATION=1.00000,URI="p-2.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=1.00000,URI="p-3.m4s"
#EXTINF:2.00000,
11.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T10:00:04.000Z
#EXT-X-PART:DURATION=1.00000,URI="p-4.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p-5.m4s"
#EXT-X-RENDITION-REPORT:URI="../a1/media.m3u8",LAST-MSN=12,LAST-PART=0
`

func TestGoodPlaylistPasses(t *testing.T) {
	for _, err := range Check(nil, []byte(good)) {
		t.Error(err)
	}
	for _, err := range Check([]byte(good), []byte(good)) {
		t.Error(err)
	}
}

// Every rule finds what breaks it.
func TestCheckCanFail(t *testing.T) {
	for _, c := range []struct{ name, old, new string }{
		{"byte order mark", "#EXTM3U", "\ufeff#EXTM3U"},
		{"carriage return", "#EXTM3U\n", "#EXTM3U\r\n"},
		{"no version", "#EXT-X-VERSION:9\n", ""},
		{"tag twice", "#EXT-X-VERSION:9\n", "#EXT-X-VERSION:9\n#EXT-X-VERSION:9\n"},
		{"space in attributes", "PART-HOLD-BACK=3,", "PART-HOLD-BACK=3, "},
		{"attribute twice", "HOLD-BACK=6,", "HOLD-BACK=6,HOLD-BACK=6,"},
		{"low PART-HOLD-BACK", "PART-HOLD-BACK=3", "PART-HOLD-BACK=2.9"},
		{"low HOLD-BACK", ",HOLD-BACK=6", ",HOLD-BACK=5"},
		{"low CAN-SKIP-UNTIL", "CAN-SKIP-UNTIL=12", "CAN-SKIP-UNTIL=11"},
		{"no blocking", "CAN-BLOCK-RELOAD=YES,", ""},
		{"part without PART-INF", "#EXT-X-PART-INF:PART-TARGET=1\n", ""},
		{"not independent", "#EXT-X-INDEPENDENT-SEGMENTS\n", ""},
		{"no MAP", "#EXT-X-MAP:URI=\"init-1.mp4\"\n", ""},
		{"few decimals", "EXTINF:2.00000", "EXTINF:2.000"},
		{"over TARGETDURATION", "#EXTINF:2.00000,\n10.m4s", "#EXTINF:2.50000,\n10.m4s"},
		{"no EXTINF", "#EXTINF:2.00000,\n10.m4s", "10.m4s"},
		{"no date", "#EXT-X-PROGRAM-DATE-TIME:2026-03-01T10:00:02.000Z\n", ""},
		{"date jumps", "10:00:02.000Z", "10:00:02.500Z"},
		{"date without milliseconds", "10:00:02.000Z", "10:00:02Z"},
		{"same segment twice", "11.m4s", "10.m4s"},
		{"same part twice", "p-3.m4s", "p-2.m4s"},
		{"part over target", "DURATION=1.00000,URI=\"p-4", "DURATION=1.00001,URI=\"p-4"},
		{"parts do not sum up", "DURATION=1.00000,URI=\"p-3", "DURATION=0.99000,URI=\"p-3"},
		{"MAP behind part", "#EXT-X-PART:DURATION=1.00000,URI=\"p-3.m4s\"\n", "#EXT-X-PART:DURATION=1.00000,URI=\"p-3.m4s\"\n#EXT-X-MAP:URI=\"x\"\n"},
		{"hint of part that is there", "p-5.m4s", "p-4.m4s"},
		{"no hint", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p-5.m4s\"\n", ""},
		{"hint in ended list", "p-5.m4s\"\n", "p-5.m4s\"\n#EXT-X-ENDLIST\n"},
		{"absolute report", "../a1", "/a1"},
		{"discontinuity without MAP", "11.m4s\n", "11.m4s\n#EXT-X-DISCONTINUITY\n"},
		{"unquoted URI", "\"p-4.m4s\"", "p-4.m4s"},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		if bad == good {
			t.Fatalf("%s: nothing changed", c.name)
		}
		if len(Check(nil, []byte(bad))) == 0 {
			t.Errorf("%s: nothing found", c.name)
		}
	}
}

func TestChangeCanFail(t *testing.T) {
	for _, c := range []struct{ name, old, new string }{
		{"sequence back", "SEQUENCE:10", "SEQUENCE:9"},
		{"target duration", "TARGETDURATION:2", "TARGETDURATION:1"},
		{"URI changed", "10.m4s", "10b.m4s"},
		{"duration changed", "#EXTINF:2.00000,\n10", "#EXTINF:1.99000,\n10"},
		{"discontinuity number changed", "DISCONTINUITY-SEQUENCE:0", "DISCONTINUITY-SEQUENCE:1"},
		{"part changed", "p-3.m4s", "p-3b.m4s"},
		{"MAP changed", "init-1", "init-2"},
		{"removed too much", "SEQUENCE:10", "SEQUENCE:11"},
		{"another part than hinted", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p-5.m4s\"", "#EXT-X-PART:DURATION=1.00000,URI=\"p-6.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p-7.m4s\""},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		if len(Check([]byte(good), []byte(bad))) == 0 {
			t.Errorf("%s: nothing found", c.name)
		}
	}
}

func TestMultivariantCanFail(t *testing.T) {
	const good = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="Audio 1",LANGUAGE="und",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="a1/media.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=3230000,AVERAGE-BANDWIDTH=2918000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970,VIDEO-RANGE=SDR,AUDIO="aac",CLOSED-CAPTIONS=NONE
v1/media.m3u8
`
	for _, err := range Check(nil, []byte(good)) {
		t.Error(err)
	}
	for _, c := range []struct{ name, old, new string }{
		{"no group", `GROUP-ID="aac"`, `GROUP-ID="b"`},
		{"average over peak", "=2918000", "=3918000"},
		{"no codecs", `CODECS="avc1.64001f,mp4a.40.2",`, ""},
		{"audio not in codecs", ",mp4a.40.2", ""},
		{"frame rate", "29.970", "29.97"},
		{"resolution", "1280x720", "1280"},
		{"no video range", "VIDEO-RANGE=SDR,", ""},
		{"no URI", "\nv1/media.m3u8", "\n"},
		{"no channels", `CHANNELS="2",`, ""},
		{"default without autoselect", "AUTOSELECT=YES", "AUTOSELECT=NO"},
	} {
		if len(Check(nil, []byte(strings.Replace(good, c.old, c.new, 1)))) == 0 {
			t.Errorf("%s: nothing found", c.name)
		}
	}
}
