package rtmp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/codecs"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/session"
)

// execute runs a program to its end.
func execute(t *testing.T, command string) string {
	t.Helper()
	args := strings.Fields(command)
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Fatalf("%v: make test installs it", err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, stderr.String())
	}
	return stdout.String()
}

// packetSizes returns the sizes of the packets of a file's stream, "v" or "a", in bytes.
func packetSizes(t *testing.T, file, stream string) (sizes []string) {
	t.Helper()
	var probe struct{ Packets []struct{ Size string } }
	out := execute(t, "ffprobe -v error -select_streams "+stream+" -show_packets -of json "+file)
	if err := json.Unmarshal([]byte(out), &probe); err != nil {
		t.Fatal(err)
	}
	for _, p := range probe.Packets {
		sizes = append(sizes, p.Size)
	}
	return sizes
}

// checkSamples looks at what any good publisher's tracks have in common.
func checkSamples(t *testing.T, what string, inits []media.Init, samples []media.Sample, atLeast int) {
	t.Helper()
	if len(inits) != 1 {
		t.Errorf("%s: %d configurations", what, len(inits))
	}
	if len(samples) < atLeast {
		t.Fatalf("%s: %d samples, want %d", what, len(samples), atLeast)
	}
	if !samples[0].Sync {
		t.Errorf("%s: begins without a sync sample", what)
	}
	for i, s := range samples[1:] {
		if s.DTS < samples[i].DTS || s.PTS < s.DTS || len(s.Data) == 0 {
			t.Errorf("%s: sample %d at %d, %d after %d, %d bytes", what, i+1, s.DTS, s.PTS, samples[i].DTS, len(s.Data))
		}
	}
}

func TestPublishFFmpegCopy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clip.mp4")
	execute(t, "ffmpeg -v error -f lavfi -i testsrc2=size=160x90:rate=25 -f lavfi -i sine=sample_rate=48000 -t 2 "+
		"-c:v libx264 -preset veryfast -g 25 -bf 2 -c:a aac -b:a 64k "+file)
	r := loopback(t, Options{}, door{})
	execute(t, "ffmpeg -v error -i "+file+" -c copy -f flv "+r.url("cam?key=secret"))
	src := <-r.sink.opened
	if err := src.end(t); err != nil {
		t.Errorf("ended with %v, want a goodbye", err)
	}
	for ref, stream := range map[media.Kind]string{media.Video: "v", media.Audio: "a"} {
		key := videoRef
		key.Kind = ref
		inits, samples := src.track(key)
		want := packetSizes(t, file, stream)
		checkSamples(t, ref.String(), inits, samples, len(want))
		for i, s := range samples {
			if i >= len(want) || big.NewInt(int64(len(s.Data))).String() != want[i] {
				t.Fatalf("%v sample %d of %d: %d bytes, file has %v", ref, i, len(samples), len(s.Data), want[min(i, len(want)-1)])
			}
		}
	}
	if got := src.session.Dropped.Load(); got != 0 {
		t.Errorf("%d dropped", got)
	}
	if !strings.Contains(src.session.Request.Agent, "Lavf") {
		t.Errorf("agent %q", src.session.Request.Agent)
	}
}

func TestPublishGStreamer(t *testing.T) {
	for _, sink := range []string{"rtmp2sink", "rtmpsink"} {
		t.Run(sink, func(t *testing.T) {
			r := loopback(t, Options{}, door{})
			execute(t, "gst-launch-1.0 -q "+sourcesGst+sink+" location="+r.url("cam?key=secret"))
			src := <-r.sink.opened
			if err := src.end(t); err != nil {
				t.Errorf("ended with %v, want a goodbye", err)
			}
			inits, samples := src.track(videoRef)
			checkSamples(t, "video", inits, samples, 18)
			inits, samples = src.track(audioRef)
			checkSamples(t, "audio", inits, samples, 50)
			if got := src.session.Dropped.Load(); got != 0 {
				t.Errorf("%d dropped", got)
			}
		})
	}
}

