package packager

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// clip is a track of what ffmpeg encoded.
type clip struct {
	init    media.Init
	samples []media.Sample // times from 0
}

// encode has ffmpeg make four seconds of 30 fps H.264 with B-frames, a keyframe a
// second, and of AAC, and reads them from its fragmented MP4.
func encode(t *testing.T) (video, audio clip) {
	t.Helper()
	for _, tool := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: make test installs it", err)
		}
	}
	path := filepath.Join(t.TempDir(), "clip.mp4")
	out, err := exec.Command("ffmpeg", "-v", "error",
		"-f", "lavfi", "-i", "testsrc2=s=320x180:r=30", "-f", "lavfi", "-i", "sine=r=48000", "-t", "4",
		"-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "30", "-sc_threshold", "0",
		"-c:a", "aac", "-ac", "2", "-video_track_timescale", "90000",
		"-movflags", "empty_moov+default_base_moof+frag_keyframe", path).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	f, err := mp4.ReadMP4File(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, trak := range f.Init.Moov.Traks {
		c := &audio
		entry := trak.Mdia.Minf.Stbl.Stsd
		if entry.AvcX != nil {
			c = &video
			var b bytes.Buffer
			if err := entry.AvcX.AvcC.DecConfRec.Encode(&b); err != nil {
				t.Fatal(err)
			}
			c.init = media.Init{Codec: media.H264, CodecString: "avc1.64000d", Width: 320, Height: 180, Config: b.Bytes()}
		} else {
			config := entry.Mp4a.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig
			c.init = media.Init{Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 48000, Channels: 2, FrameLength: 1024, Config: config}
		}
		trex, _ := f.Init.Moov.Mvex.GetTrex(trak.Tkhd.TrackID)
		for _, seg := range f.Segments {
			for _, frag := range seg.Fragments {
				for _, traf := range frag.Moof.Trafs {
					if traf.Tfhd.TrackID != trak.Tkhd.TrackID {
						continue
					}
					samples, err := frag.GetFullSamples(trex)
					if len(frag.Moof.Trafs) > 1 {
						samples, err = samplesOf(frag, traf, trex)
					}
					if err != nil {
						t.Fatal(err)
					}
					for _, s := range samples {
						c.samples = append(c.samples, media.Sample{
							DTS: media.Ticks(s.DecodeTime), PTS: media.Ticks(s.PresentationTime()), Duration: media.Ticks(s.Dur),
							Sync: s.IsSync(), Data: s.Data,
						})
					}
				}
			}
		}
	}
	return video, audio
}

// samplesOf reads one of several tracks of a fragment.
func samplesOf(frag *mp4.Fragment, traf *mp4.TrafBox, trex *mp4.TrexBox) ([]mp4.FullSample, error) {
	one := *frag
	moof := *frag.Moof
	moof.Traf, moof.Trafs = traf, []*mp4.TrafBox{traf}
	one.Moof = &moof
	return one.GetFullSamples(trex)
}

// packageClip packages c, with a segment a second, on the timeline of today.
func packageClip(t *testing.T, c clip) *presentation.Track {
	t.Helper()
	cadence := media.Cadence{Segment: time.Second, Part: 250 * time.Millisecond, PartTarget: 272 * time.Millisecond, TargetDuration: time.Second}
	cut := newCutter("x1", c.init.Kind(), cadence, time.Minute, new(discontinuities))
	cut.push(media.Entry{Event: &media.Event{Kind: media.NewInit, Init: &c.init}})
	ts := media.Ticks(c.init.Timescale())
	msn := uint64(epoch)
	for _, s := range c.samples {
		s.DTS += epoch * ts
		s.PTS += epoch * ts
		if boundary := media.Ticks(msn) * ts; s.Sync && s.PTS >= boundary {
			cut.push(media.Entry{Event: &media.Event{Kind: media.Boundary, MSN: msn, At: boundary}})
			msn++
		}
		cut.push(media.Entry{Sample: s})
	}
	return cut.finish()
}

func TestFFmpegReadsWhatWeWrite(t *testing.T) {
	video, audio := encode(t)
	for name, c := range map[string]clip{"video": video, "audio": audio} {
		t.Run(name, func(t *testing.T) {
			if len(c.samples) < 100 {
				t.Fatalf("the clip has %d samples", len(c.samples))
			}
			tr := packageClip(t, c)
			data := bytes.Clone(tr.Init().Data)
			for _, s := range tr.Segments {
				for _, p := range s.Parts {
					data = append(data, p.Data...)
				}
			}
			path := filepath.Join(t.TempDir(), name+".mp4")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			comparePackets(t, path, c)

			var complaints bytes.Buffer
			cmd := exec.Command("ffmpeg", "-v", "warning", "-i", path, "-f", "null", "-")
			cmd.Stderr = &complaints
			if err := cmd.Run(); err != nil || complaints.Len() > 0 {
				t.Errorf("ffmpeg decodes it with %v:\n%s", err, complaints.String())
			}
		})
	}
}

// comparePackets checks that ffprobe finds the samples of c in the file: time of
// presentation, size and keyframes, in decode order.
func comparePackets(t *testing.T, path string, c clip) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "packet=pts,dts,size,flags", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(out))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(c.samples) {
		t.Fatalf("ffprobe sees %d packets, want %d", len(rows), len(c.samples))
	}
	// FFmpeg wants DTS <= PTS, so it adds the most negative composition offset of the
	// file to all PTS: here that of the B-frames, one frame.
	shift := int64(0)
	if c.init.Kind() == media.Video {
		shift = 3000
	}
	before := int64(-1 << 62)
	for i, row := range rows {
		s := c.samples[i]
		key := "_"
		if s.Sync {
			key = "K"
		}
		pts, err := strconv.ParseInt(row[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(pts-shift, " ", row[2], " ", row[3][:1])
		want := fmt.Sprint(int64(s.PTS)+epoch*int64(c.init.Timescale()), " ", len(s.Data), " ", key)
		if got != want {
			t.Fatalf("packet %d is %s, want %s (pts, size, key)", i, got, want)
		}
		dts, err := strconv.ParseInt(strings.TrimSpace(row[1]), 10, 64)
		if err != nil || dts <= before {
			t.Fatalf("packet %d: dts %s after %d", i, row[1], before)
		}
		before = dts
	}
}
