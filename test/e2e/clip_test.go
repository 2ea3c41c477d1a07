package e2e

import (
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A clip is a recording in FLV that publishers send. Tests name it and share the file.
type clip struct {
	once sync.Once
	path string
}

var (
	clipsMu sync.Mutex // guards clips
	clips   = map[string]*clip{}
)

// The clips' picture and sound: small, moving, never twice the same.
const (
	picture = "testsrc2=s=320x180:r=30"
	sound   = "aevalsrc=0.3*sin(2*PI*(300+20*t)*t):s=48000"
)

// x264 are the options of a plain live encode: a keyframe a second, no B-frames.
var x264 = []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "30", "-sc_threshold", "0", "-bf", "0", "-b:v", "300k", "-threads", "1"}

// aac makes no noise of its own (PNS): a decoder that starts in mid-stream must come to the same samples.
var aac = []string{"-c:a", "aac", "-b:a", "64k", "-aac_pns", "0"}

// makeClip returns the FLV file of that name, made by ffmpeg with args the first time it is asked for.
func makeClip(t *testing.T, name string, args ...string) string {
	t.Helper()
	clipsMu.Lock()
	c := clips[name]
	if c == nil {
		c = &clip{path: filepath.Join(workDir, name+".flv")}
		clips[name] = c
	}
	clipsMu.Unlock()
	c.once.Do(func() {
		all := append([]string{"-hide_banner", "-loglevel", "error", "-y"}, args...)
		capture(t, 2*time.Minute, "ffmpeg", append(all, "-flvflags", "no_duration_filesize", c.path)...)
	})
	return c.path
}

// avClip returns a plain clip of that many seconds: H.264 and AAC at 48 kHz.
func avClip(t *testing.T, seconds string) string {
	t.Helper()
	return makeClip(t, "av"+seconds, encode(seconds, picture, sound, x264...)...)
}

// encode returns ffmpeg's arguments for a clip of the two lavfi sources, either of which may be empty.
func encode(seconds, video, audio string, videoOptions ...string) []string {
	var args []string
	for _, src := range []string{video, audio} {
		if src != "" {
			args = append(args, "-f", "lavfi", "-t", seconds, "-i", src)
		}
	}
	if video != "" {
		args = append(args, videoOptions...)
	}
	if audio != "" {
		args = append(args, aac...)
	}
	return args
}