func TestPublishGortmplib(t *testing.T) {
	r := loopback(t, Options{}, door{})
	u, err := url.Parse(r.url("cam?key=secret"))
	if err != nil {
		t.Fatal(err)
	}
	c := &gortmplib.Client{URL: u, Publish: true}
	if err := c.Initialize(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	video := &gortmplib.Track{Codec: &codecs.H264{SPS: avcConfigTag[13:35], PPS: avcConfigTag[38:]}}
	audio := &gortmplib.Track{Codec: &codecs.MPEG4Audio{Config: &mpeg4audio.AudioSpecificConfig{
		Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 44100, ChannelCount: 1, ChannelConfig: 1}}}
	second := &gortmplib.Track{Codec: audio.Codec} // in a multitrack tag
	w := &gortmplib.Writer{Conn: c, Tracks: []*gortmplib.Track{video, audio, second}}
	if err := w.Initialize(); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		at := time.Duration(i) * 40 * time.Millisecond
		picture := [][]byte{{0x41, byte(i)}}
		if i%25 == 0 {
			picture = [][]byte{{0x65, byte(i)}}
		}
		if err := w.WriteH264(video, at+40*time.Millisecond, at, picture); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteMPEG4Audio(audio, at, []byte{0x21, byte(i)}); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteMPEG4Audio(second, at, []byte{0x22, byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	src := <-r.sink.opened
	pictures := src.await(t, videoRef, 50)
	sound := src.await(t, audioRef, 50)
	inits, _ := src.track(videoRef)
	checkSamples(t, "video", inits, pictures, 50)
	if s := pictures[26]; string(s.Data) != "\x00\x00\x00\x02\x41\x1a" || s.Sync || s.PTS-s.DTS != 3600 || s.DTS-pictures[0].DTS != 26*3600 {
		t.Errorf("picture 26: %+v", s)
	}
	if s := sound[7]; string(s.Data) != "\x21\x07" {
		t.Errorf("frame 7: %+v", s)
	}
	if s := src.await(t, session.TrackRef{Kind: media.Audio, Index: 1}, 50)[7]; string(s.Data) != "\x22\x07" {
		t.Errorf("frame 7 of the second track: %+v", s)
	}
}

// testCertificate returns a server's configuration with a certificate for 127.0.0.1,
// and a client's that trusts it.
func testCertificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
}

func TestPublishRTMPS(t *testing.T) {
	server, client := testCertificate(t)
	t.Run("our client", func(t *testing.T) {
		r := loopback(t, Options{TLS: server}, door{})
		c := r.dial("cam?key=secret", client)
		if err := c.Publish(); err != nil {
			t.Fatal(err)
		}
		src := <-r.sink.opened
		if got := src.session.Request.Protocol; got != "rtmps" {
			t.Errorf("protocol %q", got)
		}
		writeTags(t, c, Tag{8, 0, aacConfigTag}, Tag{8, 0, aacFrameTag})
		c.Close()
		if err := src.end(t); err != nil {
			t.Errorf("ended with %v", err)
		}
		wantRefusal(t, r.dial("cam?key=wrong", client).Publish(), codeDenied)
		if _, err := Dial(t.Context(), r.url("cam"), nil); err == nil {
			t.Error("plain RTMP taken for TLS")
		}
	})
	t.Run("ffmpeg", func(t *testing.T) {
		r := loopback(t, Options{TLS: server}, door{})
		execute(t, "ffmpeg -v error "+videoFFmpeg+"rtmps"+strings.TrimPrefix(r.url("cam?key=secret"), "rtmp"))
		src := <-r.sink.opened
		if err := src.end(t); err != nil {
			t.Errorf("ended with %v, want a goodbye", err)
		}
		inits, samples := src.track(videoRef)
		checkSamples(t, "video", inits, samples, 18)
	})
	t.Run("half-open", func(t *testing.T) {
		r := loopback(t, Options{TLS: server}, door{})
		old := r.dial("cam?key=secret", client)
		if err := old.Publish(); err != nil {
			t.Fatal(err)
		}
		<-r.sink.opened
		start := time.Now()
		if err := r.dial("cam?key=secret", client).Publish(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("took over after %v", took)
		}
	})
}

// An ffmpeg whose key is wrong is told so and ends.
func TestRefusedFFmpeg(t *testing.T) {
	r := loopback(t, Options{}, door{})
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Fatalf("%v: make test installs it", err)
	}
	args := strings.Fields("-v verbose " + videoFFmpeg + r.url("cam?key=wrong"))
	out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "wrong stream name or key") {
		t.Errorf("%v\n%s", err, out)
	}
}
