// Package hlstest reads HLS playlists as strictly as rfc8216bis and Apple's authoring
// specification are written, for tests: of the writer, and of playlists off a live
// server. It shares no code with the writer.
package hlstest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Part is an EXT-X-PART.
type Part struct {
	URI              string
	Duration         float64 // seconds
	Independent, Gap bool
}

// Segment is a media segment of a list, with what applies to it.
type Segment struct {
	MSN           uint64
	URI           string  // "": it is not complete, only parts of it are there
	Duration      float64 // seconds; of an incomplete segment 0
	Discontinuity bool
	Gap           bool
	Map           string // in force, wherever it was written
	Date          time.Time
	Parts         []Part
}

// Report is an EXT-X-RENDITION-REPORT.
type Report struct {
	URI      string
	LastMSN  uint64
	LastPart int // -1: none
}

// Playlist is a media playlist.
type Playlist struct {
	Version               int
	TargetDuration        int     // seconds
	PartTarget            float64 // seconds; 0: no EXT-X-PART-INF
	HoldBack              float64 // seconds, as the next two; 0: absent
	PartHoldBack          float64
	CanSkipUntil          float64
	CanBlockReload        bool
	MediaSequence         uint64
	DiscontinuitySequence uint64
	Skipped               int // EXT-X-SKIP: Segments begins that much later
	Segments              []Segment
	Hint                  string // EXT-X-PRELOAD-HINT of TYPE=PART
	Reports               []Report
	Independent           bool // EXT-X-INDEPENDENT-SEGMENTS
	Ended                 bool
}

// reader is the state between two lines.
type reader struct {
	p        *Playlist
	seg      Segment
	begun    bool // something of seg has been read
	hasInf   bool
	mapURI   string
	mapFresh bool // written since the last segment
	seen     map[string]bool
	errs     []error
}

// Parse reads a media playlist, full or delta. The error holds everything that is
// wrong with its syntax; the playlist is what could be read.
func Parse(b []byte) (*Playlist, error) {
	r := &reader{p: &Playlist{}, seen: map[string]bool{}}
	lines, err := split(b)
	if err != nil {
		return r.p, err
	}
	for i, line := range lines {
		if err := r.line(line); err != nil {
			r.errs = append(r.errs, fmt.Errorf("line %d, %s: %w", i+2, line, err))
		}
	}
	if r.begun {
		r.endSegment("")
	}
	for _, tag := range []string{"#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE"} {
		if !r.seen[tag] {
			r.errs = append(r.errs, fmt.Errorf("no %s", tag))
		}
	}
	return r.p, errors.Join(r.errs...)
}

// split checks what holds for every playlist (rfc8216bis, 4) and returns the lines
// after the first.
func split(b []byte) ([]string, error) {
	s := string(b)
	switch {
	case !utf8.ValidString(s):
		return nil, errors.New("the playlist is not UTF-8")
	case !strings.HasPrefix(s, "#EXTM3U\n"):
		return nil, errors.New("the playlist does not begin with #EXTM3U") // nor may it with a byte order mark
	case !strings.HasSuffix(s, "\n"):
		return nil, errors.New("the last line does not end")
	case strings.ContainsFunc(s, func(c rune) bool { return c != '\n' && c < ' ' || c == 0x7f }):
		return nil, errors.New("the playlist holds control characters")
	}
	return strings.Split(s[:len(s)-1], "\n")[1:], nil
}

// headerTags may stand once, before all media.
var headerTags = []string{
	"#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF",
	"#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-SKIP",
}

func (r *reader) line(line string) error {
	if line == "" {
		return nil
	}
	if line[0] != '#' {
		return r.uri(line)
	}
	tag, value, _ := strings.Cut(line, ":")
	if slices.Contains(headerTags, tag) {
		if r.seen[tag] {
			return errors.New("the tag stands twice")
		}
		if r.begun || len(r.p.Segments) > 0 {
			return errors.New("the tag stands behind media")
		}
		r.seen[tag] = true
		return r.header(tag, value)
	}
	if r.p.Ended {
		return errors.New("a tag behind EXT-X-ENDLIST")
	}
	return r.media(tag, value)
}

