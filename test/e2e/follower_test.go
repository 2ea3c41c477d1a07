package e2e

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/headrace/headrace/internal/manifest/hls/hlstest"
)

// A follower plays one media playlist in low latency and holds every answer against
// the rules: it blocks on each reload, fetches each part as it is announced and each
// segment when it is whole.
type follower struct {
	client *http.Client
	base   string // URL up to the last slash, included

	// patient is how long there may be nothing new, or no server, before that is an
	// error. 0: not at all.
	patient time.Duration

	// restarts says that the server may start anew: numbers may then leave out what it did not see.
	restarts bool

	// forgetful keeps no media: for long runs that only hold lists against the rules.
	forgetful bool

	// All below belongs to run; read it when run has returned.
	problems []string
	lists    int               // playlists seen
	seen     []segment         // complete segments, in order
	runs     []mediaRun        // what was fetched, by initialisation segment
	have     map[string]uint64 // parts fetched, and their segment
	bodies   map[uint64][]byte
	gap      bool          // the newest part was missing
	longest  time.Duration // between two playlists that had news
}

// A mediaRun is an initialisation segment and the parts fetched under it.
type mediaRun struct {
	init   string
	header []byte
	parts  []fetchedPart
}

type fetchedPart struct {
	part
	data   []byte
	breaks bool // it does not continue the one before
}

func newFollower(s *server, stream, track string) *follower {
	return &follower{client: s.client, base: s.url("/live/" + stream + "/" + track + "/"), have: map[string]uint64{}, bodies: map[uint64][]byte{}}
}

// follow runs a follower until the returned function is called, which hands it back.
func follow(t *testing.T, f *follower) (stop func() *follower) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.run(ctx)
	}()
	stop = func() *follower {
		cancel()
		<-done
		return f
	}
	t.Cleanup(func() { stop() })
	return stop
}

func (f *follower) complain(format string, args ...any) {
	if len(f.problems) < 20 {
		f.problems = append(f.problems, fmt.Sprintf(format, args...))
	}
}

// run follows the list until it ends or ctx does.
func (f *follower) run(ctx context.Context) {
	var cur *playlist
	lastNews := time.Now()
	for ctx.Err() == nil {
		query := ""
		if cur != nil {
			query = fmt.Sprintf("?_HLS_msn=%d&_HLS_part=%d", cur.last()+1, len(cur.open))
		}
		next, err := f.reload(ctx, query)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if time.Since(lastNews) < f.patient {
				pause(ctx, 100*time.Millisecond)
				continue
			}
			f.complain("reload %s: %v", query, err)
			return
		}
		if cur != nil && next.text != cur.text {
			f.longest = max(f.longest, time.Since(lastNews))
			lastNews = time.Now()
		}
		f.lists++
		f.compare(cur, next)
		if err := f.take(ctx, next); err != nil && ctx.Err() == nil && f.patient == 0 {
			f.complain("%v", err)
			return
		}
		if cur = next; cur.ended {
			return
		}
	}
}

// pause waits d or until ctx ends: what a player does between tries.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (f *follower) reload(ctx context.Context, query string) (*playlist, error) {
	body, h, err := f.fetch(ctx, "media.m3u8"+query)
	if err != nil {
		return nil, err
	}
	if got := h.Get("Content-Type"); got != "application/vnd.apple.mpegurl" {
		f.complain("playlist has Content-Type %q", got)
	}
	return parsePlaylist(string(body))
}

func (f *follower) fetch(ctx context.Context, uri string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+uri, nil)
	if err != nil {
		return nil, nil, err
	}
	res, err := f.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("GET %s: %s: %.100s", uri, res.Status, body)
	}
	return body, res.Header, nil
}

