package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A packet is one access unit as ffprobe reads it. Times are in seconds.
type packet struct {
	kind     string // "video", "audio"
	pts, dts float64
	key      bool
	hash     string // of its payload
}

// A probe is what ffprobe says of a source.
type probe struct {
	packets []packet
	streams []probeStream
}

type probeStream struct {
	Index      int    `json:"index"`
	Kind       string `json:"codec_type"`
	Codec      string `json:"codec_name"`
	Width      int    `json:"width"`
	Height     int    `json:"height"`
	SampleRate string `json:"sample_rate"`
}

// fromStart makes ffmpeg's HLS reader begin with the first segment of the list.
var fromStart = []string{"-live_start_index", "0"}

// ffprobe reads source to its end. An HLS stream ends when its publisher has been away for ingest.hold.
func ffprobe(t *testing.T, limit time.Duration, source string, options ...string) probe {
	t.Helper()
	args := append([]string{"-v", "error"}, options...)
	return parseProbe(t, capture(t, limit, "ffprobe", append(args, "-show_packets", "-show_data_hash", "md5", "-show_streams", "-of", "json", source)...))
}

func parseProbe(t *testing.T, out []byte) probe {
	t.Helper()
	var raw struct {
		Packets []struct {
			Kind  string `json:"codec_type"`
			PTS   string `json:"pts_time"`
			DTS   string `json:"dts_time"`
			Flags string `json:"flags"`
			Hash  string `json:"data_hash"`
		} `json:"packets"`
		Streams []probeStream `json:"streams"`
	}
	if err := json.Unmarshal(out, &raw); err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	p := probe{streams: raw.Streams}
	for _, k := range raw.Packets {
		q := packet{kind: k.Kind, key: strings.Contains(k.Flags, "K"), hash: k.Hash}
		var err1, err2 error
		q.pts, err1 = strconv.ParseFloat(k.PTS, 64)
		q.dts, err2 = strconv.ParseFloat(k.DTS, 64)
		if err := cmp.Or(err1, err2); err != nil {
			t.Fatalf("ffprobe: packet without a timestamp: %+v", k)
		}
		p.packets = append(p.packets, q)
	}
	return p
}

// of returns the packets of one kind, in order.
func (p probe) of(kind string) []packet {
	var out []packet
	for _, k := range p.packets {
		if k.kind == kind {
			out = append(out, k)
		}
	}
	return out
}

// inSync is how far apart audio and video may come out, in seconds: FLV's milliseconds,
// rounded for each.
const inSync = 0.003

// A match is where packets of the output were found in the input.
type match struct {
	first, count int     // a run input[first:first+count]
	offset       float64 // seconds by which the output's clock is ahead of the input's, in the mean
	spread       float64 // how much that varies, seconds
}

// align finds out as one unbroken run in in, by payload, and compares the timestamps.
func align(in, out []packet) (match, error) {
	if len(out) == 0 {
		return match{}, fmt.Errorf("nothing came out of %d packets", len(in))
	}
	first := -1
	for i := range in {
		if i+len(out) <= len(in) && slices.EqualFunc(in[i:i+len(out)], out, func(a, b packet) bool { return a.hash == b.hash }) {
			first = i
			break
		}
	}
	if first < 0 {
		return match{}, fmt.Errorf("the %d packets that came out are no unbroken run of the %d that went in", len(out), len(in))
	}
	m := match{first: first, count: len(out)}
	least, most := math.Inf(1), math.Inf(-1)
	for i, o := range out {
		src := in[first+i]
		d := o.pts - src.pts
		least, most, m.offset = min(least, d), max(most, d), m.offset+d/float64(len(out))
		if i > 0 && o.dts <= out[i-1].dts {
			return m, fmt.Errorf("DTS does not increase at packet %d: %.6f after %.6f", i, o.dts, out[i-1].dts)
		}
	}
	m.spread = most - least
	return m, nil
}

// sameMedia fails the test unless out is in, unit by unit, with the same timestamps
// but for one offset that audio and video share. lost is how many units of a track
// may be missing at its ends: what arrived before a first keyframe. Audio and video
// may be apart by sync seconds.
func sameMedia(t *testing.T, in, out probe, lost int, sync float64) map[string]match {
	t.Helper()
	found := map[string]match{}
	for _, kind := range []string{"video", "audio"} {
		src := in.of(kind)
		if len(src) == 0 {
			if n := len(out.of(kind)); n > 0 {
				t.Errorf("%d packets of %s came out, none went in", n, kind)
			}
			continue
		}
		m, err := align(src, out.of(kind))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		t.Logf("%s: packets %d to %d of %d, timestamps within %.2f ms", kind, m.first, m.first+m.count, len(src), m.spread*1e3)
		if missing := len(src) - m.count; missing > lost {
			t.Errorf("%s: %d of %d packets are missing", kind, missing, len(src))
		}
		// FLV and RTMP count milliseconds: half of one is lost at each rounding, of the
		// input to the file and of the file to what ingest makes of it.
		if m.spread > 0.002 {
			t.Errorf("%s: timestamps move by %.3f ms against the input's", kind, m.spread*1e3)
		}
		found[kind] = m
	}
	v, haveVideo := found["video"]
	a, haveAudio := found["audio"]
	if haveVideo && haveAudio {
		if d := a.offset - v.offset; math.Abs(d) > sync {
			t.Errorf("audio is %.3f ms off video", d*1e3)
		}
	}
	return found
}

// evenAudio fails the test unless audio packets follow each other by frame samples of rate, exactly.
func evenAudio(t *testing.T, p probe, frame, rate float64) {
	t.Helper()
	audio := p.of("audio")
	for i := 1; i < len(audio); i++ {
		if d := audio[i].dts - audio[i-1].dts; math.Abs(d-frame/rate) > 1.5/rate {
			t.Errorf("audio packet %d comes %.6f s after the one before, want %.6f", i, d, frame/rate)
			return
		}
	}
}
