package delivery

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// Header values of all media, shared: nobody changes them.
var (
	immutable = []string{"public, max-age=31536000, immutable"} // a name never means two things (D5)
	byBytes   = []string{"bytes"}
)

// initialisation answers a request for an initialisation segment.
func (h *Handler) initialisation(a *answer, r *presentation.Rendition, version string) {
	t := r.Load()
	in := t.InitVersion(version)
	if in == nil {
		a.fail(http.StatusNotFound, "there is no such initialisation segment", targetDuration(t.Cadence))
		return
	}
	contentType := "video/mp4"
	if r.Kind == media.Audio {
		contentType = "audio/mp4"
	}
	a.object([][]byte{in.Data}, contentType, `"`+version+`"`)
}

// part answers a request for a part. The one that the playlist hints at is held
// until it is whole (rfc8216bis, 6.2.5.3), nothing of it is sent before.
func (h *Handler) part(a *answer, s *presentation.Stream, r *presentation.Rendition, number uint64) {
	t := r.Load()
	if number == t.NextPart && !t.Ended {
		var ok bool
		t, ok = h.hold(a, h.view(s), r, func(t *presentation.Track) bool { return t.NextPart > number || t.Ended })
		if !ok {
			return
		}
	}
	p := t.Part(number)
	switch {
	case p != nil && !p.Gap:
		a.object([][]byte{p.Data}, segmentType(r.Kind), tag(p.Start, len(p.Data)))
	case number > t.NextPart && !t.Ended:
		a.fail(http.StatusNotFound, "there is no such part yet", t.Cadence.Part/2)
	default:
		a.fail(http.StatusNotFound, "there is no such part", targetDuration(t.Cadence))
	}
}

// segment answers a request for a segment: whole, or as it grows.
func (h *Handler) segment(a *answer, s *presentation.Stream, r *presentation.Rendition, msn uint64) {
	t := r.Load()
	if msn == t.NextMSN && !t.Ended {
		var ok bool
		t, ok = h.hold(a, h.view(s), r, func(t *presentation.Track) bool { return t.NextMSN > msn || t.Ended })
		if !ok {
			return
		}
	}
	seg := t.Segment(msn)
	switch {
	case seg != nil && !seg.Gap && !seg.Complete && !t.Ended:
		h.grow(a, r, t, seg)
	case seg != nil && !seg.Gap:
		body, size := whole(seg)
		a.object(body, segmentType(r.Kind), tag(seg.Start, size))
	case msn > t.NextMSN && !t.Ended:
		a.fail(http.StatusNotFound, "there is no such segment yet", t.Cadence.Part/2)
	default:
		a.fail(http.StatusNotFound, "there is no such segment", targetDuration(t.Cadence))
	}
}

// whole returns the bytes of a segment, those of its parts one after another, and how many.
func whole(s *presentation.Segment) (body [][]byte, size int) {
	body = make([][]byte, 0, len(s.Parts))
	for _, p := range s.Parts {
		if len(p.Data) > 0 {
			body = append(body, p.Data)
			size += len(p.Data)
		}
	}
	return body, size
}

// grow sends a segment part by part as they come, until it is complete. If that
// does not happen in time the connection is broken off, so that nobody takes the
// beginning for the whole.
func (h *Handler) grow(a *answer, r *presentation.Rendition, t *presentation.Track, s *presentation.Segment) {
	a.w.Header().Set("Content-Type", segmentType(r.Kind))
	a.w.Header().Set("Cache-Control", "no-store") // whole, it will be immutable
	a.WriteHeader(http.StatusOK)
	if a.r.Method == http.MethodHead {
		return
	}
	for sent := 0; ; {
		for ; sent < len(s.Parts); sent++ {
			if _, err := a.Write(s.Parts[sent].Data); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if s.Complete || t.Ended {
			return
		}
		a.flush()
		ctx, cancel := context.WithTimeout(a.r.Context(), patience(t.Cadence))
		var err error
		t, err = r.Wait(ctx, func(t *presentation.Track) bool {
			s := t.Segment(s.MSN)
			return s == nil || s.Complete || len(s.Parts) > sent || t.Ended
		})
		cancel()
		if s = t.Segment(s.MSN); err != nil || s == nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// segmentType returns the media type of parts and segments (Apple's authoring
// specification, 10).
func segmentType(k media.Kind) string {
	if k == media.Audio {
		return "audio/mp4"
	}
	return "video/iso.segment"
}

// tag returns the entity tag of media: where it begins since 1970 and how long it
// is, the same on every node.
func tag(start media.Ticks, size int) string {
	return `"` + strconv.FormatInt(int64(start), 36) + "-" + strconv.FormatInt(int64(size), 36) + `"`
}

// object sends bytes that never change, whole or in ranges.
func (a *answer) object(body [][]byte, contentType, etag string) {
	header := a.w.Header()
	header.Set("Content-Type", contentType)
	header["Cache-Control"] = immutable
	header.Set("ETag", etag)
	header["Accept-Ranges"] = byBytes
	if matches(a.r.Header.Get("If-None-Match"), etag) {
		a.WriteHeader(http.StatusNotModified)
		return
	}
	if a.r.Method == http.MethodGet && servableRange(a.r.Header.Get("Range")) {
		http.ServeContent(a, a.r, "", time.Time{}, newReader(body))
		return
	}
	a.body(body)
}

// maxRanges is how many ranges a request may name; one with more gets the whole, as
// if it had named none (RFC 9110, 14.2 allows that).
const maxRanges = 4

// servableRange reports whether a Range header is one that we look at. A suffix of no
// bytes is not: net/http would answer it with a Content-Range that ends before it begins.
func servableRange(header string) bool {
	ranges, ok := strings.CutPrefix(header, "bytes=")
	if !ok || len(header) > 256 || strings.Count(ranges, ",") >= maxRanges {
		return false
	}
	for r := range strings.SplitSeq(ranges, ",") {
		if n, suffix := strings.CutPrefix(strings.TrimSpace(r), "-"); suffix && strings.Trim(n, "0") == "" {
			return false
		}
	}
	return true
}
