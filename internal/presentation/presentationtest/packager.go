// Package presentationtest makes presentations without a packager, step by step, for
// the tests of whatever reads them. Media is noise: only its size and time are real.
package presentationtest

import (
	"fmt"
	"time"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// Low is a low-latency cadence: segments of 2 s, parts of 200 ms.
var Low = media.Cadence{
	Segment: 2 * time.Second, Part: 200 * time.Millisecond,
	PartTarget: 200 * time.Millisecond, TargetDuration: 2 * time.Second,
}

// AVC and AAC are configurations that name no real bitstream.
var (
	AVC = media.Init{
		Codec: media.H264, Config: []byte{1, 0x64, 0, 0x1f}, CodecString: "avc1.64001f",
		Width: 1280, Height: 720, FrameRate: media.Rational{Num: 30, Den: 1},
	}
	AAC = media.Init{
		Codec: media.AAC, Config: []byte{0x11, 0x90}, CodecString: "mp4a.40.2",
		SampleRate: 48000, Channels: 2, FrameLength: 1024,
	}
)

// Epoch is where presentations begin unless told otherwise: 2026-03-01T10:00:00Z.
var Epoch = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// Options say how a Packager begins. Zero fields have the defaults that are named.
type Options struct {
	ID        string        // "v1" or "a1", by Init
	Cadence   media.Cadence // Low
	Init      media.Init    // AVC
	Start     time.Time     // Epoch
	FirstMSN  uint64
	FirstPart uint64
	Listed    int              // complete segments in the list: 10
	Kept      int              // complete segments behind the list: 5
	Arrived   func() time.Time // stamps parts; nil leaves the time zero
}

// Packager cuts one track by hand. Every step makes one new snapshot. Its methods are
// for one goroutine; readers use the Rendition.
type Packager struct {
	o         Options
	init      *presentation.Init
	inits     int
	at        media.Ticks
	next      presentation.Segment // what the next segment begins with
	open      bool                 // the last of track.Segments is not complete
	track     *presentation.Track
	rendition *presentation.Rendition
}

// New returns a packager that has cut nothing.
func New(o Options) *Packager {
	if o.Cadence == (media.Cadence{}) {
		o.Cadence = Low
	}
	if o.Init.Codec == 0 {
		o.Init = AVC
	}
	if o.ID == "" {
		o.ID = o.Init.Kind().String()[:1] + "1"
	}
	if o.Start.IsZero() {
		o.Start = Epoch
	}
	if o.Listed == 0 {
		o.Listed = 10
	}
	if o.Kept == 0 {
		o.Kept = 5
	}
	p := &Packager{o: o, at: media.FromTime(o.Start, o.Init.Timescale())}
	p.track = &presentation.Track{
		ID: o.ID, Kind: o.Init.Kind(), Cadence: o.Cadence, NextPart: o.FirstPart, NextMSN: o.FirstMSN,
	}
	p.setInit(o.Init)
	return p
}

// Attach makes the track a rendition of s, where every later step is published.
func (p *Packager) Attach(s *presentation.Stream) *presentation.Rendition {
	p.rendition = s.Add(p.track)
	return p.rendition
}

// Track returns the newest snapshot.
func (p *Packager) Track() *presentation.Track { return p.track }

// Ticks returns d in the timescale of the track as it is now.
func (p *Packager) Ticks(d time.Duration) media.Ticks {
	return media.FromDuration(d, p.init.Media.Timescale())
}

// Part adds a part of d and of size bytes, in a new segment if the last is complete.
func (p *Packager) Part(d media.Ticks, size int) *presentation.Part {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(int(p.track.NextPart) + i)
	}
	return p.add(&presentation.Part{Duration: d, Data: data})
}

// GapPart adds a part of d that is missing.
func (p *Packager) GapPart(d media.Ticks) *presentation.Part {
	return p.add(&presentation.Part{Duration: d, Gap: true})
}

