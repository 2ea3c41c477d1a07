// Package hls writes HLS playlists, low-latency ones included: rfc8216bis (the draft
// in its revision 22). It is pure: the same presentation gives the same bytes. It
// knows nothing of HTTP; what a server has to say about a playlist beside its text
// (waiting, refusing, caching) is delivery's.
package hls

import (
	"strconv"
	"time"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// version is EXT-X-VERSION of every playlist: what delta updates need (rfc8216bis,
// 8), also where there is none, so that full lists and their deltas agree.
const version = "9"

// MediaOptions are what a media playlist depends on besides its track.
type MediaOptions struct {
	// Skip asks for a delta update (_HLS_skip), which is written if there is enough
	// to leave out. There are no date ranges, so that YES and v2 are the same.
	Skip bool

	// Window is how much media the stream's lists are going to hold. Lists that will
	// be too short for delta updates do not offer them.
	Window time.Duration

	// Reports are of the stream's other renditions.
	Reports []Report
}

// A Report is how far another rendition is (EXT-X-RENDITION-REPORT).
type Report struct {
	URI      string // relative to the playlist it stands in
	LastMSN  uint64
	LastPart int // -1: the rendition has no parts
}

// ReportOf returns the report of t for a playlist beside t's own; ok is false while
// there is nothing to report.
func ReportOf(t *presentation.Track) (r Report, ok bool) {
	r = Report{URI: "../" + MediaURI(t.ID), LastPart: -1}
	if t.Cadence.PartTarget > 0 {
		msn, parts, ok := t.Last()
		r.LastMSN, r.LastPart = msn, parts-1
		return r, ok
	}
	segments := listed(t)
	if len(segments) == 0 {
		return r, false
	}
	r.LastMSN = segments[len(segments)-1].MSN
	return r, true
}

// MediaURI returns where the media playlist of a track is, seen from the multivariant one.
func MediaURI(track string) string { return track + "/media.m3u8" }

// SkipUntil returns CAN-SKIP-UNTIL, how far from the end of the list a segment must
// be to be left out of delta updates, or 0 where the list never holds that much.
// It is six target durations, the least there may be (rfc8216bis, 4.4.3.8).
func SkipUntil(c media.Cadence, window time.Duration) time.Duration {
	until := 6 * time.Duration(targetDuration(c)) * time.Second
	if window <= until {
		return 0
	}
	return until
}

// listed returns the segments that t's playlist shows: without parts, an incomplete
// segment has nothing to be shown by.
func listed(t *presentation.Track) []*presentation.Segment {
	n := len(t.Segments)
	if n > 0 && t.Cadence.PartTarget <= 0 && !t.Segments[n-1].Complete {
		n--
	}
	return t.Segments[:n]
}

// Media returns the media playlist of t, one version of it: low-latency if t's
// cadence has a part target.
func Media(t *presentation.Track, o MediaOptions) []byte {
	segments := listed(t)
	w := mediaWriter{
		b:        make([]byte, 0, 512+len(segments)*128+100*60),
		parts:    t.Cadence.PartTarget > 0,
		segments: segments,
	}
	w.header(t, o)
	w.media(w.skip(t, o), int64(scale)*3*targetDuration(t.Cadence))
	w.trailer(t, o)
	return w.b
}

type mediaWriter struct {
	b        []byte
	parts    bool
	segments []*presentation.Segment
}

func (w *mediaWriter) header(t *presentation.Track, o MediaOptions) {
	td := targetDuration(t.Cadence)
	w.text("#EXTM3U\n#EXT-X-VERSION:" + version + "\n#EXT-X-TARGETDURATION:")
	w.int(td)
	w.text("\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES")
	partTarget := ceil(t.Cadence.PartTarget)
	if w.parts {
		w.text(",PART-HOLD-BACK=")
		w.b = appendShort(w.b, 3*partTarget) // Apple's authoring specification, 14.3
	}
	w.text(",HOLD-BACK=")
	w.int(3 * td)
	if until := SkipUntil(t.Cadence, o.Window); until > 0 {
		w.text(",CAN-SKIP-UNTIL=")
		w.b = appendShort(w.b, ceil(until))
	}
	if w.parts {
		w.text("\n#EXT-X-PART-INF:PART-TARGET=")
		w.b = appendShort(w.b, partTarget)
	}
	w.text("\n#EXT-X-MEDIA-SEQUENCE:")
	if len(t.Segments) > 0 {
		w.uint(t.Segments[0].MSN)
	} else {
		w.uint(t.NextMSN)
	}
	w.text("\n#EXT-X-DISCONTINUITY-SEQUENCE:")
	w.uint(t.DiscontinuitySequence)
	w.text("\n#EXT-X-INDEPENDENT-SEGMENTS\n")
}

// skip writes EXT-X-SKIP if a delta update is wanted and leaves out anything, and
// returns how many segments it replaces: those that end before the skip boundary
// (rfc8216bis, 6.2.5.1).
func (w *mediaWriter) skip(t *presentation.Track, o MediaOptions) int {
	until := SkipUntil(t.Cadence, o.Window)
	if !o.Skip || until == 0 || t.Ended {
		return 0
	}
	n := w.before(ceil(until))
	if n == 0 {
		return 0
	}
	w.text("#EXT-X-SKIP:SKIPPED-SEGMENTS=")
	w.int(int64(n))
	w.text("\n")
	return n
}

// before returns how many segments lie whole more than distance before the list's end.
func (w *mediaWriter) before(distance tick5) int {
	var behind tick5
	for i := len(w.segments) - 1; i >= 0; i-- {
		if behind > distance {
			return i + 1
		}
		s := w.segments[i]
		behind += span(s.Start, s.Duration, s.Timescale())
	}
	return 0
}

// media writes the segments from the skipped one on. Those that begin within
// partsWithin of the list's end are written with their parts (rfc8216bis, 4.4.4.9).
func (w *mediaWriter) media(skipped int, partsWithin int64) {
	first := len(w.segments) // with parts
	for behind := tick5(0); w.parts && first > 0; first-- {
		s := w.segments[first-1]
		behind += span(s.Start, s.Duration, s.Timescale())
		if int64(behind) > partsWithin && s.Complete {
			break
		}
	}
	for i := skipped; i < len(w.segments); i++ {
		s := w.segments[i]
		if s.Discontinuity {
			w.text("#EXT-X-DISCONTINUITY\n")
		}
		if i == 0 || s.Discontinuity || s.Init.Version != w.segments[i-1].Init.Version {
			w.text(`#EXT-X-MAP:URI="init-`)
			w.text(s.Init.Version)
			w.text(".mp4\"\n")
		}
		w.text("#EXT-X-PROGRAM-DATE-TIME:")
		w.b = appendDate(w.b, s.Start, s.Timescale())
		w.text("\n")
		if i >= first {
			for _, p := range s.Parts {
				w.part(p, s.Timescale())
			}
		}
		if s.Complete {
			w.segment(s)
		}
	}
}

func (w *mediaWriter) part(p *presentation.Part, ts media.Timescale) {
	w.text("#EXT-X-PART:DURATION=")
	w.b = appendSeconds(w.b, span(p.Start, p.Duration, ts))
	w.text(`,URI="p-`)
	w.uint(p.Number)
	w.text(`.m4s"`)
	if p.Independent {
		w.text(",INDEPENDENT=YES")
	}
	if p.Gap {
		w.text(",GAP=YES")
	}
	w.text("\n")
}

func (w *mediaWriter) segment(s *presentation.Segment) {
	if s.Gap {
		w.text("#EXT-X-GAP\n")
	}
	w.text("#EXTINF:")
	w.b = appendSeconds(w.b, span(s.Start, s.Duration, s.Timescale()))
	w.text(",\n")
	w.uint(s.MSN)
	w.text(".m4s\n")
}

func (w *mediaWriter) trailer(t *presentation.Track, o MediaOptions) {
	if t.Ended {
		w.text("#EXT-X-ENDLIST\n")
		return
	}
	if w.parts {
		w.text(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p-`)
		w.uint(t.NextPart)
		w.text(".m4s\"\n")
	}
	for _, r := range o.Reports {
		w.text(`#EXT-X-RENDITION-REPORT:URI="`)
		w.text(r.URI)
		w.text(`",LAST-MSN=`)
		w.uint(r.LastMSN)
		if r.LastPart >= 0 {
			w.text(",LAST-PART=")
			w.int(int64(r.LastPart))
		}
		w.text("\n")
	}
}

func (w *mediaWriter) text(s string) { w.b = append(w.b, s...) }
func (w *mediaWriter) int(n int64)   { w.b = strconv.AppendInt(w.b, n, 10) }
func (w *mediaWriter) uint(n uint64) { w.b = strconv.AppendUint(w.b, n, 10) }
