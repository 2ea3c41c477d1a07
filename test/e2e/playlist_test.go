package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A playlist is a media playlist, read as a player does: tags it needs, others left alone.
type playlist struct {
	text       string
	target     float64 // EXT-X-TARGETDURATION, seconds
	partTarget float64 // EXT-X-PART-INF:PART-TARGET, seconds
	first      uint64  // EXT-X-MEDIA-SEQUENCE
	segments   []segment
	open       []part // of the segment after the last
	openBreaks bool   // that segment has a discontinuity
	hint       string // EXT-X-PRELOAD-HINT of a part
	ended      bool   // EXT-X-ENDLIST
}

type segment struct {
	msn           uint64
	uri           string
	duration      float64
	discontinuity bool
	gap           bool
	init          string // EXT-X-MAP in force
	date          time.Time
	parts         []part
}

type part struct {
	uri      string
	duration float64
	gap      bool
	init     string
	msn      uint64
}

// last returns the newest sequence number that is complete.
func (p *playlist) last() uint64 { return p.first + uint64(len(p.segments)) - 1 }

// parsePlaylist reads the tags of a media playlist.
func parsePlaylist(text string) (*playlist, error) {
	p := &playlist{text: text}
	var cur segment
	var initURI string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		var err error
		switch {
		case name == "#EXT-X-TARGETDURATION":
			p.target, err = strconv.ParseFloat(value, 64)
		case name == "#EXT-X-PART-INF":
			p.partTarget, err = strconv.ParseFloat(attribute(value, "PART-TARGET"), 64)
		case name == "#EXT-X-MEDIA-SEQUENCE":
			p.first, err = strconv.ParseUint(value, 10, 64)
		case name == "#EXT-X-MAP":
			initURI = attribute(value, "URI")
		case name == "#EXT-X-DISCONTINUITY":
			cur.discontinuity = true
		case name == "#EXT-X-GAP":
			cur.gap = true
		case name == "#EXT-X-PROGRAM-DATE-TIME":
			cur.date, err = time.Parse(time.RFC3339Nano, value)
		case name == "#EXTINF":
			cur.duration, err = strconv.ParseFloat(strings.TrimSuffix(value, ","), 64)
		case name == "#EXT-X-PART":
			q := part{uri: attribute(value, "URI"), gap: attribute(value, "GAP") == "YES", init: initURI, msn: p.first + uint64(len(p.segments))}
			q.duration, err = strconv.ParseFloat(attribute(value, "DURATION"), 64)
			cur.parts = append(cur.parts, q)
		case name == "#EXT-X-PRELOAD-HINT" && attribute(value, "TYPE") == "PART":
			p.hint = attribute(value, "URI")
		case name == "#EXT-X-ENDLIST":
			p.ended = true
		case line != "" && line[0] != '#':
			cur.uri, cur.init, cur.msn = line, initURI, p.first+uint64(len(p.segments))
			p.segments = append(p.segments, cur)
			cur = segment{}
		}
		if err != nil {
			return nil, fmt.Errorf("playlist line %q: %w", line, err)
		}
	}
	p.open, p.openBreaks = cur.parts, cur.discontinuity
	if !strings.HasPrefix(text, "#EXTM3U\n") || p.target == 0 {
		return nil, fmt.Errorf("no media playlist: %.300q", text)
	}
	return p, nil
}

// attribute returns the value of one attribute of a tag, without its quotes; "" when it is not there.
func attribute(list, name string) string {
	for list != "" {
		key, rest, ok := strings.Cut(list, "=")
		if !ok {
			return ""
		}
		var value string
		if strings.HasPrefix(rest, `"`) {
			value, rest, _ = strings.Cut(rest[1:], `"`)
			rest = strings.TrimPrefix(rest, ",")
		} else {
			value, rest, _ = strings.Cut(rest, ",")
		}
		if key == name {
			return value
		}
		list = rest
	}
	return ""
}

// playlist gets the media playlist of a track.
func (s *server) playlist(stream, track string) (*playlist, error) {
	res, body, err := s.get(s.media(stream, track))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("playlist of %s/%s: %s", stream, track, res.Status)
	}
	return parsePlaylist(string(body))
}

// A rendition is a track that the multivariant playlist names.
type rendition struct{ id, kind string }

// renditions returns what the multivariant playlist of a stream lists, as players find it: variants first.
func (s *server) renditions(stream string) ([]rendition, error) {
	res, body, err := s.get(s.master(stream))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("multivariant playlist of %s: %s", stream, res.Status)
	}
	var variants, audio []rendition
	kind := ""
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		if list, ok := strings.CutPrefix(line, "#EXT-X-STREAM-INF:"); ok {
			kind = "audio"
			if attribute(list, "RESOLUTION") != "" {
				kind = "video"
			}
		}
		if list, ok := strings.CutPrefix(line, "#EXT-X-MEDIA:"); ok && attribute(list, "TYPE") == "AUDIO" {
			if id, _, ok := strings.Cut(attribute(list, "URI"), "/"); ok {
				audio = append(audio, rendition{id, "audio"})
			}
		}
		if line != "" && line[0] != '#' {
			id, _, _ := strings.Cut(line, "/")
			variants = append(variants, rendition{id, kind})
		}
	}
	if len(variants) == 0 {
		return nil, fmt.Errorf("no variant in the multivariant playlist:\n%s", body)
	}
	return append(variants, audio...), nil
}

// tracks is renditions, and fails the test when there are none.
func (s *server) tracks(t *testing.T, stream string) []rendition {
	t.Helper()
	all, err := s.renditions(stream)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// trackOf returns the first track of a kind.
func (s *server) trackOf(t *testing.T, stream, kind string) string {
	t.Helper()
	for _, r := range s.tracks(t, stream) {
		if r.kind == kind {
			return r.id
		}
	}
	t.Fatalf("%s has no track of %s", stream, kind)
	return ""
}

// A watch is what the followers of a stream's tracks have seen.
type watch struct {
	tracks  map[string]*follower // by kind
	samples probe                // all that they have fetched, as mp4ff reads it
}

// followAll follows every track of a stream; stop ends that and checks what each follower saw.
func (s *server) followAll(t *testing.T, stream string) (stop func() watch) {
	t.Helper()
	stops := map[string]func() *follower{}
	for _, r := range s.tracks(t, stream) {
		stops[r.kind] = follow(t, newFollower(s, stream, r.id))
	}
	return func() watch {
		w := watch{tracks: map[string]*follower{}}
		for kind, stop := range stops {
			w.tracks[kind] = stop()
			w.samples.packets = append(w.samples.packets, w.tracks[kind].check(t)...)
		}
		return w
	}
}
