package main

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A feed is one track as its playlist described it: where part number next will be,
// and so where every later one will, as all segments have the same number of parts.
type feed struct {
	base     string // target of the playlist's folder, with a slash at the end
	msn      uint64 // segment that part number next belongs to...
	index    uint64 // ...and its place in it
	next     uint64
	per      uint64   // parts in a segment
	segments []string // targets of the whole segments, oldest first
	parts    []string // targets of the parts, oldest first
}

// playlist returns the target that blocks until part number n is there.
func (f *feed) playlist(n uint64) string {
	at := f.index + (n - f.next)
	return fmt.Sprintf("%smedia.m3u8?_HLS_msn=%d&_HLS_part=%d", f.base, f.msn+at/f.per, at%f.per)
}

// part returns the target of part number n.
func (f *feed) part(n uint64) string { return fmt.Sprintf("%sp-%d.m4s", f.base, n) }

var (
	uriAttribute  = regexp.MustCompile(`URI="([^"]+)"`)
	mediaSequence = regexp.MustCompile(`(?m)^#EXT-X-MEDIA-SEQUENCE:(\d+)`)
	partNumber    = regexp.MustCompile(`p-(\d+)\.m4s`)
)

// findFeeds returns the first video and the first audio of a stream, when there are
// whole segments of both to learn their rhythm from.
func findFeeds(host, stream string) ([]*feed, error) {
	c, err := dialHTTP(host, false)
	if err != nil {
		return nil, err
	}
	defer c.close()
	deadline := time.Now().Add(20 * time.Second)
	for {
		feeds, err := readFeeds(c, "/live/"+stream+"/")
		if err == nil || time.Now().After(deadline) {
			return feeds, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func readFeeds(c *client, base string) ([]*feed, error) {
	master, err := c.text(base + "master.m3u8")
	if err != nil {
		return nil, err
	}
	var video, audio string
	for l := range strings.Lines(master) {
		l = strings.TrimSpace(l)
		if m := uriAttribute.FindStringSubmatch(l); m != nil && strings.HasPrefix(l, "#EXT-X-MEDIA:") && audio == "" {
			audio = m[1]
		}
		if l != "" && l[0] != '#' && video == "" {
			video = l
		}
	}
	if video == "" || audio == "" {
		return nil, errors.New("the stream has not both video and audio yet")
	}
	var feeds []*feed
	for _, uri := range []string{video, audio} {
		uri, _, _ = strings.Cut(uri, "?")
		text, err := c.text(path.Join(base, uri))
		if err != nil {
			return nil, err
		}
		f, err := parseFeed(path.Dir(path.Join(base, uri))+"/", text)
		if err != nil {
			return nil, err
		}
		feeds = append(feeds, f)
	}
	return feeds, nil
}

// parseFeed reads one of our media playlists.
func parseFeed(base, text string) (*feed, error) {
	f := &feed{base: base}
	m := mediaSequence.FindStringSubmatch(text)
	if m == nil {
		return nil, errors.New("a playlist without EXT-X-MEDIA-SEQUENCE")
	}
	f.msn, _ = strconv.ParseUint(m[1], 10, 64)
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		uri := uriAttribute.FindStringSubmatch(l)
		switch {
		case strings.HasPrefix(l, "#EXT-X-PART:") && uri != nil:
			f.index++
			f.parts = append(f.parts, base+uri[1])
		case strings.HasPrefix(l, "#EXT-X-PRELOAD-HINT:") && uri != nil:
			if n := partNumber.FindStringSubmatch(uri[1]); n != nil {
				f.next, _ = strconv.ParseUint(n[1], 10, 64)
			}
		case l != "" && l[0] != '#':
			f.per, f.index = f.index, 0
			f.msn++
			f.segments = append(f.segments, base+l)
		}
	}
	if len(f.segments) < 2 || f.per == 0 || f.next == 0 {
		return nil, errors.New("the playlist has no two segments in parts yet")
	}
	return f, nil
}

// text gets a target that must be there.
func (c *client) text(target string) (string, error) {
	r, err := c.get(target, true)
	if err != nil {
		return "", fmt.Errorf("get %s: %w", target, err)
	}
	if r.status != 200 {
		return "", fmt.Errorf("get %s: status %d", target, r.status)
	}
	return string(r.body), nil
}
