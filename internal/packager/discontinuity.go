package packager

import (
	"sync"
	"time"
)

// discontinuities is what the tracks of a stream agree on, so that their playlists
// count discontinuities alike (rfc8216bis, 6.2.2): the count begins with the day on
// which the stream did, so that it does not go back for long when the packager
// restarts, and a track that comes late begins where the others are.
//
// The count must be small: hls.js 1.7 keeps an array indexed by it, which it walks
// from zero at each reload. 20,000 take it a millisecond; with sequence numbers, a
// hundred million and more, the page stands still.
type discontinuities struct {
	mu     sync.Mutex // guards all below; a leaf
	begun  bool
	count  uint64   // before the first of recent
	recent []uint64 // sequence numbers of segments that are discontinuities, ascending
}

// maxRecent is how many discontinuities back a late track can begin.
const maxRecent = 32

// first returns the discontinuity sequence number before the first segment of a
// track, msn, that starts at, counted from the Unix epoch. jump says whether that
// segment is a discontinuity itself.
func (d *discontinuities) first(msn uint64, at time.Duration, jump bool) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.begun {
		d.begun, d.count = true, uint64(max(at, 0)/(24*time.Hour))
		if jump {
			d.insert(msn)
		}
		return d.count
	}
	n := d.count
	for _, m := range d.recent {
		if m < msn || m == msn && !jump {
			n++
		}
	}
	if jump {
		d.insert(msn)
	}
	return n
}

// note tells that segment msn is a discontinuity.
func (d *discontinuities) note(msn uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.insert(msn)
}

// insert adds msn if it is not there. d.mu is held.
func (d *discontinuities) insert(msn uint64) {
	i := len(d.recent)
	for i > 0 && d.recent[i-1] >= msn {
		i--
	}
	if i < len(d.recent) && d.recent[i] == msn {
		return
	}
	d.recent = append(d.recent, 0)
	copy(d.recent[i+1:], d.recent[i:])
	d.recent[i] = msn
	if len(d.recent) > maxRecent {
		d.recent = d.recent[1:]
		d.count++
	}
}
