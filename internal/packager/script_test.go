package packager

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The golden scripts (testdata/*.txt) are a timeline, a line with four dashes, and
// what the packager makes of it. The timeline's directives, with times in ticks, counted from
// 2026-01-01T00:00:00Z:
//
//	cadence segment= part= target= td= window=   durations
//	init h264|h264b|aac48|aac44                  NewInit
//	boundary MSN AT
//	disc
//	gap MSN AT DURATION
//	sample dts= [pts=] [dur=] [sync] [size=] [xN step=]
//	gop dts= n= step= [dur=] [size=]             I P B B P B B ..., told by DTS, one frame of delay
//	lag h264|...                                 ErrLagged
//	end
//
// The result has a line for each part and segment as they come, after the line of
// the input that made them come.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := strings.Cut(string(text), "----\n")
			got := runScript(t, in)
			if *update {
				if err := os.WriteFile(path, []byte(in+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", path, d)
			}
		})
	}
}

const epoch = 1767225600 // seconds: 2026-01-01T00:00:00Z

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

var testInits = map[string]media.Init{
	"h264": {
		Codec: media.H264, CodecString: "avc1.64000d", Width: 320, Height: 180,
		Config: unhex("0164000dffe1001c6764000dacd941419f9f016a02020280000003008000001e078a14cb01000468ef8fcbfdf8f800"),
	},
	"h264b": {
		Codec: media.H264, CodecString: "avc1.64001f", Width: 1280, Height: 720,
		Config: unhex("0164001fffe1001c6764001facd941419f9f016a02020280000003008000001e078a14cb01000468ef8fcbfdf8f800"),
	},
	"aac48": {
		Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 48000, Channels: 2, FrameLength: 1024, Config: unhex("1190"),
	},
	"aac44": {
		Codec: media.AAC, CodecString: "mp4a.40.2", SampleRate: 44100, Channels: 2, FrameLength: 1024, Config: unhex("1210"),
	},
}

// script runs a timeline.
type script struct {
	t       *testing.T
	c       *cutter
	cadence media.Cadence
	window  time.Duration
	base    media.Ticks // of the current timescale
	out     strings.Builder

	parts     map[uint64]bool // that have been printed, by number
	completed map[uint64]bool
	number    uint64 // of the first part
	last      *presentation.Track
}

func runScript(t *testing.T, text string) string {
	s := &script{t: t, parts: map[uint64]bool{}, completed: map[uint64]bool{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		s.directive(line)
	}
	s.total()
	return s.out.String()
}

// args are the words of a directive: key=value, or by place.
type args struct {
	t     *testing.T
	words []string
}

func (a args) value(key string) (string, bool) {
	for _, w := range a.words {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			return v, true
		}
	}
	return "", false
}

func (a args) number(key string, or int64) int64 {
	v, ok := a.value(key)
	if !ok {
		return or
	}
	return a.parse(v)
}

func (a args) parse(v string) int64 {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

func (a args) has(word string) bool {
	for _, w := range a.words {
		if w == word {
			return true
		}
	}
	return false
}

func (a args) duration(key string) time.Duration {
	v, _ := a.value(key)
	d, err := time.ParseDuration(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return d
}

func (s *script) directive(line string) {
	words := strings.Fields(line)
	a := args{s.t, words[1:]}
	at := func(i int) media.Ticks { return s.base + media.Ticks(a.parse(a.words[i])) }
	switch words[0] {
	case "cadence":
		s.cadence = media.Cadence{
			Segment: a.duration("segment"), Part: a.duration("part"),
			PartTarget: a.duration("target"), TargetDuration: a.duration("td"),
		}
		s.window = a.duration("window")
	case "init", "lag":
		in := testInits[a.words[0]]
		s.base = epoch * media.Ticks(in.Timescale())
		if s.c == nil {
			s.c = newCutter("x1", in.Kind(), s.cadence, s.window, new(discontinuities))
		}
		if words[0] == "lag" {
			s.show(line, s.c.lag(&in))
			return
		}
		s.event(line, media.Event{Kind: media.NewInit, Init: &in})
	case "boundary":
		s.event(line, media.Event{Kind: media.Boundary, MSN: uint64(a.parse(a.words[0])), At: at(1)})
	case "disc":
		s.event(line, media.Event{Kind: media.Discontinuity})
	case "gap":
		s.event(line, media.Event{
			Kind: media.Gap, MSN: uint64(a.parse(a.words[0])), At: at(1), Duration: media.Ticks(a.parse(a.words[2])),
		})
	case "sample":
		s.samples(a)
	case "gop":
		s.gop(a)
	case "end":
		s.show(line, s.c.finish())
	default:
		s.t.Fatalf("no such directive: %s", line)
	}
}

func (s *script) event(line string, e media.Event) {
	s.show(line, s.c.push(media.Entry{Event: &e}))
}

func (s *script) samples(a args) {
	n := int64(1)
	for _, w := range a.words {
		if v, ok := strings.CutPrefix(w, "x"); ok {
			n = a.parse(v)
		}
	}
	dts := a.number("dts", 0)
	pts := a.number("pts", dts)
	for range n {
		s.sample(dts, pts, a.number("dur", 0), a.number("size", 100), a.has("sync"))
		dts += a.number("step", 0)
		pts += a.number("step", 0)
	}
}

func (s *script) gop(a args) {
	dts, step := a.number("dts", 0), a.number("step", 0)
	for j := range a.number("n", 0) {
		display := j
		if j > 0 {
			display = [...]int64{j - 1, j + 2, j - 1}[j%3]
		}
		s.sample(dts+j*step, dts+(display+1)*step, a.number("dur", 0), a.number("size", 100), j == 0)
	}
}

func (s *script) sample(dts, pts, dur, size int64, sync bool) {
	s.show(fmt.Sprintf("sample dts=%d", dts), s.c.push(media.Entry{Sample: media.Sample{
		DTS: s.base + media.Ticks(dts), PTS: s.base + media.Ticks(pts), Duration: media.Ticks(dur),
		Sync: sync, Data: make([]byte, size),
	}}))
}

// show prints what is new in t.
func (s *script) show(cause string, t *presentation.Track) {
	if t == nil {
		return
	}
	s.last = t
	fmt.Fprintf(&s.out, "%s:\n", cause)
	for _, seg := range t.Segments {
		base := epoch * media.Ticks(seg.Timescale())
		for i, p := range seg.Parts {
			if len(s.parts) == 0 {
				s.number = p.Number
			}
			if s.parts[p.Number] {
				continue
			}
			s.parts[p.Number] = true
			if i == 0 {
				fmt.Fprintf(&s.out, "  segment %d at %d init=%s", seg.MSN, seg.Start-base, seg.Init.Version[:4])
				if seg.Discontinuity {
					s.out.WriteString(" discontinuity")
				}
				if seg.Gap {
					s.out.WriteString(" gap")
				}
				s.out.WriteString("\n")
			}
			fmt.Fprintf(&s.out, "    part %d.%d #%d %d+%d %s\n", seg.MSN, i, p.Number-s.number, p.Start-base, p.Duration, describe(s.t, p, base))
		}
		if seg.Complete && !s.completed[seg.MSN] {
			s.completed[seg.MSN] = true
			fmt.Fprintf(&s.out, "  segment %d complete: %d+%d, %d parts\n", seg.MSN, seg.Start-base, seg.Duration, len(seg.Parts))
		}
	}
}

func (s *script) total() {
	t := s.last
	if t == nil {
		s.out.WriteString("nothing\n")
		return
	}
	msns := func(list []*presentation.Segment) string {
		if len(list) == 0 {
			return "none"
		}
		return fmt.Sprintf("%d..%d", list[0].MSN, list[len(list)-1].MSN)
	}
	fmt.Fprintf(&s.out, "list %s kept %s disc-seq=%d next=%d/#%d bandwidth=%d average=%d ended=%v dropped=%d first-number=%d\n",
		msns(t.Segments), msns(t.Kept), t.DiscontinuitySequence, t.NextMSN, t.NextPart-s.number,
		t.Bandwidth, t.AverageBandwidth, t.Ended, s.c.stats.Dropped, s.number)
}

// describe says what is in a part, as another reader sees it.
func describe(t testing.TB, p *presentation.Part, base media.Ticks) string {
	if p.Gap {
		return "gap"
	}
	frag := parse(t, p.Data)
	var durations, offsets, syncs runs
	for _, s := range frag.samples {
		durations.add(fmt.Sprint(s.Dur))
		offsets.add(fmt.Sprint(s.CompositionTimeOffset))
		syncs.add(map[bool]string{true: "K", false: "-"}[s.IsSync()])
	}
	independent := ""
	if p.Independent {
		independent = " independent"
	}
	return fmt.Sprintf("tfdt=%d %s dur=%s offset=%s%s", frag.time-base, syncs, durations, offsets, independent)
}

// runs is a sequence of words, printed with repeats counted.
type runs struct {
	words  []string
	counts []int
}

func (r *runs) add(w string) {
	if n := len(r.words); n > 0 && r.words[n-1] == w {
		r.counts[n-1]++
		return
	}
	r.words, r.counts = append(r.words, w), append(r.counts, 1)
}

func (r runs) String() string {
	var b strings.Builder
	for i, w := range r.words {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(w)
		if r.counts[i] > 1 {
			fmt.Fprintf(&b, "x%d", r.counts[i])
		}
	}
	return b.String()
}

// fragment is a chunk as mp4ff reads it.
type fragment struct {
	time    media.Ticks
	samples []mp4.FullSample
}

func readChunk(r io.Reader) (fragment, error) {
	f, err := mp4.DecodeFile(r)
	if err != nil {
		return fragment{}, err
	}
	frag := f.Segments[0].Fragments[0]
	samples, err := frag.GetFullSamples(nil)
	return fragment{media.Ticks(frag.Moof.Traf.Tfdt.BaseMediaDecodeTime()), samples}, err
}

func parse(t testing.TB, data []byte) fragment {
	t.Helper()
	f, err := readChunk(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return f
}