func (p *Packager) add(part *presentation.Part) *presentation.Part {
	t := p.copy()
	var s presentation.Segment
	if p.open {
		s = *t.Segments[len(t.Segments)-1]
		t.Segments = t.Segments[:len(t.Segments)-1]
	} else {
		s = p.begin()
	}
	part.Number, part.Start = t.NextPart, p.at
	part.Independent = len(s.Parts) == 0 && !part.Gap
	if p.o.Arrived != nil {
		part.Arrived = p.o.Arrived()
	}
	p.at += part.Duration
	s.Parts = append(s.Parts[:len(s.Parts):len(s.Parts)], part)
	s.Duration += part.Duration
	t.Segments = append(t.Segments, &s)
	t.NextPart++
	t.NextMSN = s.MSN + 1
	p.open = true
	p.publish(t)
	return part
}

// Cut completes the last segment.
func (p *Packager) Cut() {
	if !p.open {
		return
	}
	t := p.copy()
	s := *t.Segments[len(t.Segments)-1]
	s.Complete = true
	t.Segments[len(t.Segments)-1] = &s
	p.open = false
	p.complete(t, &s)
	p.publish(t)
}

// Segment adds a complete segment of n parts of d and of size bytes each.
func (p *Packager) Segment(n int, d media.Ticks, size int) {
	for range n {
		p.Part(d, size)
	}
	p.Cut()
}

// Gap completes the last segment and adds one of d that is missing whole, in one part.
func (p *Packager) Gap(d media.Ticks) {
	p.Cut()
	p.next.Gap = true
	p.GapPart(d)
	p.Cut()
}

// Discontinuity completes the last segment; the next one does not continue it and
// begins skip later.
func (p *Packager) Discontinuity(skip media.Ticks) {
	p.Cut()
	p.at += skip
	p.next.Discontinuity = true
}

// Configure completes the last segment; the next one is for init, discontinuous.
func (p *Packager) Configure(init media.Init) {
	p.Discontinuity(0)
	p.at = p.at.Rescale(p.init.Media.Timescale(), init.Timescale())
	p.setInit(init)
}

// End completes the last segment, and the track.
func (p *Packager) End() {
	p.Cut()
	t := p.copy()
	t.Ended = true
	p.publish(t)
}

func (p *Packager) setInit(init media.Init) {
	p.inits++
	p.init = &presentation.Init{
		Version: fmt.Sprintf("%08x", p.inits), Media: init,
		Data: fmt.Appendf(nil, "ftyp moov %s %d", p.o.ID, p.inits),
	}
}

func (p *Packager) begin() presentation.Segment {
	s := p.next
	s.MSN, s.Start, s.Init = p.track.NextMSN, p.at, p.init
	p.next = presentation.Segment{}
	return s
}

// complete moves what is too old out of the list, and measures.
func (p *Packager) complete(t *presentation.Track, s *presentation.Segment) {
	if n := len(t.Segments) - p.o.Listed; n > 0 {
		t.Kept = append(t.Kept[:len(t.Kept):len(t.Kept)], t.Segments[:n]...)
		for _, old := range t.Segments[:n] {
			if old.Discontinuity {
				t.DiscontinuitySequence++
			}
		}
		t.Segments = t.Segments[n:]
	}
	if n := len(t.Kept) - p.o.Kept; n > 0 {
		t.Kept = t.Kept[n:]
	}
	if d := s.Duration.Seconds(s.Timescale()); d > 0 {
		t.Bandwidth = max(t.Bandwidth, int(float64(s.Size())*8/d))
		t.AverageBandwidth = max(t.AverageBandwidth, t.Bandwidth*9/10)
	}
}

func (p *Packager) copy() *presentation.Track {
	t := *p.track
	t.Segments = append([]*presentation.Segment(nil), t.Segments...)
	return &t
}

func (p *Packager) publish(t *presentation.Track) {
	p.track = t
	if p.rendition != nil {
		p.rendition.Set(t)
	}
}
