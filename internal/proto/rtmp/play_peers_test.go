package rtmp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/session"
)

// peer runs a program of somebody else and returns what it printed.
func peer(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is not installed: make test installs it", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			out = append(out, exit.Stderr...)
		}
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// onePlayer lets one player in. librtmp comes back when a stream ends, and would find
// the same one again.
type onePlayer struct {
	openDoor
	played atomic.Bool
}

func (d *onePlayer) AuthorizePlay(ctx context.Context, r session.Request) (session.Grant, error) {
	if d.played.Swap(true) {
		return session.Grant{}, &session.RejectError{Reason: session.NotFound, Text: "it is over"}
	}
	return d.openDoor.AuthorizePlay(ctx, r)
}

// published returns a server with a stream that ffmpeg has sent: 3 s of one GOP with
// B-frames, and AAC. The stream has ended, so that a player gets a known whole.
func published(t *testing.T) (addr string, stream *live.Stream) {
	hub := &live.Hub{}
	broker := session.NewBroker(session.Options{Auth: &onePlayer{}, Ingest: plainIngest{hub}, Hub: hub})
	s, err := New(Options{Addr: "127.0.0.1:0", Broker: broker, MergeLatency: DefaultMergeLatency})
	if err != nil {
		t.Fatal(err)
	}
	addr = listen(t, s, nil)
	peer(t, "ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30:duration=3",
		"-f", "lavfi", "-i", "sine=sample_rate=48000:duration=3", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "900",
		"-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k", "-f", "flv", "rtmp://"+addr+"/live/clip")
	for stream == nil || !stream.Ended() {
		changed := hub.Changed()
		if stream = hub.Stream("clip"); stream == nil {
			<-changed
			continue
		}
		up := stream.Changed()
		if !stream.Ended() {
			<-up
		}
	}
	return addr, stream
}

// written returns what of says of each of a track's samples.
func written(t *testing.T, s *live.Stream, kind media.Kind, of func(media.Sample) int) (all []int) {
	for _, track := range s.Tracks() {
		if track.Kind != kind {
			continue
		}
		scale := track.Init().Timescale()
		for r := track.Log.Oldest(); ; {
			e, err := r.Next(t.Context())
			if err != nil {
				return all
			}
			if e.Event == nil {
				e.Sample.DTS, e.Sample.PTS = e.Sample.DTS.Rescale(scale, 1000), e.Sample.PTS.Rescale(scale, 1000)
				all = append(all, of(e.Sample))
			}
		}
	}
	return nil
}

func dtsOf(s media.Sample) int { return int(s.DTS) } // in milliseconds
func ptsOf(s media.Sample) int { return int(s.PTS) }

// relative returns v as distances from its first value.
func relative(v []int) []int {
	v = slices.Clone(v)
	for i := len(v) - 1; i >= 0; i-- {
		v[i] -= v[0]
	}
	return v
}

// same compares times, which may differ by the rounding to milliseconds.
func same(t *testing.T, what string, got, want []int) {
	t.Helper()
	got, want = relative(got), relative(want)
	if len(got) != len(want) {
		t.Errorf("%s: got %d, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if d := got[i] - want[i]; d < -1 || d > 1 {
			t.Errorf("%s: number %d is at %d ms, want %d", what, i, got[i], want[i])
			return
		}
	}
}

func TestPlayToFFprobe(t *testing.T) {
	addr, stream := published(t)
	out := peer(t, "ffprobe", "-loglevel", "error", "-show_entries", "packet=codec_type,dts_time,pts_time", "-of", "csv=p=0", "rtmp://"+addr+"/live/clip")
	dts, pts := map[string][]int{}, map[string][]int{}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) < 3 {
			continue
		}
		p, errP := strconv.ParseFloat(f[1], 64)
		d, errD := strconv.ParseFloat(f[2], 64)
		if err := cmp.Or(errP, errD); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		pts[f[0]], dts[f[0]] = append(pts[f[0]], int(p*1000+.5)), append(dts[f[0]], int(d*1000+.5))
	}
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		wantD, wantP := written(t, stream, kind, dtsOf), written(t, stream, kind, ptsOf)
		if len(wantD) < 90 {
			t.Fatalf("only %d samples of %v came in", len(wantD), kind)
		}
		same(t, kind.String()+" dts", dts[kind.String()], wantD)
		same(t, kind.String()+" pts", pts[kind.String()], wantP)
	}
}

