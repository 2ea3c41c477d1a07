package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
)

// Parts of Enhanced RTMP tags (Enhanced RTMP v2, "Enhanced Video" and "Enhanced Audio").
const (
	exVideoKey, exVideoInter = 0x80 | 1<<4, 0x80 | 2<<4 // IsExHeader, frame type
	exAudio                  = 9 << 4                   // SoundFormat: ExHeader
	exStart, exFrames        = 0, 1                     // packet types
	exMultitrack             = 5                        // of audio
)

// TestEnhancedRTMP passes codecs through that only Enhanced RTMP carries: what
// another program reads out of the HLS is, packet for packet, what it had encoded.
func TestEnhancedRTMP(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	for _, c := range []struct {
		name, video, audio string
		videoArgs, audArgs []string
		codecs             []string // in the multivariant playlist
	}{
		{"hevc-aac", "hvc1", "mp4a", []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=30:min-keyint=30:scenecut=0:bframes=2:open-gop=0:log-level=error:pools=1", "-tag:v", "hvc1", "-pix_fmt", "yuv420p"},
			[]string{"-c:a", "aac", "-b:a", "64k"}, []string{"hvc1.", "mp4a.40.2"}},
		{"av1-opus", "av01", "Opus", []string{"-c:v", "libsvtav1", "-preset", "12", "-g", "30", "-svtav1-params", "lp=1", "-pix_fmt", "yuv420p"},
			[]string{"-c:a", "libopus", "-b:a", "64k"}, []string{"av01.", "opus"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "clip.mp4")
			args := append([]string{"-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi", "-t", "8", "-i", picture, "-f", "lavfi", "-t", "8", "-i", sound}, c.videoArgs...)
			args = append(append(args, c.audArgs...), "-movflags", "empty_moov+default_base_moof+frag_keyframe+delay_moov", "-frag_duration", "500000", file)
			capture(t, time.Minute, "ffmpeg", args...)
			tags := enhancedTags(t, file, c.video, c.audio)
			pushed := pushTags(t, s.push(c.name), tags, nil)
			s.waitLive(t, c.name, 1)
			_, master, err := s.get(s.master(c.name))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range append(c.codecs, "FRAME-RATE=30.000") { // AV1 here does not say its rate: it is measured
				if !strings.Contains(string(master), want) {
					t.Errorf("no codec %s in\n%s", want, master)
				}
			}
			out := ffprobe(t, time.Minute, s.master(c.name), fromStart...)
			if err := <-pushed; err != nil {
				t.Error(err)
			}
			in := ffprobe(t, time.Minute, file)
			for _, kind := range []string{"video", "audio"} {
				m, err := align(in.of(kind), out.of(kind))
				if err != nil || m.count < len(in.of(kind))*3/4 || m.spread > 2*inSync {
					t.Errorf("%s: %+v, %v", kind, m, err)
				}
			}
		})
	}
}

// TestMultitrackAudio sends a second audio track: it becomes a rendition of its own.
func TestMultitrackAudio(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	var tags []tag
	for _, g := range readFLV(t, avClip(t, "12")) {
		tags = append(tags, g)
		if g.kind == flvAudio { // once more, as track 1
			kind := byte(exFrames)
			if g.config() {
				kind = exStart
			}
			body := slices.Concat([]byte{exAudio | exMultitrack, 0<<4 | kind}, []byte("mp4a\x01"), g.body[2:])
			tags = append(tags, tag{flvAudio, g.ms, body})
		}
	}
	pushTags(t, s.push("multi"), tags, nil)
	s.waitLive(t, "multi", 2)
	if got := s.tracks(t, "multi"); len(got) != 3 {
		t.Errorf("tracks %v, want v1, a1 and a2", got)
	}
	out := ffprobe(t, time.Minute, s.master("multi"), fromStart...)
	audio := 0
	for _, st := range out.streams {
		if st.Kind == "audio" {
			audio++
		}
	}
	if audio != 2 {
		t.Errorf("ffprobe finds %d audio streams, want 2", audio)
	}
}

// enhancedTags returns the tags of a fragmented MP4 file with one video and one audio
// track, as an encoder would send them.
func enhancedTags(t *testing.T, file, video, audio string) []tag {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := mp4.DecodeFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var tags []tag
	scales := map[uint32]uint64{}
	videoID := uint32(0)
	for _, trak := range f.Init.Moov.Traks {
		id := trak.Tkhd.TrackID
		scales[id] = uint64(trak.Mdia.Mdhd.Timescale)
		stsd := trak.Mdia.Minf.Stbl.Stsd
		if trak.Mdia.Hdlr.HandlerType == "vide" {
			videoID = id
			entry := stsd.HvcX
			name := "hvcC"
			if video == "av01" {
				entry, name = stsd.Av01, "av1C"
			}
			tags = append(tags, tag{flvVideo, 0, slices.Concat([]byte{exVideoKey | exStart}, []byte(video), payload(t, entry.Children, name))})
			continue
		}
		var config []byte
		if audio == "Opus" { // RFC 7845, 5.1: one channel, pre-skip 312, 48 kHz
			config = slices.Concat([]byte("OpusHead\x01\x01"), []byte{0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0})
		} else {
			config = stsd.Mp4a.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig
		}
		tags = append(tags, tag{flvAudio, 0, slices.Concat([]byte{exAudio | exStart}, []byte(audio), config)})
	}
	for _, seg := range f.Segments {
		for _, frag := range seg.Fragments {
			for _, traf := range frag.Moof.Trafs {
				id := traf.Tfhd.TrackID
				trex, _ := f.Init.Moov.Mvex.GetTrex(id)
				samples, err := fullSamples(frag, traf, trex)
				if err != nil {
					t.Fatal(err)
				}
				for _, sm := range samples {
					ms := int64((sm.DecodeTime*1000 + scales[id]/2) / scales[id])
					if id != videoID {
						tags = append(tags, tag{flvAudio, ms, slices.Concat([]byte{exAudio | exFrames}, []byte(audio), sm.Data)})
						continue
					}
					head := []byte{exVideoInter | exFrames}
					if sm.IsSync() {
						head[0] = exVideoKey | exFrames
					}
					head = append(head, video...)
					if video == "hvc1" {
						cts := int64(sm.CompositionTimeOffset) * 1000 / int64(scales[id])
						head = append(head, byte(cts>>16), byte(cts>>8), byte(cts))
					}
					tags = append(tags, tag{flvVideo, ms, slices.Concat(head, sm.Data)})
				}
			}
		}
	}
	slices.SortStableFunc(tags, func(a, b tag) int { return int(a.ms - b.ms) })
	return tags
}

// payload returns what stands in the box of that name, without its header.
func payload(t *testing.T, boxes []mp4.Box, name string) []byte {
	t.Helper()
	for _, box := range boxes {
		if box.Type() == name {
			var b bytes.Buffer
			if err := box.Encode(&b); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()[8:]
		}
	}
	t.Fatalf("no %s", name)
	return nil
}

// fullSamples returns the samples of one track of a fragment.
func fullSamples(frag *mp4.Fragment, traf *mp4.TrafBox, trex *mp4.TrexBox) ([]mp4.FullSample, error) {
	one := &mp4.Fragment{Moof: &mp4.MoofBox{Mfhd: frag.Moof.Mfhd, Traf: traf, Trafs: []*mp4.TrafBox{traf}, StartPos: frag.Moof.StartPos}, Mdat: frag.Mdat}
	return one.GetFullSamples(trex)
}
