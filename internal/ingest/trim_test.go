package ingest

import (
	"testing"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
)

// What stays in a track's log when a segment begins: the segment before it, and all
// that the packager has not had time for.
func TestTrimLeavesThePackagerTime(t *testing.T) {
	const size = 10 // entries of a segment
	for name, c := range map[string]struct {
		every time.Duration // on the wall
		kept  int           // segments, with the one that has just begun
	}{
		"segments in real time":       {2 * time.Second, 2},
		"long segments":               {6 * time.Second, 2},
		"short segments":              {500 * time.Millisecond, 4},
		"a burst after a stall":       {time.Millisecond, 20},
		"segments a little too early": {packagingTime - 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			tr := &track{Track: &live.Track{ID: "v1", Kind: media.Video, Log: live.NewLog[media.Entry](1 << 20)}}
			now := time.Unix(1e9, 0)
			for range 20 {
				seq := tr.Append(media.Entry{Event: &media.Event{Kind: media.Boundary}})
				tr.trim(seq, now)
				for range size - 1 {
					tr.Append(media.Entry{Sample: media.Sample{Data: []byte{1}}})
				}
				now = now.Add(c.every)
			}
			first, end := tr.Log.Bounds()
			if got := int(end-first) / size; got != c.kept {
				t.Errorf("%d segments are in the log, want %d", got, c.kept)
			}
		})
	}
}

// A burst that does not end is bounded all the same.
func TestTrimRemembersBoundedly(t *testing.T) {
	tr := &track{Track: &live.Track{ID: "v1", Kind: media.Video, Log: live.NewLog[media.Entry](1 << 20)}}
	now := time.Unix(1e9, 0)
	for range 10 * maxStarts {
		tr.trim(tr.Append(media.Entry{Event: &media.Event{Kind: media.Boundary}}), now)
	}
	if len(tr.starts) > maxStarts {
		t.Errorf("%d segments are remembered, want %d at most", len(tr.starts), maxStarts)
	}
}
