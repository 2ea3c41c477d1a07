package e2e

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// clipWith is a clip with x264 set up by options.
func clipWith(t *testing.T, name, seconds string, options ...string) string {
	t.Helper()
	base := []string{"-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "30", "-sc_threshold", "0", "-b:v", "300k", "-threads", "1"}
	return makeClip(t, name, encode(seconds, picture, sound, append(base, options...)...)...)
}

// TestStreams sends what encoders really send, each kind as a stream of its own, and
// checks with ffprobe that every access unit comes out once and at its time.
func TestStreams(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	copied := func(file func(t *testing.T) string, options ...string) func(*testing.T, string) string {
		return func(t *testing.T, url string) string {
			f := file(t)
			pushFFmpeg(t, f, url, options...)
			return f
		}
	}
	shifted := func(ms int64) func(*testing.T, string) string {
		return func(t *testing.T, url string) string {
			f := avClip(t, "12")
			pushTags(t, url, readFLV(t, f), func(g *tag) bool { g.ms += ms; return true })
			return f
		}
	}
	for _, c := range []struct {
		name    string
		publish func(t *testing.T, url string) (source string)
		rate    float64 // of the audio, Hz; 0: there is none
		lost    int
	}{
		{"Fault_E4_BFrames", copied(func(t *testing.T) string { return clipWith(t, "bframes", "12", "-bf", "3") }), 48000, 3},
		{"Fault_E4_OpenGOP", copied(func(t *testing.T) string {
			return clipWith(t, "opengop", "12", "-bf", "3", "-x264-params", "open-gop=1:b-adapt=0:b-pyramid=normal")
		}), 48000, 5},
		{"Fault_E12_VariableFrameRate", copied(func(t *testing.T) string {
			return makeClip(t, "vfr", append(encode("12", picture, sound, append(x264, "-vf", "select='lt(mod(n,30),15)+not(mod(n,4))'", "-vsync", "vfr")...), "-force_key_frames", "expr:gte(t,n_forced)")...)
		}), 48000, 3},
		{"Fault_E12_60fps", copied(func(t *testing.T) string {
			return makeClip(t, "60fps", encode("12", "testsrc2=s=320x180:r=60", sound, append(x264, "-g", "60")...)...)
		}), 48000, 4},
		{"Fault_E12_240fps", copied(func(t *testing.T) string {
			return makeClip(t, "240fps", encode("10", "testsrc2=s=160x90:r=240", sound, append(x264, "-g", "240")...)...)
		}), 48000, 10},
		{"Fault_E12_1fps", copied(func(t *testing.T) string {
			return makeClip(t, "1fps", encode("14", "testsrc2=s=320x180:r=1", sound, append(x264, "-g", "2")...)...)
		}), 48000, 3},
		{"2997fps", copied(func(t *testing.T) string {
			return makeClip(t, "2997", encode("12", "testsrc2=s=320x180:r=30000/1001", sound, x264...)...)
		}), 48000, 3},
		{"Fault_E11_AudioOnly", copied(func(t *testing.T) string { return makeClip(t, "audio", encode("12", "", sound)...) }), 48000, 3},
		{"Fault_E11_VideoOnly", copied(func(t *testing.T) string { return makeClip(t, "video", encode("12", picture, "", x264...)...) }), 0, 3},
		{"44100Hz", copied(func(t *testing.T) string {
			return makeClip(t, "44100", append(encode("12", picture, sound, x264...), "-ar", "44100")...)
		}), 44100, 3},
		{"Fault_E10_KeyframeEveryFrame", copied(func(t *testing.T) string { return clipWith(t, "intra", "12", "-g", "1") }), 48000, 3},
		{"Fault_E10_GOP10s", copied(func(t *testing.T) string { return clipWith(t, "gop10", "25", "-g", "300", "-bf", "0") }), 48000, 3},
		{"ffmpeg-beyond-24-bit", copied(func(t *testing.T) string { return avClip(t, "12") }, "-output_ts_offset", "16790"), 48000, 3},
		{"across-24-bit", shifted(0xFFFFFF - 6000), 48000, 3},
		{"Fault_E5_across-31-bit", shifted(1<<31 - 6000), 48000, 3},
		{"Fault_E5_across-32-bit", shifted(1<<32 - 6000), 48000, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := c.publish(t, s.push(c.name))
			s.waitLive(t, c.name, 1)
			stop := s.followAll(t, c.name)
			out := ffprobe(t, time.Minute, s.master(c.name), fromStart...)
			seen := stop().samples
			in := ffprobe(t, time.Minute, source)
			sameMedia(t, in, seen, c.lost, inSync)
			// Where pictures are reordered the composition offsets are partly negative, so that
			// a segment begins at its decode time (ISO/IEC 23000-19, 7.5.17). ffmpeg 5.1 moves
			// such a track by the most negative of them: up to four frames.
			sameMedia(t, in, out, c.lost, 0.140)
			if c.rate > 0 {
				evenAudio(t, out, 1024, c.rate)
			}
		})
	}
}

// TestFault_E11_AudioStartsLate: a stream is live with its picture, and sound that
// comes after 6 seconds joins it, in time with the picture.
func TestFault_E11_AudioStartsLate(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	file := avClip(t, "22")
	pushTags(t, s.push("late"), readFLV(t, file), func(g *tag) bool { return g.kind == flvVideo || g.config() || g.ms >= 6000 })
	s.waitLive(t, "late", 2)
	eventually(t, 20*time.Second, "audio track", func() error {
		all, err := s.renditions("late")
		if err == nil && len(all) < 2 {
			err = fmt.Errorf("tracks %v", all)
		}
		return err
	})
	out := ffprobe(t, time.Minute, s.master("late"), fromStart...)
	in := ffprobe(t, time.Minute, file)
	video, err := align(in.of("video"), out.of("video"))
	if err != nil {
		t.Fatal(err)
	}
	audio, err := align(in.of("audio"), out.of("audio"))
	if err != nil {
		t.Fatal(err)
	}
	if d := audio.offset - video.offset; math.Abs(d) > 0.003 {
		t.Errorf("the late audio is %.3f ms off the video", d*1e3)
	}
	if begin := in.of("audio")[audio.first].pts; begin < 6 || begin > 9 {
		t.Errorf("audio is heard from %.3f s, want 6 and a little", begin)
	}
	evenAudio(t, out, 1024, 48000)
}
