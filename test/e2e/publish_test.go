package e2e

import (
	"path/filepath"
	"testing"
	"time"
)

// TestPublishers sends one clip with every client there is and reads HLS with two
// readers: a follower of the low-latency list, which knows the rules, and ffprobe,
// which says what media came out.
func TestPublishers(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	file := avClip(t, "12")
	recording := filepath.Join(t.TempDir(), "sent.flv")
	for _, c := range []struct {
		name, source string
		publish      func(t *testing.T, url string)
	}{
		{"ffmpeg-copy", file, func(t *testing.T, url string) { pushFFmpeg(t, file, url) }},
		{"ffmpeg-encode", recording, func(t *testing.T, url string) { encodeFFmpeg(t, "12", url, recording) }},
		{"gstreamer-rtmp2sink", file, func(t *testing.T, url string) { pushGStreamer(t, "rtmp2sink", file, url) }},
		{"gstreamer-librtmp", file, func(t *testing.T, url string) { pushGStreamer(t, "rtmpsink", file, url) }},
		{"gortmplib", file, func(t *testing.T, url string) { pushTags(t, url, readFLV(t, file), nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.publish(t, s.push(c.name))
			s.waitLive(t, c.name, 1)
			if got := s.tracks(t, c.name); len(got) != 2 {
				t.Errorf("tracks %v, want one of video and one of audio", got)
			}
			stop := s.followAll(t, c.name)
			out := ffprobe(t, time.Minute, s.master(c.name), fromStart...)
			stop()
			// A live encode is cut off by the clock; a file ends at a frame that all agree on.
			sameMedia(t, ffprobe(t, time.Minute, c.source), out, 3, inSync)
			evenAudio(t, out, 1024, 48000)
		})
	}
}

// TestHashes60s shows that a transmux loses and changes nothing: a minute of decoded
// frames, of pictures and of sound, has the same hashes before and after.
func TestHashes60s(t *testing.T) {
	t.Parallel()
	s := start(t, map[string]string{"ingest.hold": "2s"})
	file := avClip(t, "62")
	inVideo, inAudio, outVideo, outAudio := capturePaths(t)
	capture(t, time.Minute, "ffmpeg", decodeArgs(file, inVideo, inAudio)...)
	pushFFmpeg(t, file, s.push("hash"))
	s.waitLive(t, "hash", 1)
	capture(t, 2*time.Minute, "ffmpeg", decodeArgs(s.master("hash"), outVideo, outAudio, fromStart...)...)
	sameFrames(t, "video", inVideo, outVideo, 60*30)
	sameFrames(t, "audio", inAudio, outAudio, 60*48000/1024)
}
