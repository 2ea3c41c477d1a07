package packager

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// step is an entry of a random log, or a lag.
type step struct {
	entry media.Entry
	lag   *media.Init
}

// randomLog is a log as ingest may write it, and worse.
type randomLog struct {
	t       *rapid.T
	cadence media.Cadence
	init    media.Init
	kind    media.Kind
	steps   []step

	msn  uint64
	now  media.Ticks // DTS of the next sample
	next uint64      // number of the next sample
	pts  map[uint64]media.Ticks
}

func drawLog(t *rapid.T) *randomLog {
	l := &randomLog{t: t, init: testInits["h264"], pts: map[uint64]media.Ticks{}}
	if rapid.Bool().Draw(t, "audio") {
		l.init = testInits["aac48"]
	}
	l.kind = l.init.Kind()
	part := time.Duration(rapid.SampledFrom([]int{300, 333, 500, 1000}).Draw(t, "part")) * time.Millisecond
	l.cadence = media.Cadence{
		Segment: 2 * time.Second, Part: part, TargetDuration: 2 * time.Second,
		PartTarget: part + time.Second*1024/time.Duration(rapid.SampledFrom([]int{44100, 48000}).Draw(t, "rate")),
	}
	days := rapid.SampledFrom([]int64{0, 0, 400, 20000}).Draw(t, "days") // E9
	l.now = media.Ticks(epoch+days*86400) * media.Ticks(l.init.Timescale())
	l.msn = uint64(l.now) / uint64(2*l.init.Timescale())
	l.event(media.Event{Kind: media.NewInit, Init: &l.init})
	if rapid.Bool().Draw(t, "joined in the middle") {
		l.samples()
	}
	for range rapid.IntRange(1, 10).Draw(t, "segments") {
		l.between()
		l.event(media.Event{Kind: media.Boundary, MSN: l.msn, At: l.now})
		l.msn++
		l.samples()
	}
	return l
}

func (l *randomLog) event(e media.Event) {
	l.steps = append(l.steps, step{entry: media.Entry{Event: &e}})
}

func (l *randomLog) ticks(d time.Duration) media.Ticks {
	return media.FromDuration(d, l.init.Timescale())
}

// between adds what may stand between two segments.
func (l *randomLog) between() {
	switch rapid.IntRange(0, 9).Draw(l.t, "between") {
	case 0:
		for range rapid.IntRange(1, 3).Draw(l.t, "gaps") {
			d := l.ticks(2 * time.Second)
			l.event(media.Event{Kind: media.Gap, MSN: l.msn, At: l.now, Duration: d})
			l.msn++
			l.now += d
		}
	case 1:
		l.now += l.ticks(time.Duration(rapid.IntRange(-3000, 3000).Draw(l.t, "jump")) * time.Millisecond)
		l.event(media.Event{Kind: media.Discontinuity})
	case 2:
		if l.kind == media.Video {
			l.init = testInits[rapid.SampledFrom([]string{"h264", "h264b"}).Draw(l.t, "init")]
		}
		in := l.init
		l.event(media.Event{Kind: media.NewInit, Init: &in})
		if rapid.Bool().Draw(l.t, "told") {
			l.event(media.Event{Kind: media.Discontinuity})
		}
	case 3:
		in := l.init
		l.steps = append(l.steps, step{lag: &in})
		lost := rapid.SampledFrom([]int{0, 1, 2, maxGapSegments + 9}).Draw(l.t, "segments lost")
		l.msn += uint64(lost)
		l.now += l.ticks(2*time.Second) * media.Ticks(lost)
		l.samples() // the rest of a segment
	case 4:
		l.now += l.ticks(time.Duration(rapid.IntRange(-5, 90000).Draw(l.t, "hole")) * time.Millisecond)
	}
}

// samples adds the samples of a segment.
func (l *randomLog) samples() {
	interval := l.ticks(time.Second) / media.Ticks(rapid.SampledFrom([]int{1, 3, 7, 12, 15, 24, 25, 30, 50, 60}).Draw(l.t, "rate"))
	delay, bFrames := media.Ticks(0), false
	if l.kind == media.Audio {
		interval = 1024
	} else if bFrames = rapid.Bool().Draw(l.t, "b-frames"); bFrames {
		delay = interval
	}
	steady := rapid.Bool().Draw(l.t, "steady")
	promise := rapid.SampledFrom([]string{"none", "exact", "rounded"}).Draw(l.t, "promise")
	end := l.now + l.ticks(time.Duration(rapid.IntRange(100, 4000).Draw(l.t, "length"))*time.Millisecond)
	for j := media.Ticks(0); l.now < end; j++ {
		offset := delay
		if bFrames && j > 0 {
			offset += [...]media.Ticks{-1, 2, -1}[j%3] * interval
		}
		s := media.Sample{DTS: l.now, PTS: l.now + offset, Sync: j == 0 || l.kind == media.Audio}
		d := interval
		if !steady && l.kind == media.Video {
			d = media.Ticks(rapid.Int64Range(1, int64(2*interval)).Draw(l.t, "interval"))
		}
		switch promise {
		case "exact":
			s.Duration = d
		case "rounded":
			s.Duration = d + media.Ticks(rapid.Int64Range(-90, 90).Draw(l.t, "off"))
		}
		if rapid.IntRange(0, 60).Draw(l.t, "lost") == 0 {
			d += l.ticks(time.Duration(rapid.IntRange(0, 3000).Draw(l.t, "for")) * time.Millisecond)
		}
		s.Data = binary.BigEndian.AppendUint64(nil, l.next)
		l.pts[l.next] = s.PTS
		l.next++
		l.steps = append(l.steps, step{entry: media.Entry{Sample: s}})
		l.now += d
	}
}

