package delivery

import (
	"errors"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/presentation"
)

// reload is the delivery directives of a playlist request (rfc8216bis, 6.2.5).
type reload struct {
	blocking bool // _HLS_msn is there
	msn      uint64
	byPart   bool // _HLS_part is there
	part     uint64
	skip     bool // _HLS_skip
}

var errDirective = errors.New("bad delivery directive")

// parseReload reads the query of a playlist request. Parameters it does not know,
// escaped or not, are none: they change nothing of the answer.
func parseReload(query string) (q reload, err error) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		ok := true
		switch name {
		case "_HLS_msn":
			ok = !q.blocking
			q.blocking = true
			if ok {
				q.msn, ok = parseNumber(value)
			}
		case "_HLS_part":
			ok = !q.byPart
			q.byPart = true
			if ok {
				q.part, ok = parseNumber(value)
			}
		case "_HLS_skip":
			q.skip = value == "YES" || value == "v2"
		}
		if !ok {
			return reload{}, errDirective
		}
	}
	if q.byPart && !q.blocking {
		return reload{}, errDirective // 6.2.5.2: a part of which segment?
	}
	return q, nil
}

// reachable reports whether the playlist will soon have what is asked for. It is not
// beyond the segment after next, nor more parts ahead than the Advance Part Limit
// (6.2.5.2); anything else would hold a request that nobody means.
func (q reload) reachable(t *presentation.Track) bool {
	_, parts, _ := t.Last()
	beyond := q.msn - t.NextMSN // segments, if there are none of q.msn yet
	ahead := q.msn >= t.NextMSN
	switch {
	case ahead && beyond > 1:
		return false
	case !q.byPart || t.Cadence.PartTarget <= 0:
		return true
	}
	limit := advancePartLimit(t.Cadence.PartTarget)
	switch {
	case ahead: // what is left of the newest segment may be nothing, the next may be one part
		return q.part < limit && q.part+1+beyond <= limit
	case q.msn+1 == t.NextMSN && q.part >= uint64(parts):
		return q.part-uint64(parts) < limit
	}
	return true
}

// advancePartLimit is three parts, or three seconds of them if they are shorter
// than a second (6.2.5.2).
func advancePartLimit(target time.Duration) uint64 {
	if target >= time.Second {
		return 3
	}
	return uint64(3 * time.Second / target)
}

// met reports whether the playlist of t has what is asked for, or never will.
func (q reload) met(t *presentation.Track) bool {
	switch {
	case t.Ended:
		return true
	case q.byPart && t.Cadence.PartTarget > 0:
		return t.HasPart(q.msn, int(min(q.part, 1<<30)))
	case q.blocking:
		return t.HasSegment(q.msn)
	}
	return listsAny(t)
}

// listsAny reports whether the playlist of t has any media.
func listsAny(t *presentation.Track) bool {
	if t.Cadence.PartTarget > 0 {
		return len(t.Segments) > 0
	}
	return hasComplete(t)
}

// hasComplete reports whether a segment of the list is complete; only the last can be not.
func hasComplete(t *presentation.Track) bool {
	return len(t.Segments) > 1 || len(t.Segments) == 1 && t.Segments[0].Complete
}
