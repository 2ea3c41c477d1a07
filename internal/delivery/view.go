package delivery

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/internal/manifest/hls"
	"github.com/headrace/headrace/internal/presentation"
)

// streamView is what viewers of one stream share.
type streamView struct {
	stream  *presentation.Stream
	waiting atomic.Int64 // requests held

	mu         sync.Mutex // guards all below; a leaf
	renditions map[*presentation.Rendition]*view
	key        []variantKey
	master     *rendering // of key; nil before the first
}

// variantKey is all that the multivariant playlist says of a track.
type variantKey struct {
	id, init           string
	bandwidth, average int
	rate               float64
}

// view is what viewers of one rendition share: the playlist of its newest snapshot.
type view struct {
	stream    *presentation.Stream
	rendition *presentation.Rendition

	mu      sync.Mutex // guards all below; a leaf
	seen    *presentation.Track
	changed time.Time     // when seen was made, as well as we can tell
	looked  time.Time     // when anybody last looked for a newer one
	lists   [2]*rendering // of seen: in full, delta; nil while not asked for
}

// view returns the view of s. Views of streams that have left the catalog go when
// another comes: there are never more than streams.
func (h *Handler) view(s *presentation.Stream) *streamView {
	h.mu.RLock()
	v := h.streams[s.Name]
	h.mu.RUnlock()
	if v != nil && v.stream == s {
		return v
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if v := h.streams[s.Name]; v != nil && v.stream == s {
		return v
	}
	for name, v := range h.streams {
		if h.catalog.Stream(name) != v.stream {
			delete(h.streams, name)
		}
	}
	v = &streamView{stream: s, renditions: make(map[*presentation.Rendition]*view)}
	h.streams[s.Name] = v
	return v
}

func (v *streamView) rendition(r *presentation.Rendition) *view {
	v.mu.Lock()
	defer v.mu.Unlock()
	rv := v.renditions[r]
	if rv == nil {
		rv = &view{stream: v.stream, rendition: r}
		v.renditions[r] = rv
	}
	return rv
}

// playlist returns the playlist of the newest snapshot, that snapshot, and when it
// came. Everybody who asks between two changes gets the same one, rendition reports
// included: those are of the moment when the first asked.
func (v *view) playlist(now time.Time, skip bool) (*rendering, *presentation.Track, time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.rendition.Load() // under the lock: never older than seen
	if t != v.seen {
		v.changed = changedAt(t, v.looked, now)
		v.seen, v.lists = t, [2]*rendering{}
	}
	v.looked = now
	which := 0
	if skip {
		which = 1
	}
	if v.lists[which] == nil {
		v.lists[which] = &rendering{modified: httpDate(v.changed), write: func() []byte {
			return hls.Media(t, hls.MediaOptions{Skip: skip, Window: v.stream.Window, Reports: v.reports()})
		}}
	}
	return v.lists[which], t, v.changed
}

// changedAt tells when t, which nobody looked at before, was made: when its newest
// media arrived, but not before we last looked and saw an older one; arrival may
// have been stamped by another clock.
func changedAt(t *presentation.Track, looked, now time.Time) time.Time {
	at := now
	if n := len(t.Segments); n > 0 {
		for _, p := range slices.Backward(t.Segments[n-1].Parts) {
			if !p.Arrived.IsZero() {
				at = p.Arrived
				break
			}
		}
	}
	if at.Before(looked) {
		at = looked
	}
	if at.After(now) {
		at = now
	}
	return at
}

// reports returns how far the other renditions are.
func (v *view) reports() []hls.Report {
	var all []hls.Report
	for _, r := range v.stream.Renditions() {
		if r != v.rendition {
			if rep, ok := hls.ReportOf(r.Load()); ok {
				all = append(all, rep)
			}
		}
	}
	return all
}

// multivariant returns the multivariant playlist of tracks, the same one until it
// says something else.
func (v *streamView) multivariant(now time.Time, tracks []*presentation.Track) *rendering {
	key := make([]variantKey, len(tracks))
	for i, t := range tracks {
		key[i] = variantKey{id: t.ID, bandwidth: t.Bandwidth, average: t.AverageBandwidth, rate: t.FrameRate()}
		if in := t.Init(); in != nil {
			key[i].init = in.Version
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.master == nil || !slices.Equal(v.key, key) {
		v.key = key
		v.master = &rendering{modified: httpDate(now), write: func() []byte { return hls.Multivariant(tracks) }}
	}
	return v.master
}

// rendering is one version of a playlist: written by the first who needs it while
// the others wait, and never changed.
type rendering struct {
	modified string // Last-Modified
	write    func() []byte

	once sync.Once
	text []byte
	hash string

	zip    sync.Once
	zipped []byte
}

// identity returns the text and its entity tag.
func (r *rendering) identity() (body []byte, etag string) {
	r.once.Do(func() {
		r.text = r.write()
		r.write = nil // it holds on to the snapshot
		sum := sha256.Sum256(r.text)
		r.hash = hex.EncodeToString(sum[:8])
	})
	return r.text, `"` + r.hash + `"`
}

// gzip returns the text compressed, and the entity tag of that.
func (r *rendering) gzip() (body []byte, etag string) {
	text, _ := r.identity()
	r.zip.Do(func() { r.zipped = compress(text) })
	return r.zipped, `"` + r.hash + `-gz"`
}

// compressors are the scratch of compress: each is most of a megabyte.
var compressors = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a legal one
	return w
}}

func compress(text []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(text) / 4)
	w := compressors.Get().(*gzip.Writer)
	w.Reset(&b)
	w.Write(text) // to memory: it cannot fail
	w.Close()
	compressors.Put(w)
	return b.Bytes()
}

func httpDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
