package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPlayRTMP reads one stream over RTMP with ffmpeg, ffprobe and GStreamer at once.
func TestPlayRTMP(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	file := avClip(t, "22")
	want := ffprobe(t, time.Minute, file)
	pushFFmpeg(t, file, s.push("play"))
	s.waitLive(t, "play", 1)
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		lost int // units that had passed when the reader came, and those of the last moments
	}{
		{"ffmpeg", []string{"ffmpeg", "-hide_banner", "-loglevel", "error", "-rw_timeout", "8000000", "-i", s.pull("play"), "-c", "copy", "-f", "flv", filepath.Join(dir, "ffmpeg.flv")}, 250},
		{"rtmp2src", []string{"gst-launch-1.0", "-q", "rtmp2src", "location=" + s.pull("play"), "!", "filesink", "location=" + filepath.Join(dir, "rtmp2src.flv")}, 250},
		{"rtmpsrc", []string{"gst-launch-1.0", "-q", "rtmpsrc", "location=" + s.pull("play") + " live=1", "!", "filesink", "location=" + filepath.Join(dir, "rtmpsrc.flv")}, 250},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			launch(t, nil, c.args[0], c.args[1:]...).succeed(t, 50*time.Second)
			got := ffprobe(t, time.Minute, filepath.Join(dir, c.name+".flv"))
			found := sameMedia(t, want, got, c.lost, inSync)
			if v := got.of("video"); len(v) > 0 && !v[0].key {
				t.Error("the first picture is no keyframe")
			}
			for kind, m := range found {
				if m.count < 10*30 {
					t.Errorf("only %d packets of %s", m.count, kind)
				}
			}
		})
	}
	t.Run("ffprobe", func(t *testing.T) {
		t.Parallel()
		got := ffprobe(t, 50*time.Second, s.pull("play"), "-rw_timeout", "8000000")
		sameMedia(t, want, got, 250, inSync)
	})
}

// TestPlayHLSGStreamer reads HLS with GStreamer's own demuxer and compares what it
// hands to the decoder with the input, by ffprobe.
func TestPlayHLSGStreamer(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	file := avClip(t, "22")
	pushFFmpeg(t, file, s.push("gst"))
	s.waitLive(t, "gst", 3)
	record := filepath.Join(t.TempDir(), "out.mkv")
	launch(t, nil, "gst-launch-1.0", "-q", "souphttpsrc", "location="+s.media("gst", s.trackOf(t, "gst", "video")),
		"!", "hlsdemux", "!", "qtdemux", "!", "h264parse", "!", "video/x-h264,stream-format=avc,alignment=au",
		"!", "matroskamux", "!", "filesink", "location="+record).succeed(t, 60*time.Second)
	if st, err := os.Stat(record); err != nil || st.Size() == 0 {
		t.Fatalf("nothing recorded: %v", err)
	}
	in, got := ffprobe(t, time.Minute, file), ffprobe(t, time.Minute, record)
	m, err := align(in.of("video"), got.of("video"))
	if err != nil {
		t.Fatal(err)
	}
	if m.count < 10*30 || m.spread > 0.002 {
		t.Errorf("%d packets with timestamps within %.3f ms", m.count, m.spread*1e3)
	}
}