// take fetches what a new list announces and holds it against what was fetched before.
func (f *follower) take(ctx context.Context, p *playlist) error {
	for i := range p.segments {
		s := &p.segments[i]
		if len(f.seen) > 0 && s.msn <= f.seen[len(f.seen)-1].msn {
			continue
		}
		if len(f.seen) > 0 && s.msn != f.seen[len(f.seen)-1].msn+1 && !f.restarts {
			f.complain("segment %d comes after %d", s.msn, f.seen[len(f.seen)-1].msn)
		}
		for j, q := range s.parts {
			if err := f.takePart(ctx, p, q, s.discontinuity && j == 0); err != nil {
				return err
			}
		}
		if err := f.takeSegment(ctx, s); err != nil {
			return err
		}
		f.seen = append(f.seen, *s)
	}
	for j, q := range p.open {
		if err := f.takePart(ctx, p, q, p.openBreaks && j == 0); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) takePart(ctx context.Context, p *playlist, q part, breaks bool) error {
	if msn, ok := f.have[q.uri]; ok {
		if msn != q.msn { // caches keep a part for a year: its name must not come back
			f.complain("part %s was in segment %d and is in %d", q.uri, msn, q.msn)
		}
		return nil
	}
	f.have[q.uri] = q.msn
	// The decimals of the list are five: rounding is not a breach.
	if q.duration > p.partTarget+0.00001 {
		f.complain("part %s lasts %.5f s, PART-TARGET is %.5f", q.uri, q.duration, p.partTarget)
	}
	if q.gap {
		f.gap = true
		return nil
	}
	breaks = breaks || f.gap
	f.gap = false
	body, h, err := f.fetch(ctx, q.uri)
	if err != nil {
		return fmt.Errorf("announced part: %w", err)
	}
	if cc := h.Get("Cache-Control"); !strings.Contains(cc, "immutable") || !strings.Contains(cc, "max-age=31536000") {
		f.complain("part %s has Cache-Control %q", q.uri, cc)
	}
	if f.forgetful {
		return nil
	}
	if len(f.runs) == 0 || f.runs[len(f.runs)-1].init != q.init {
		header, _, err := f.fetch(ctx, q.init)
		if err != nil {
			return fmt.Errorf("initialisation segment: %w", err)
		}
		f.runs = append(f.runs, mediaRun{init: q.init, header: header})
		breaks = true
	}
	run := &f.runs[len(f.runs)-1]
	if n := len(run.parts); n > 0 && q.msn > run.parts[n-1].msn+1 {
		breaks = true // a segment was missing whole
	}
	run.parts = append(run.parts, fetchedPart{q, body, breaks})
	f.bodies[q.msn] = append(f.bodies[q.msn], body...)
	return nil
}

// takeSegment fetches a complete segment and compares it with its parts, if those were all seen.
func (f *follower) takeSegment(ctx context.Context, s *segment) error {
	if s.gap || f.forgetful {
		return nil
	}
	sum := 0.0
	for _, q := range s.parts {
		sum += q.duration
	}
	if len(s.parts) > 0 && (sum-s.duration > 0.0005 || s.duration-sum > 0.0005) {
		f.complain("segment %d lasts %.5f s, its parts %.5f", s.msn, s.duration, sum)
	}
	whole := f.bodies[s.msn]
	delete(f.bodies, s.msn)
	body, _, err := f.fetch(ctx, s.uri)
	if err != nil {
		return fmt.Errorf("announced segment: %w", err)
	}
	if len(s.parts) > 0 && !f.restarts && !bytes.Equal(body, whole) {
		f.complain("segment %d has %d bytes, its parts have %d, or they differ", s.msn, len(body), len(whole))
	}
	return nil
}

// compare holds a list against the one before: it grows at its end and shrinks at its start only.
func (f *follower) compare(prev, cur *playlist) {
	var before []byte
	if prev != nil && !f.restarts { // of a server that starts anew, no rule of the old list binds
		before = []byte(prev.text)
	}
	for _, err := range hlstest.Check(before, []byte(cur.text)) {
		f.complain("list %d: %v", f.lists, err)
	}
	if prev == nil {
		return
	}
	switch {
	case cur.first < prev.first:
		f.complain("EXT-X-MEDIA-SEQUENCE goes back from %d to %d", prev.first, cur.first)
	case cur.last() < prev.last():
		f.complain("the last sequence number goes back from %d to %d", prev.last(), cur.last())
	case cur.target != prev.target || cur.partTarget != prev.partTarget:
		f.complain("targets change from %v, %v to %v, %v", prev.target, prev.partTarget, cur.target, cur.partTarget)
	case prev.hint != "" && !f.restarts && len(cur.open) == len(prev.open)+1 && cur.last() == prev.last() && cur.open[len(prev.open)].uri != prev.hint:
		f.complain("the next part was hinted as %s and is %s", prev.hint, cur.open[len(prev.open)].uri)
	}
	for _, s := range cur.segments {
		i := slices.IndexFunc(prev.segments, func(o segment) bool { return o.msn == s.msn })
		if i >= 0 && (prev.segments[i].uri != s.uri || prev.segments[i].duration != s.duration || prev.segments[i].discontinuity != s.discontinuity || prev.segments[i].init != s.init) {
			f.complain("segment %d changes between two lists", s.msn)
		}
	}
}

// check reports what went wrong and parses what was fetched. It returns the samples.
func (f *follower) check(t *testing.T) (samples []packet) {
	t.Helper()
	for _, p := range f.problems {
		t.Errorf("follower of %s: %s", path.Base(strings.TrimSuffix(f.base, "/")), p)
	}
	if len(f.runs) == 0 {
		t.Fatalf("follower of %s fetched nothing in %d lists", f.base, f.lists)
	}
	for _, r := range f.runs {
		more, err := r.packets()
		if err != nil {
			t.Errorf("%s with %d parts: %v", r.init, len(r.parts), err)
		}
		samples = append(samples, more...)
	}
	return samples
}

// bytes returns the run as the MP4 file that it is.
func (r mediaRun) bytes() []byte {
	all := bytes.Clone(r.header)
	for _, p := range r.parts {
		all = append(all, p.data...)
	}
	return all
}

// packets parses the run and returns its samples. Decode times must be continuous over
// the parts, but for those that are announced not to be.
func (r mediaRun) packets() (all []packet, err error) {
	file, err := mp4.DecodeFile(bytes.NewReader(r.bytes()))
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	if file.Init == nil || file.Init.Moov == nil || file.Init.Moov.Mvex == nil {
		return nil, errors.New("no fragmented moov")
	}
	trak := file.Init.Moov.Trak
	kind := map[string]string{"vide": "video", "soun": "audio"}[trak.Mdia.Hdlr.HandlerType]
	timescale := float64(trak.Mdia.Mdhd.Timescale)
	var fragments []*mp4.Fragment
	for _, s := range file.Segments {
		fragments = append(fragments, s.Fragments...)
	}
	if len(fragments) != len(r.parts) {
		return nil, fmt.Errorf("%d fragments in %d parts", len(fragments), len(r.parts))
	}
	var next uint64
	for i, frag := range fragments {
		p := r.parts[i]
		full, err := frag.GetFullSamples(file.Init.Moov.Mvex.Trex)
		if err != nil {
			return all, fmt.Errorf("samples of part %s: %w", p.uri, err)
		}
		start := frag.Moof.Traf.Tfdt.BaseMediaDecodeTime()
		if start != next && i > 0 && (!p.breaks || start < next) {
			return all, fmt.Errorf("part %s begins at %d, the one before ends at %d", p.uri, start, next)
		}
		next = start
		for _, s := range full {
			dts := float64(next) / timescale
			all = append(all, packet{
				kind: kind, dts: dts, pts: dts + float64(s.CompositionTimeOffset)/timescale, key: s.IsSync(),
				hash: fmt.Sprintf("MD5:%x", md5.Sum(s.Data)),
			})
			next += uint64(s.Dur)
		}
		// A part that does not continue the one before may begin with silence or a standing picture.
		if d := float64(next-start) / timescale; d-p.duration > 0.00002 || p.duration-d > 0.00002 && !p.breaks {
			return all, fmt.Errorf("part %s lasts %.5f s, the list says %.5f", p.uri, d, p.duration)
		}
	}
	return all, nil
}
