package delivery

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/presentation"
)

// playlistType is rfc8216bis, 4.
const playlistType = "application/vnd.apple.mpegurl"

// playlist answers a request for a media playlist, as the table of rfc8216bis,
// 6.2.5.2 has it.
func (h *Handler) playlist(a *answer, v *streamView, r *presentation.Rendition) {
	q, err := parseReload(a.r.URL.RawQuery)
	if err != nil {
		a.fail(http.StatusBadRequest, err.Error(), absentTTL)
		return
	}
	t := r.Load()
	if q.blocking && !t.Ended && !q.reachable(t) {
		a.fail(http.StatusBadRequest, "the playlist is not that far", 0)
		return
	}
	if _, ok := h.hold(a, v, r, q.met); !ok {
		return
	}
	now := h.now()
	list, t, changed := v.rendition(r).playlist(now, q.skip)
	if !t.Ended && now.Sub(changed) > patience(t.Cadence) {
		h.log.Debug("a playlist has stopped growing", "stream", v.stream.Name, "track", r.ID)
		a.unavailable("the stream has stalled")
		return
	}
	td := targetDuration(t.Cadence)
	ttl := max(td/2, time.Second)
	if q.blocking {
		ttl = 6 * td // nothing else is ever asked for by this URL
	}
	a.playlist(list, ttl)
}

// multivariant answers a request for the multivariant playlist. It is held until
// every track has a whole segment: before that there are no rates to declare, and a
// track that is late would be missing from what players read only once.
func (h *Handler) multivariant(a *answer, v *streamView) {
	ctx, cancel := context.WithTimeout(a.r.Context(), patience(v.stream.Cadence))
	defer cancel()
	declarable := func(t *presentation.Track) bool { return t.Ended || hasComplete(t) }
	for {
		var late *presentation.Rendition
		var tracks []*presentation.Track
		for _, r := range v.stream.Renditions() {
			if t := r.Load(); !declarable(t) {
				late = r
			} else if t.Init() != nil {
				tracks = append(tracks, t)
			}
		}
		if late != nil {
			if _, err := h.wait(ctx, v, late, declarable); err == nil {
				continue
			}
		}
		if len(tracks) == 0 {
			a.unavailable("the stream is about to begin")
			return
		}
		a.playlist(v.multivariant(h.now(), tracks), targetDuration(v.stream.Cadence))
		return
	}
}

// playlist sends a rendering, compressed if the client takes that.
func (a *answer) playlist(list *rendering, ttl time.Duration) {
	header := a.w.Header()
	body, etag := list.identity()
	if acceptsGzip(a.r.Header.Get("Accept-Encoding")) {
		body, etag = list.gzip()
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Vary", "Accept-Encoding")
	header.Set("Content-Type", playlistType)
	header.Set("Cache-Control", maxAge(ttl))
	header.Set("ETag", etag)
	header.Set("Last-Modified", list.modified)
	if matches(a.r.Header.Get("If-None-Match"), etag) {
		header.Del("Content-Encoding")
		a.WriteHeader(http.StatusNotModified)
		return
	}
	a.body([][]byte{body})
}

// maxAge returns the Cache-Control of something that may be kept for ttl; what is
// less than a second is none.
func maxAge(ttl time.Duration) string {
	if ttl < time.Second {
		return "no-store"
	}
	return "public, max-age=" + strconv.Itoa(int(ttl/time.Second))
}

// acceptsGzip reports whether Accept-Encoding names gzip or anything, with a weight
// that is not zero (RFC 9110, 12.5.3).
func acceptsGzip(header string) bool {
	any := false
	for item := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(item, ";")
		name, q, _ := strings.Cut(params, "=")
		weighted := strings.EqualFold(strings.TrimSpace(name), "q")
		ok := !weighted || strings.Trim(strings.TrimSpace(q), "0.") != ""
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return ok
		case "*":
			any = ok
		}
	}
	return any
}

// matches reports whether If-None-Match holds etag or anything (RFC 9110, 13.1.2).
func matches(header, etag string) bool {
	for item := range strings.SplitSeq(header, ",") {
		item = strings.TrimPrefix(strings.TrimSpace(item), "W/")
		if item == etag || item == "*" {
			return true
		}
	}
	return false
}
