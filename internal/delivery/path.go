package delivery

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/session"
)

// kind is what a request is for.
type kind uint8

const (
	kindOther kind = iota // nothing we have
	kindMultivariant
	kindPlaylist
	kindInit
	kindPart
	kindSegment
	kinds
)

func (k kind) String() string {
	return [kinds]string{"other", "multivariant", "playlist", "init", "part", "segment"}[k]
}

// target is what a path names.
type target struct {
	kind    kind
	stream  string
	track   string // "" for kindMultivariant
	version string // of kindInit
	number  uint64 // of kindPart and kindSegment
}

// maxPath is the longest path, in bytes, that can name anything: a stream name of
// 128, a track and a file.
const maxPath = 512

// parsePath reads an escaped path. There is one way to write each: no escapes, no
// empty or dot elements, no leading zeros. code is 0, 400 where that is broken, or
// 404 where the path names nothing we could ever have.
func parsePath(path string) (t target, code int) {
	if len(path) > maxPath {
		return t, http.StatusNotFound
	}
	for i := range len(path) {
		if c := path[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/._-", c) >= 0) {
			return t, http.StatusBadRequest
		}
	}
	rest, ok := strings.CutPrefix(path, "/live/")
	if strings.Contains(path, "//") || strings.Contains(path, "/.") {
		return t, http.StatusBadRequest
	}
	dir, file, found := cutLast(rest)
	if !ok || !found {
		return t, http.StatusNotFound
	}
	if file == "master.m3u8" {
		t.kind, t.stream = kindMultivariant, dir
	} else {
		if t.stream, t.track, ok = cutLast(dir); !ok {
			return t, http.StatusNotFound
		}
		if !t.file(file) {
			return t, http.StatusNotFound
		}
	}
	if _, err := session.ParseName(t.stream); err != nil {
		return t, http.StatusNotFound
	}
	return t, 0
}

// file reads the last element, of a path below a track.
func (t *target) file(name string) bool {
	if name == "media.m3u8" {
		t.kind = kindPlaylist
		return true
	}
	if v, ok := strings.CutSuffix(name, ".mp4"); ok {
		t.kind = kindInit
		t.version, ok = strings.CutPrefix(v, "init-")
		return ok && t.version != ""
	}
	number, ok := strings.CutSuffix(name, ".m4s")
	if !ok {
		return false
	}
	t.kind = kindSegment
	if part, ok := strings.CutPrefix(number, "p-"); ok {
		t.kind, number = kindPart, part
	}
	t.number, ok = parseNumber(number)
	return ok && (number == "0" || number[0] != '0')
}

// parseNumber reads a decimal-integer (rfc8216bis, 4.2): digits, at most 2^64-1.
func parseNumber(s string) (uint64, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' { // ParseUint is that strict itself, but for a sign
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// cutLast cuts s around its last slash.
func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}