func (r *reader) header(tag, value string) (err error) {
	p := r.p
	switch tag {
	case "#EXT-X-VERSION":
		p.Version, err = strconv.Atoi(value)
	case "#EXT-X-TARGETDURATION":
		p.TargetDuration, err = strconv.Atoi(value)
	case "#EXT-X-MEDIA-SEQUENCE":
		p.MediaSequence, err = parseUint(value)
	case "#EXT-X-DISCONTINUITY-SEQUENCE":
		p.DiscontinuitySequence, err = parseUint(value)
	case "#EXT-X-INDEPENDENT-SEGMENTS":
		p.Independent = true
	case "#EXT-X-PART-INF":
		var a attrs
		if a, err = parseAttrs(value); err == nil {
			p.PartTarget, err = a.seconds("PART-TARGET")
		}
	case "#EXT-X-SKIP":
		var a attrs
		var n uint64
		if a, err = parseAttrs(value); err == nil {
			n, err = a.uint("SKIPPED-SEGMENTS")
			p.Skipped = int(n)
		}
		if err == nil && n == 0 {
			err = errors.New("it skips nothing")
		}
	case "#EXT-X-SERVER-CONTROL":
		return r.serverControl(value)
	}
	return err
}

func (r *reader) serverControl(value string) error {
	a, err := parseAttrs(value)
	if err != nil {
		return err
	}
	for name, to := range map[string]*float64{
		"HOLD-BACK": &r.p.HoldBack, "PART-HOLD-BACK": &r.p.PartHoldBack, "CAN-SKIP-UNTIL": &r.p.CanSkipUntil,
	} {
		if _, ok := a[name]; ok {
			if *to, err = a.seconds(name); err != nil {
				return err
			}
		}
	}
	r.p.CanBlockReload, err = a.yes("CAN-BLOCK-RELOAD")
	return err
}

