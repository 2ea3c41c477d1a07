package hlstest

import (
	"bytes"
	"fmt"
	"math"
	"time"
)

// Check returns everything that is wrong with cur, a media or a multivariant
// playlist; and, if prev is not nil, with cur as a later version of prev, the same
// media playlist some time before. If cur is a delta update, prev must be full.
func Check(prev, cur []byte) []error {
	if bytes.Contains(cur, []byte("#EXT-X-STREAM-INF")) {
		return CheckMultivariant(cur)
	}
	p, err := Parse(cur)
	if err != nil {
		return []error{err}
	}
	if prev == nil {
		return CheckPlaylist(nil, p)
	}
	old, err := Parse(prev)
	if err != nil {
		return []error{fmt.Errorf("the earlier playlist: %w", err)}
	}
	return CheckPlaylist(old, p)
}

// CheckPlaylist is Check for playlists already read; prev may be nil.
func CheckPlaylist(prev, cur *Playlist) []error {
	c := &checker{}
	if cur.Skipped > 0 {
		c.delta(cur)
		if prev == nil {
			return append(c.errs, fmt.Errorf("a delta update without an earlier list"))
		}
		full, err := prev.Apply(cur)
		if err != nil {
			return append(c.errs, err)
		}
		cur = full
	}
	c.header(cur)
	c.segments(cur)
	c.parts(cur)
	c.trailer(cur)
	if prev != nil {
		c.change(prev, cur)
	}
	return c.errs
}

// rounding is how far a sum of n numbers of five decimals may be off, in seconds.
func rounding(n int) float64 { return float64(n)*0.5e-5 + 1e-9 }

type checker struct{ errs []error }

