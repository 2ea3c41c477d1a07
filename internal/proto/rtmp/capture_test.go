package rtmp

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The captures in testdata are what real publishers sent over TCP, from C0 to the end.
// With -record they are made anew by the programs named here, and their listings with them.
var record = flag.Bool("record", false, "record testdata/*.rtmp from ffmpeg and GStreamer, and rewrite the listings")

const (
	videoFFmpeg = "-f lavfi -i testsrc2=size=96x54:rate=15 -f lavfi -i sine=sample_rate=44100 -t 1.2 " +
		"-c:v libx264 -preset ultrafast -tune zerolatency -g 15 -b:v 60k -c:a aac -b:a 32k -f flv "
	sourcesGst = "videotestsrc num-buffers=18 ! video/x-raw,width=96,height=54,framerate=15/1 ! " +
		"x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 bitrate=60 ! h264parse ! queue ! flvmux streamable=true name=mux " +
		"audiotestsrc num-buffers=52 ! audio/x-raw,rate=44100,channels=1 ! voaacenc bitrate=32000 ! queue ! mux. mux. ! "
)

var recordings = map[string]struct {
	command   string
	chunkSize uint32 // that the server announces; 0: none
}{
	"ffmpeg":        {"ffmpeg -loglevel error " + videoFFmpeg + "URL", 65536},
	"ffmpeg-128":    {"ffmpeg -loglevel error " + videoFFmpeg + "URL", 0},
	"gst-rtmp2sink": {"gst-launch-1.0 -q " + sourcesGst + "rtmp2sink location=URL", 65536},
	"gst-rtmpsink":  {"gst-launch-1.0 -q " + sourcesGst + "rtmpsink location=URL", 65536}, // librtmp, as in OBS
}

var captureNames = []string{"ffmpeg", "ffmpeg-128", "gst-rtmp2sink", "gst-rtmpsink"}

func readCapture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".rtmp"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// listing returns a line for each message of a capture, and what ended it.
func listing(r io.Reader) string {
	var b strings.Builder
	br := bufio.NewReader(r)
	if err := acceptHandshake(br, io.Discard); err != nil {
		return err.Error()
	}
	c := newChunkReader(br)
	for {
		m, err := c.next()
		if err != nil {
			fmt.Fprintf(&b, "%d bytes, %d unfinished, then %v\n", c.received, c.partial, err)
			return b.String()
		}
		fmt.Fprintf(&b, "csid %d type %2d stream %d time %5d  %5d bytes, crc %08x", m.chunkStream, m.kind, m.stream, m.time,
			len(m.payload), crc32.ChecksumIEEE(m.payload))
		switch m.kind {
		case typeCommandAMF0, typeDataAMF0:
			values, err := m.values()
			fmt.Fprintf(&b, "  %v", values)
			if err != nil {
				fmt.Fprintf(&b, " %v", err)
			}
		case typeAudio, typeVideo:
		default:
			fmt.Fprintf(&b, "  %x", m.payload)
		}
		b.WriteByte('\n')
	}
}

func TestCaptures(t *testing.T) {
	for _, name := range captureNames {
		t.Run(name, func(t *testing.T) {
			if *record {
				recordCapture(t, name)
			}
			capture := readCapture(t, name)
			path := filepath.Join("testdata", name+".txt")
			got := listing(bytes.NewReader(capture))
			if *record {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// A splitReader returns its bytes in two reads, the second one from at on.
type splitReader struct {
	b  []byte
	at int
}

func (s *splitReader) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := len(s.b)
	if s.at > 0 {
		n = s.at
	}
	n = copy(p, s.b[:n])
	s.b, s.at = s.b[n:], max(0, s.at-n)
	return n, nil
}

// TCP may cut a stream anywhere: the same messages must come out.
func TestCapturesSplitAnywhere(t *testing.T) {
	for _, name := range captureNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			capture := readCapture(t, name)
			want := digest(bytes.NewReader(capture))
			for at := range len(capture) {
				if got := digest(&splitReader{capture, at}); got != want {
					t.Fatalf("split at %d: got %v, want %v", at, got, want)
				}
			}
			if got := digest(oneByte{bytes.NewReader(capture)}); got != want {
				t.Fatalf("byte by byte: got %v, want %v", got, want)
			}
		})
	}
}

type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(1, len(p))]) }

// digest is listing in short.
func digest(r io.Reader) (sum [2]uint64) {
	br := bufio.NewReader(r)
	if acceptHandshake(br, io.Discard) != nil {
		return
	}
	c := newChunkReader(br)
	for {
		m, err := c.next()
		if err != nil {
			sum[1] = c.received
			return
		}
		sum[0] = sum[0]*31 + uint64(crc32.ChecksumIEEE(m.payload)) + uint64(m.kind)<<32 + uint64(m.time)
	}
}

// recordCapture runs a publisher against a server that says yes to everything.
func recordCapture(t *testing.T, name string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	rec := recordings[name]
	args := strings.Fields(strings.ReplaceAll(rec.command, "URL", fmt.Sprintf("rtmp://%s/live/cam", l.Addr())))
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: make test installs it", err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	var capture bytes.Buffer
	if err := sayYes(io.TeeReader(conn, &capture), conn, rec.chunkSize); err != nil && !errors.Is(err, io.EOF) {
		t.Log(name, "ended:", err)
	}
	conn.Close()
	if err := cmd.Wait(); err != nil {
		t.Log(name, "ended:", err)
	}
	if capture.Len() > 60_000 {
		t.Fatalf("capture of %d bytes is too large to keep", capture.Len())
	}
	if err := os.WriteFile(filepath.Join("testdata", name+".rtmp"), capture.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sayYes(r io.Reader, conn net.Conn, chunkSize uint32) error {
	br := bufio.NewReader(r)
	if err := acceptHandshake(br, conn); err != nil {
		return err
	}
	in, out := newChunkReader(br), newChunkWriter(conn)
	answer := func(stream uint32, name string, transaction float64, args ...any) {
		_ = out.write(command{name, transaction, args}.message(chunkStreamCommand, stream))
	}
	for {
		m, err := in.next()
		if err != nil {
			return err
		}
		if m.kind != typeCommandAMF0 {
			continue
		}
		c, err := m.command()
		if err != nil {
			return err
		}
		switch c.name {
		case "connect":
			_ = out.write(windowAckSize(2_500_000))
			_ = out.write(setPeerBandwidth(2_500_000, dynamicLimit))
			if chunkSize > 0 {
				_ = out.write(setChunkSize(chunkSize))
			}
			answer(0, "_result", c.transaction, Object{{"fmsVer", "FMS/3,0,1,123"}}, Object{{"code", "NetConnection.Connect.Success"}})
		case "createStream":
			answer(0, "_result", c.transaction, nil, 1.0)
		case "publish":
			answer(m.stream, "onStatus", 0, nil, Object{{"level", "status"}, {"code", "NetStream.Publish.Start"}})
		case "deleteStream":
			return out.flush()
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
}
