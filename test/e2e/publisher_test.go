package e2e

import (
	"testing"
)

// pushFFmpeg publishes a clip at its own pace, as it is. The clip's file is opened with input's options.
func pushFFmpeg(t *testing.T, clip, url string, options ...string) *process {
	t.Helper()
	args := []string{"-hide_banner", "-loglevel", "warning", "-re", "-i", clip, "-c", "copy"}
	return launch(t, nil, "ffmpeg", append(append(args, options...), "-f", "flv", "-flvflags", "no_duration_filesize", url)...)
}

// encodeFFmpeg publishes a live encode of test sources, and writes what it sends into the file record too.
func encodeFFmpeg(t *testing.T, seconds, url, record string) *process {
	t.Helper()
	args := []string{"-hide_banner", "-loglevel", "warning", "-re", "-f", "lavfi", "-t", seconds, "-i", picture,
		"-re", "-f", "lavfi", "-t", seconds, "-i", sound, "-map", "0:v", "-map", "1:a", "-flags", "+global_header"}
	args = append(append(args, x264...), aac...)
	return launch(t, nil, "ffmpeg", append(args, "-f", "tee", "[f=flv]"+record+"|[f=flv]"+url)...)
}

// pushGStreamer publishes a clip through a GStreamer RTMP sink: rtmp2sink, GStreamer's
// own, or rtmpsink, which is librtmp, what OBS is built on.
func pushGStreamer(t *testing.T, sink, clip, url string) *process {
	t.Helper()
	location := url
	if sink == "rtmpsink" {
		location += " live=1"
	}
	return launch(t, nil, "gst-launch-1.0", "-q", "filesrc", "location="+clip, "!", "flvdemux", "name=d",
		"flvmux", "name=m", "streamable=true", "!", sink, "location="+location, "sync=true",
		"d.video", "!", "queue", "!", "h264parse", "!", "video/x-h264,stream-format=avc,alignment=au", "!", "m.video",
		"d.audio", "!", "queue", "!", "aacparse", "!", "m.audio")
}