// TestPlayToFFmpeg decodes all of it, and finds no track that is not there.
func TestPlayToFFmpeg(t *testing.T) {
	addr, _ := published(t)
	out := peer(t, "ffmpeg", "-loglevel", "error", "-xerror", "-i", "rtmp://"+addr+"/live/clip", "-map", "0", "-c:a", "copy",
		"-fps_mode", "passthrough", "-f", "framecrc", "-")
	count := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^(\d), `).FindAllStringSubmatch(out, -1) {
		count[m[1]]++
	}
	if count["0"] != 90 || count["1"] < 140 || len(count) != 2 {
		t.Errorf("got %v frames by track, want 90 pictures, some 142 of audio, and nothing else", count)
	}
}

// TestPlayToGStreamer: the bytes of all samples come out, at their times. What fakesink
// says of a buffer may be overwritten before it is printed, so some may lack.
func TestPlayToGStreamer(t *testing.T) {
	for _, source := range []string{"rtmp2src", "rtmpsrc"} {
		if exec.Command("gst-inspect-1.0", "--exists", source).Run() != nil {
			t.Logf("GStreamer has no %s", source)
			continue
		}
		addr, stream := published(t)
		dir := t.TempDir()
		branch := func(pad string) []string {
			return strings.Fields(fmt.Sprintf("d.%s ! queue ! tee name=t%[1]s t%[1]s. ! queue ! filesink location=%s/%[1]s t%[1]s. ! queue ! fakesink name=%[1]s silent=false", pad, dir))
		}
		args := []string{"-v", source, "location=rtmp://" + addr + "/live/clip", "!", "flvdemux", "name=d"}
		out := peer(t, "gst-launch-1.0", slices.Concat(args, branch("video"), branch("audio"))...)
		for _, kind := range []media.Kind{media.Video, media.Audio} {
			sizes, pts := written(t, stream, kind, func(s media.Sample) int { return len(s.Data) }), written(t, stream, kind, ptsOf)
			total := 0
			for _, n := range sizes {
				total += n
			}
			info, err := os.Stat(dir + "/" + kind.String())
			if err != nil {
				t.Fatal(err)
			}
			missing := total - int(info.Size())
			if source == "rtmp2src" && missing == sizes[len(sizes)-1] {
				missing = 0 // it may drop the message that it holds when the end is announced
			}
			if missing != 0 {
				t.Errorf("%s %v: %d bytes missing of %d", source, kind, missing, total)
			}
			re := regexp.MustCompile(fmt.Sprintf(`GstFakeSink:%v: last-message = chain .*pts: \d+:\d+:(\d+)\.(\d{3})\d*, .*offset: (\d+)`, kind))
			seen := map[int]bool{}
			for _, m := range re.FindAllStringSubmatch(out, -1) {
				sec, _ := strconv.Atoi(m[1])
				ms, _ := strconv.Atoi(m[2])
				n, _ := strconv.Atoi(m[3])
				if n >= len(pts) {
					t.Fatalf("%s %v: buffer %d of %d", source, kind, n, len(pts))
				}
				if got, want := sec*1000+ms, pts[n]-written(t, stream, media.Video, dtsOf)[0]+earliest; got < want-1 || got > want+1 {
					t.Errorf("%s %v: buffer %d is at %d ms, want %d", source, kind, n, got, want)
				}
				seen[n] = true
			}
			if len(seen) < len(pts)/4 {
				t.Errorf("%s %v: saw only %d buffers of %d", source, kind, len(seen), len(pts))
			}
		}
	}
}
