package delivery

import (
	"context"
	"net/http"
	"time"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// patience is how long a request is held, and how old the newest snapshot of a live
// track may be, at most: three target durations (rfc8216bis, 6.2.5.2; after that a
// player is better off elsewhere).
func patience(c media.Cadence) time.Duration { return 3 * targetDuration(c) }

// targetDuration is the stream's, one second at least.
func targetDuration(c media.Cadence) time.Duration { return max(time.Second, c.TargetDuration) }

// busyTTL is how long a 503 may be remembered, and when to come back.
const busyTTL = time.Second

// wait waits for a snapshot of r that ok holds for, and counts the request among
// those held.
func (h *Handler) wait(ctx context.Context, v *streamView, r *presentation.Rendition, ok func(*presentation.Track) bool) (*presentation.Track, error) {
	v.waiting.Add(1)
	h.m.waiting.Inc()
	begun := time.Now()
	t, err := r.Wait(ctx, ok)
	h.m.held.Observe(time.Since(begun).Seconds())
	h.m.waiting.Dec()
	v.waiting.Add(-1)
	return t, err
}

// hold waits for a snapshot of r that ok holds for. Nothing of the answer is sent
// before. When it returns false the request has been answered: with 503, which is
// for a client that has gone as good as anything, and right for one that has not,
// when the server ends.
func (h *Handler) hold(a *answer, v *streamView, r *presentation.Rendition, ok func(*presentation.Track) bool) (*presentation.Track, bool) {
	t := r.Load()
	if ok(t) {
		return t, true
	}
	ctx, cancel := context.WithTimeout(a.r.Context(), patience(t.Cadence))
	defer cancel()
	t, err := h.wait(ctx, v, r, ok)
	if err != nil {
		h.log.Debug("nothing came to answer a held request with", "stream", v.stream.Name, "track", r.ID, "err", err)
		a.unavailable("it has not come in time")
		return nil, false
	}
	return t, true
}

// unavailable answers 503: try again, or elsewhere.
func (a *answer) unavailable(text string) {
	a.w.Header().Set("Retry-After", "1")
	a.fail(http.StatusServiceUnavailable, text, busyTTL)
}
