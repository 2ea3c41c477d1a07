package live

import (
	"context"
	"errors"
	"io"

	"github.com/headrace/headrace/internal/media"
)

// TrackEntry is an entry together with the track it stands in.
type TrackEntry struct {
	Track *Track
	media.Entry
}

// MergeReader reads several tracks of a stream as one sequence, in the order in
// which the entries were appended. It belongs to one goroutine.
type MergeReader struct {
	stream  *Stream
	want    func(*Track) bool
	cursors []*cursor
	seen    int // how many of the stream's tracks were looked at
}

type cursor struct {
	*Reader[media.Entry]
	track *Track
	fresh bool // the configuration has to be told before the next sample
}

// Merged returns a reader of the tracks that want holds for, now and as they are
// added later (nil: all). It starts at the newest sync sample of the first video
// track, or of the first track when there is no video; before anything
// else of a track, and after ErrLagged, it returns the NewInit that holds there.
func (s *Stream) Merged(want func(*Track) bool) *MergeReader {
	m := &MergeReader{stream: s, want: want}
	m.addTracks()
	m.restart()
	return m
}

// addTracks takes up the tracks that the stream has gained. They are read from their oldest entry.
func (m *MergeReader) addTracks() {
	all := m.stream.Tracks()
	for _, t := range all[m.seen:] {
		if m.want == nil || m.want(t) {
			m.cursors = append(m.cursors, &cursor{t.Log.Oldest(), t, true})
		}
	}
	m.seen = len(all)
}

// lead returns the index of the track whose sync samples are the places to start, -1 without tracks.
func (m *MergeReader) lead() int {
	for i, c := range m.cursors {
		if c.track.Kind == media.Video {
			return i
		}
	}
	return min(0, len(m.cursors)-1)
}

// restart puts the cursor of the lead on its newest sync sample, and the others on
// the first entry that was appended after it.
func (m *MergeReader) restart() {
	lead := m.lead()
	if lead < 0 {
		return
	}
	from := m.cursors[lead].restart()
	for i, c := range m.cursors {
		c.fresh = true
		if i != lead {
			c.seek(from)
		}
	}
}

// Next returns the next entry of any of the tracks, waiting for it if need be.
// Errors are those of Reader.Next; after ErrLagged the reader stands on a sync
// sample of the lead track, and whatever depends on earlier samples starts over.
func (m *MergeReader) Next(ctx context.Context) (TrackEntry, error) {
	for {
		up := m.stream.Changed()
		m.addTracks()
		e, err := m.poll()
		if !errors.Is(err, errNothing) {
			return e, err
		}
		select {
		case <-up:
		case <-ctx.Done():
			return TrackEntry{}, context.Cause(ctx)
		}
	}
}

var errNothing = errors.New("nothing to read yet")

// poll returns the entry that was appended first among those at hand.
func (m *MergeReader) poll() (TrackEntry, error) {
	best, order, open := -1, uint64(0), 0
	for i, c := range m.cursors {
		o, err := c.peek()
		switch {
		case errors.Is(err, ErrLagged):
			m.restart()
			return TrackEntry{}, ErrLagged
		case err == nil && (best < 0 || o < order):
			best, order = i, o
		case errors.Is(err, errNothing):
			open++
		}
	}
	if best < 0 {
		if open == 0 && m.stream.Ended() {
			return TrackEntry{}, io.EOF
		}
		return TrackEntry{}, errNothing
	}
	c := m.cursors[best]
	var one [1]media.Entry
	if _, _, err := c.Reader.poll(one[:]); err != nil {
		if errors.Is(err, ErrLagged) {
			m.restart()
		}
		return TrackEntry{}, err
	}
	if c.fresh {
		c.fresh = false
		init := c.track.InitAt(c.next - 1)
		if e := one[0].Event; init != nil && (e == nil || e.Kind != media.NewInit) {
			c.next-- // the entry is read again after its configuration
			return TrackEntry{c.track, media.Entry{Event: &media.Event{Kind: media.NewInit, Init: init}}}, nil
		}
	}
	return TrackEntry{c.track, one[0]}, nil
}

// peek returns the order of the next entry without taking it.
func (r *Reader[T]) peek() (uint64, error) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.next < l.first {
		return 0, ErrLagged
	}
	if i := l.head + int(r.next-l.first); i < len(l.slots) {
		return l.slots[i].order, nil
	}
	if l.closed != nil {
		return 0, l.closed
	}
	return 0, errNothing
}

// restart moves the reader to the newest sync entry and returns that entry's order,
// or, when there is none, to the end and the greatest order so far.
func (r *Reader[T]) restart() uint64 {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	r.next = l.newestSync()
	if i := l.head + int(r.next-l.first); i < len(l.slots) {
		return l.slots[i].order
	}
	if n := len(l.slots); n > l.head {
		return l.slots[n-1].order + 1
	}
	return 0
}

// seek moves the reader to the first kept entry of that order or a greater one.
func (r *Reader[T]) seek(order uint64) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	lo, hi := l.head, len(l.slots)
	for lo < hi {
		if mid := (lo + hi) / 2; l.slots[mid].order < order {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	r.next = l.first + Seq(lo-l.head)
}