func (c *checker) is(ok bool, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

func (c *checker) delta(p *Playlist) {
	c.is(p.CanSkipUntil > 0, "EXT-X-SKIP without CAN-SKIP-UNTIL")
	c.is(p.Version >= 9, "EXT-X-SKIP in version %d", p.Version)
	c.is(!p.Ended, "a delta update of an ended list")
	c.is(p.Duration() >= p.CanSkipUntil, "the delta update skips %d segments up to %.5f s from the end, nearer than %v s", p.Skipped, p.Duration(), p.CanSkipUntil)
}

func (c *checker) header(p *Playlist) {
	td := float64(p.TargetDuration)
	c.is(p.TargetDuration >= 1, "EXT-X-TARGETDURATION %d", p.TargetDuration)
	c.is(p.Version >= 6, "EXT-X-MAP in version %d", p.Version)
	c.is(p.Independent, "no EXT-X-INDEPENDENT-SEGMENTS")
	c.is(p.HoldBack == 0 || p.HoldBack >= 3*td, "HOLD-BACK %v is less than 3 target durations of %v", p.HoldBack, td)
	c.is(p.CanSkipUntil == 0 || p.CanSkipUntil >= 6*td, "CAN-SKIP-UNTIL %v is less than 6 target durations of %v", p.CanSkipUntil, td)
	c.is(p.PartTarget == 0 || p.PartHoldBack >= 3*p.PartTarget-1e-9, "PART-HOLD-BACK %v is less than 3 part targets of %v", p.PartHoldBack, p.PartTarget)
	c.is(p.PartTarget == 0 || p.CanBlockReload, "parts without CAN-BLOCK-RELOAD")
	c.is(p.PartTarget <= td, "PART-TARGET %v is over the target duration", p.PartTarget)
}

func (c *checker) segments(p *Playlist) {
	uris := map[string]uint64{}
	for i, s := range p.Segments {
		if s.URI == "" {
			c.is(i == len(p.Segments)-1, "segment %d in the middle is incomplete", s.MSN)
			c.is(!p.Ended, "the ended list's last segment is incomplete")
			c.is(len(s.Parts) > 0, "tags behind the last segment, but no part")
		} else {
			other, dup := uris[s.URI]
			c.is(!dup, "segments %d and %d have the same URI %s", other, s.MSN, s.URI)
			uris[s.URI] = s.MSN
			c.is(math.Round(s.Duration) <= float64(p.TargetDuration), "segment %d of %.5f s is over EXT-X-TARGETDURATION %d", s.MSN, s.Duration, p.TargetDuration)
			c.is(s.Duration > 0, "segment %d has no duration", s.MSN)
		}
		c.is(s.Map != "", "segment %d has no EXT-X-MAP", s.MSN)
		c.is(!s.Date.IsZero(), "segment %d has no EXT-X-PROGRAM-DATE-TIME", s.MSN)
		if i == 0 {
			continue
		}
		before := p.Segments[i-1]
		c.is(s.Map == before.Map || s.Discontinuity, "segment %d has another EXT-X-MAP than %d, without EXT-X-DISCONTINUITY", s.MSN, before.MSN)
		jump := s.Date.Sub(before.Date.Add(time.Duration(before.Duration * float64(time.Second))))
		c.is(jump > -time.Second, "the date goes back by %v at segment %d", -jump, s.MSN)
		c.is(s.Discontinuity || jump.Abs() < 100*time.Millisecond, "the date jumps by %v at segment %d, without EXT-X-DISCONTINUITY", jump, s.MSN)
	}
}

func (c *checker) parts(p *Playlist) {
	uris := map[string]bool{}
	end := p.Duration()
	var at, longest float64
	for _, s := range p.Segments {
		longest = max(longest, s.length())
	}
	for i, s := range p.Segments {
		c.is(len(s.Parts) == 0 || end-at <= 3*float64(p.TargetDuration)+longest, "segment %d, %.5f s from the end, still has parts", s.MSN, end-at)
		at += s.length()
		var sum float64
		for j, part := range s.Parts {
			sum += part.Duration
			c.is(p.PartTarget > 0, "a part without EXT-X-PART-INF")
			c.is(!uris[part.URI], "two parts have the URI %s", part.URI)
			uris[part.URI] = true
			c.is(part.Duration <= p.PartTarget+1e-9, "part %s of %.5f s is over PART-TARGET %v", part.URI, part.Duration, p.PartTarget)
			last := j == len(s.Parts)-1 // or it may turn out to be
			short := part.Independent || part.Gap || last || s.Parts[j+1].Gap
			c.is(short || part.Duration >= .85*p.PartTarget, "part %s of %.5f s is under 85 %% of PART-TARGET %v", part.URI, part.Duration, p.PartTarget)
		}
		if n := len(s.Parts); n > 0 && s.URI != "" {
			c.is(math.Abs(sum-s.Duration) <= rounding(n+1), "the parts of segment %d last %.5f s, it lasts %.5f s", s.MSN, sum, s.Duration)
		}
		if p.PartTarget > 0 && s.URI != "" && !s.Gap && i > 0 && len(p.Segments[i-1].Parts) > 0 {
			c.is(len(s.Parts) > 0, "segment %d has no parts, the one before has", s.MSN)
		}
	}
	c.is(p.Hint == "" || !uris[p.Hint], "the hint %s is a part that is there", p.Hint)
}

func (c *checker) trailer(p *Playlist) {
	c.is(!p.Ended || p.Hint == "", "a hint in an ended list")
	c.is(p.Ended || p.PartTarget == 0 || p.Hint != "", "no EXT-X-PRELOAD-HINT")
	seen := map[string]bool{}
	for _, r := range p.Reports {
		c.is(!seen[r.URI], "two reports of %s", r.URI)
		seen[r.URI] = true
		c.is(r.URI != "" && r.URI[0] != '/', "the report's URI %q is not relative", r.URI)
		c.is(r.LastPart < 0 || p.PartTarget > 0, "a report of parts of %s in a list that has none", r.URI)
	}
}

// change checks that a list is only appended to and removed from (rfc8216bis, 6.2.1,
// 6.2.2 and 6.3.4).
func (c *checker) change(prev, cur *Playlist) {
	c.is(prev.TargetDuration == cur.TargetDuration, "EXT-X-TARGETDURATION changed from %d to %d", prev.TargetDuration, cur.TargetDuration)
	c.is(prev.PartTarget == cur.PartTarget, "PART-TARGET changed from %v to %v", prev.PartTarget, cur.PartTarget)
	c.is(prev.HoldBack == cur.HoldBack && prev.PartHoldBack == cur.PartHoldBack && prev.CanSkipUntil == cur.CanSkipUntil, "EXT-X-SERVER-CONTROL changed")
	c.is(cur.MediaSequence >= prev.MediaSequence, "EXT-X-MEDIA-SEQUENCE went back from %d to %d", prev.MediaSequence, cur.MediaSequence)
	c.is(cur.DiscontinuitySequence >= prev.DiscontinuitySequence, "EXT-X-DISCONTINUITY-SEQUENCE went back from %d to %d", prev.DiscontinuitySequence, cur.DiscontinuitySequence)
	c.is(!prev.Ended || cur.Ended, "an ended list goes on")
	c.is(cur.end() >= prev.end(), "the list lost its end: segment %d, was %d", cur.end(), prev.end())
	if cur.MediaSequence > prev.MediaSequence {
		c.is(cur.Duration() >= 3*float64(cur.TargetDuration), "%.5f s are left after a removal, less than 3 target durations of %d s", cur.Duration(), cur.TargetDuration)
	}
	oldNumbers, numbers := prev.discontinuityNumbers(), cur.discontinuityNumbers()
	for _, was := range prev.Segments {
		s, ok := cur.Segment(was.MSN)
		if !ok {
			continue
		}
		c.is(oldNumbers[was.MSN] == numbers[was.MSN], "the discontinuity sequence number of segment %d changed from %d to %d", was.MSN, oldNumbers[was.MSN], numbers[was.MSN])
		c.is(s.Discontinuity == was.Discontinuity && s.Map == was.Map && s.Date.Equal(was.Date), "the tags of segment %d changed", was.MSN)
		if was.URI != "" {
			c.is(s.URI == was.URI && s.Duration == was.Duration && s.Gap == was.Gap, "segment %d changed from %s, %.5f s to %s, %.5f s", was.MSN, was.URI, was.Duration, s.URI, s.Duration)
		}
		c.sameParts(was, s)
	}
	c.hintKept(prev, cur)
}

func (c *checker) sameParts(was, s Segment) {
	if len(s.Parts) == 0 && s.URI != "" {
		return // they have been removed
	}
	c.is(len(s.Parts) >= len(was.Parts), "segment %d lost parts", s.MSN)
	c.is(was.URI == "" || len(was.Parts) == 0 || len(was.Parts) == len(s.Parts), "the complete segment %d got parts", s.MSN)
	for i := range min(len(was.Parts), len(s.Parts)) {
		c.is(was.Parts[i] == s.Parts[i], "part %d of segment %d changed from %v to %v", i, s.MSN, was.Parts[i], s.Parts[i])
	}
}

// hintKept checks that the first part after those of prev is the one it hinted at.
func (c *checker) hintKept(prev, cur *Playlist) {
	if prev.Hint == "" || len(prev.Segments) == 0 {
		return
	}
	was := prev.Segments[len(prev.Segments)-1]
	s, ok := cur.Segment(was.MSN)
	if !ok || len(s.Parts) < len(was.Parts) {
		return
	}
	next := s.Parts[len(was.Parts):]
	if len(next) == 0 {
		after, ok := cur.Segment(was.MSN + 1)
		if !ok {
			return
		}
		next = after.Parts
	}
	c.is(len(next) == 0 || next[0].URI == prev.Hint, "the part after the hint %s is another one", prev.Hint)
}

// end returns the number of the segment after the last complete one.
func (p *Playlist) end() uint64 {
	n := p.MediaSequence + uint64(p.Skipped+len(p.Segments))
	if len(p.Segments) > 0 && p.Segments[len(p.Segments)-1].URI == "" {
		n--
	}
	return n
}

// discontinuityNumbers returns the discontinuity sequence number of each segment (rfc8216bis, 6.2.2).
func (p *Playlist) discontinuityNumbers() map[uint64]uint64 {
	numbers := map[uint64]uint64{}
	n := p.DiscontinuitySequence
	for _, s := range p.Segments {
		if s.Discontinuity {
			n++
		}
		numbers[s.MSN] = n
	}
	return numbers
}