var (
	extinfRE = regexp.MustCompile(`^([0-9]+\.[0-9]{5,}),`)
	dateRE   = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)$`)
)

func (r *reader) media(tag, value string) (err error) {
	switch tag {
	case "#EXTINF":
		m := extinfRE.FindStringSubmatch(value)
		if m == nil {
			return errors.New("no duration of five decimals")
		}
		r.begun, r.hasInf = true, true
		r.seg.Duration, err = strconv.ParseFloat(m[1], 64)
		return err
	case "#EXT-X-DISCONTINUITY":
		return r.beforeParts(func() { r.seg.Discontinuity = true; r.mapFresh = false })
	case "#EXT-X-GAP":
		r.begun, r.seg.Gap = true, true
		return nil
	case "#EXT-X-MAP":
		a, err := parseAttrs(value)
		if err != nil {
			return err
		}
		uri, err := a.quoted("URI")
		if err != nil {
			return err
		}
		return r.beforeParts(func() { r.mapURI, r.mapFresh = uri, true })
	case "#EXT-X-PROGRAM-DATE-TIME":
		if !dateRE.MatchString(value) {
			return errors.New("no date with milliseconds and zone")
		}
		return r.beforeParts(func() { r.seg.Date, err = time.Parse(time.RFC3339Nano, value) })
	case "#EXT-X-PART":
		return r.part(value)
	case "#EXT-X-PRELOAD-HINT":
		return r.hint(value)
	case "#EXT-X-RENDITION-REPORT":
		return r.report(value)
	case "#EXT-X-ENDLIST":
		r.p.Ended = true
		return nil
	}
	return nil // unknown tags are ignored (rfc8216bis, 4.1)
}

// beforeParts is for tags that apply from the next segment on: they stand before its
// first part.
func (r *reader) beforeParts(set func()) error {
	if len(r.seg.Parts) > 0 {
		return errors.New("the tag stands behind parts of its segment")
	}
	r.begun = true
	set()
	return nil
}

func (r *reader) part(value string) error {
	a, err := parseAttrs(value)
	if err != nil {
		return err
	}
	var p Part
	var errs [4]error
	p.URI, errs[0] = a.quoted("URI")
	p.Duration, errs[1] = a.seconds("DURATION")
	p.Independent, errs[2] = a.yes("INDEPENDENT")
	p.Gap, errs[3] = a.yes("GAP")
	r.begun = true
	r.seg.Parts = append(r.seg.Parts, p)
	return errors.Join(errs[:]...)
}

func (r *reader) hint(value string) error {
	a, err := parseAttrs(value)
	if err != nil {
		return err
	}
	uri, err := a.quoted("URI")
	if err != nil {
		return err
	}
	if a["TYPE"] == "PART" {
		if r.p.Hint != "" {
			return errors.New("a second hint of this type")
		}
		r.p.Hint = uri
	}
	return nil
}

func (r *reader) report(value string) error {
	a, err := parseAttrs(value)
	if err != nil {
		return err
	}
	rep := Report{LastPart: -1}
	if rep.URI, err = a.quoted("URI"); err != nil {
		return err
	}
	if rep.LastMSN, err = a.uint("LAST-MSN"); err != nil {
		return err
	}
	if _, ok := a["LAST-PART"]; ok {
		n, err := a.uint("LAST-PART")
		if err != nil {
			return err
		}
		rep.LastPart = int(n)
	}
	r.p.Reports = append(r.p.Reports, rep)
	return nil
}

func (r *reader) uri(line string) error {
	hadInf := r.hasInf
	r.endSegment(line)
	if !hadInf {
		return errors.New("a segment without EXTINF")
	}
	return nil
}

func (r *reader) endSegment(uri string) {
	s := r.seg
	s.URI, s.Map = uri, r.mapURI
	s.MSN = r.p.MediaSequence + uint64(r.p.Skipped+len(r.p.Segments))
	if s.Discontinuity && !r.mapFresh {
		r.errs = append(r.errs, fmt.Errorf("segment %d: no EXT-X-MAP behind its EXT-X-DISCONTINUITY", s.MSN))
	}
	r.p.Segments = append(r.p.Segments, s)
	r.seg, r.begun, r.hasInf = Segment{}, false, false
}

// Apply returns the full playlist that delta stands for, given p, an earlier full
// version of it (rfc8216bis, 6.2.5.1 and 6.3.7). A delta that is a full list is
// returned as it is.
func (p *Playlist) Apply(delta *Playlist) (*Playlist, error) {
	if delta.Skipped == 0 {
		return delta, nil
	}
	full := *delta
	full.Skipped = 0
	full.Segments = nil
	for i := range delta.Skipped {
		msn := delta.MediaSequence + uint64(i)
		s, ok := p.Segment(msn)
		if !ok || s.URI == "" {
			return nil, fmt.Errorf("the delta leaves out segment %d, which the earlier list does not have", msn)
		}
		s.Parts = nil
		full.Segments = append(full.Segments, s)
	}
	inForce := full.Segments[len(full.Segments)-1].Map
	for _, s := range delta.Segments {
		if s.Map == "" {
			s.Map = inForce
		}
		inForce = s.Map
		full.Segments = append(full.Segments, s)
	}
	return &full, nil
}

// Segment returns segment msn if the list shows it.
func (p *Playlist) Segment(msn uint64) (Segment, bool) {
	first := p.MediaSequence + uint64(p.Skipped)
	if msn < first || msn-first >= uint64(len(p.Segments)) {
		return Segment{}, false
	}
	return p.Segments[msn-first], true
}

// Duration returns the length of the list, parts of an incomplete segment included, in seconds.
func (p *Playlist) Duration() float64 {
	var sum float64
	for _, s := range p.Segments {
		sum += s.length()
	}
	return sum
}

// length returns the segment's duration, or that of its parts so far.
func (s Segment) length() float64 {
	if s.URI != "" {
		return s.Duration
	}
	var sum float64
	for _, p := range s.Parts {
		sum += p.Duration
	}
	return sum
}