// packaged is everything that a cutter made of a log.
type packaged struct {
	segments []*presentation.Segment // each as it was last seen, in the order of coming
	last     *presentation.Track
	dropped  uint64
	digest   [32]byte
}

// run packages the log, and checks the snapshots on the way.
func (l *randomLog) run(t *rapid.T) packaged {
	c := newCutter("x1", l.kind, l.cadence, 6*time.Second, new(discontinuities))
	var p packaged
	var frozen []func() error
	see := func(tr *presentation.Track) {
		if tr == nil {
			return
		}
		if p.last != nil {
			checkSuccession(t, p.last, tr)
		}
		p.last = tr
		for _, s := range slices.Concat(tr.Kept, tr.Segments) {
			if n := len(p.segments); n == 0 || s.MSN > p.segments[n-1].MSN {
				p.segments = append(p.segments, s)
			} else if i, ok := slices.BinarySearchFunc(p.segments, s.MSN, func(s *presentation.Segment, msn uint64) int {
				return cmp.Compare(s.MSN, msn)
			}); ok {
				p.segments[i] = s
			}
			parts, duration, complete := len(s.Parts), s.Duration, s.Complete
			frozen = append(frozen, func() error {
				if len(s.Parts) != parts || s.Duration != duration || s.Complete != complete {
					return fmt.Errorf("a snapshot's segment %d changed", s.MSN)
				}
				return nil
			})
		}
	}
	for _, s := range l.steps {
		if s.lag != nil {
			see(c.lag(s.lag))
			continue
		}
		awaited := c.awaits()(s.entry)
		tr := c.push(s.entry)
		if tr != nil && !awaited {
			t.Fatalf("the packager would have slept through an entry that changes the playlist: %+v", s.entry)
		}
		see(tr)
	}
	see(c.finish())
	for _, f := range frozen {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	p.dropped = c.stats.Dropped
	h := sha256.New()
	for _, s := range p.segments {
		fmt.Fprintln(h, s.MSN, s.Start, s.Duration, s.Init.Version, s.Discontinuity, s.Gap)
		h.Write(s.Init.Data)
		for _, part := range s.Parts {
			fmt.Fprintln(h, part.Number, part.Start, part.Duration, part.Independent, part.Gap)
			h.Write(part.Data)
		}
	}
	h.Sum(p.digest[:0])
	return p
}

// checkSuccession checks that b can follow a.
func checkSuccession(t *rapid.T, a, b *presentation.Track) {
	if b.Bandwidth < a.Bandwidth || b.AverageBandwidth < a.AverageBandwidth {
		t.Fatalf("bandwidth went down: %d/%d to %d/%d", a.Bandwidth, a.AverageBandwidth, b.Bandwidth, b.AverageBandwidth)
	}
	if b.DiscontinuitySequence < a.DiscontinuitySequence || b.NextPart < a.NextPart || b.NextMSN < a.NextMSN {
		t.Fatal("a number went down")
	}
	for i, s := range b.Segments {
		if i > 0 && s.MSN != b.Segments[i-1].MSN+1 {
			t.Fatalf("segment %d follows %d", s.MSN, b.Segments[i-1].MSN)
		}
		if !s.Complete && i < len(b.Segments)-1 || len(s.Parts) == 0 {
			t.Fatalf("segment %d of %d: complete %v, %d parts", i, len(b.Segments), s.Complete, len(s.Parts))
		}
		old := a.Segment(s.MSN)
		if old == nil {
			continue
		}
		if old.Complete && old != s {
			t.Fatalf("segment %d changed after it was complete", s.MSN)
		}
		for j, p := range old.Parts {
			if s.Parts[j] != p {
				t.Fatalf("part %d of segment %d changed", j, s.MSN)
			}
		}
	}
	last := b.Segments[len(b.Segments)-1]
	if n := last.Parts[len(last.Parts)-1].Number; b.NextPart != n+1 || b.NextMSN != last.MSN+1 {
		t.Fatalf("next part %d after %d, next segment %d after %d", b.NextPart, n, b.NextMSN, last.MSN)
	}
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLog(t)
		p := l.run(t)
		if again := l.run(t); again.digest != p.digest {
			t.Fatal("the same log gave something else the second time")
		}
		checkSamples(t, l, p)
		for i, s := range p.segments {
			var before *presentation.Segment
			if i > 0 {
				before = p.segments[i-1]
			}
			checkSegment(t, l, p, before, s)
		}
		checkDecodeTimes(t, p)
	})
}

// checkSamples checks that every sample is there once, in order, with its PTS.
func checkSamples(t *rapid.T, l *randomLog, p packaged) {
	var seen, next uint64
	for _, s := range p.segments {
		for _, part := range s.Parts {
			if part.Gap {
				if part.Data != nil {
					t.Fatal("a gap part has data")
				}
				continue
			}
			f := parseChunk(t, part.Data)
			sync := false
			for _, x := range f.samples {
				id := binary.BigEndian.Uint64(x.Data)
				if id < next {
					t.Fatalf("sample %d again, or late", id)
				}
				if got, want := media.Ticks(x.PresentationTime()), l.pts[id]; got != want {
					t.Fatalf("sample %d: PTS %d, want %d", id, got, want)
				}
				if x.Dur == 0 {
					t.Fatalf("sample %d has no duration", id)
				}
				sync = sync || x.IsSync()
				next = id + 1
				seen++
			}
			if sync != part.Independent {
				t.Fatalf("part %d: independent %v, with a sync sample: %v", part.Number, part.Independent, sync)
			}
		}
	}
	if seen+p.dropped != l.next {
		t.Fatalf("%d samples in the parts and %d dropped, of %d", seen, p.dropped, l.next)
	}
}

// checkSegment checks what rfc8216bis asks of a segment and its parts.
func checkSegment(t *rapid.T, l *randomLog, p packaged, before, s *presentation.Segment) {
	ts := s.Timescale()
	at := s.Start
	if before != nil {
		if end := before.Start + before.Duration; !s.Discontinuity && s.Start != end {
			// A gap event says where it begins; what is missing before it may be too long for a segment.
			if !s.Gap || s.Start < end {
				t.Fatalf("segment %d begins at %d, the one before ends at %d", s.MSN, s.Start, end)
			}
		}
		if n, want := s.Parts[0].Number, before.Parts[len(before.Parts)-1].Number+1; n != want {
			t.Fatalf("segment %d begins with part %d, want %d", s.MSN, n, want)
		}
	}
	if !s.Gap && !s.Parts[0].Gap && !s.Parts[0].Independent {
		t.Fatalf("segment %d does not begin with a sync sample", s.MSN)
	}
	for i, part := range s.Parts {
		if part.Start != at || i > 0 && part.Number != s.Parts[i-1].Number+1 {
			t.Fatalf("part %d of segment %d does not continue the one before", i, s.MSN)
		}
		at += part.Duration
		d := part.Duration.Duration(ts)
		if part.Duration <= 0 || d > l.cadence.PartTarget {
			t.Fatalf("part %d of segment %d lasts %v, target %v", i, s.MSN, d, l.cadence.PartTarget)
		}
		last := i == len(s.Parts)-1
		if !last && !part.Independent && !part.Gap && !s.Parts[i+1].Gap && d < l.cadence.PartTarget*85/100 {
			t.Fatalf("part %d of segment %d lasts %v: below 85 %% of %v", i, s.MSN, d, l.cadence.PartTarget)
		}
	}
	// One that went while nothing was shown was last seen incomplete.
	if at-s.Start != s.Duration || !s.Complete && p.last.Segment(s.MSN) != nil {
		t.Fatalf("segment %d lasts %d, its parts %d; complete: %v", s.MSN, s.Duration, at-s.Start, s.Complete)
	}
}

// checkDecodeTimes checks that the written decode timeline has no holes but those that parts or segments tell.
func checkDecodeTimes(t *rapid.T, p packaged) {
	var end media.Ticks
	loose := true // the next part need not continue the one before
	for _, s := range p.segments {
		loose = loose || s.Discontinuity || s.Gap
		for i, part := range s.Parts {
			if part.Gap {
				loose = true
				continue
			}
			f := parseChunk(t, part.Data)
			// A new init segment without discontinuity begins a period too.
			newPeriod := loose || i == 0 && f.time > end
			if !newPeriod && f.time != end {
				t.Fatalf("part %d begins at %d, the one before ends at %d", part.Number, f.time, end)
			}
			if f.time < part.Start {
				t.Fatalf("part %d: tfdt %d before its start %d", part.Number, f.time, part.Start)
			}
			end = f.time
			for _, x := range f.samples {
				end += media.Ticks(x.Dur)
			}
			if end != part.Start+part.Duration {
				t.Fatalf("part %d: its samples end at %d, it ends at %d", part.Number, end, part.Start+part.Duration)
			}
			loose = false
		}
	}
}

func parseChunk(t *rapid.T, data []byte) fragment {
	f, err := readChunk(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return f
}
