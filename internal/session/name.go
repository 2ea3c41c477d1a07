package session

import (
	"errors"
	"strings"
)

// maxName is the longest stream name, in bytes.
const maxName = 128

// ParseName checks a stream name that came from the network and returns it. It is
// the one door: elements of [A-Za-z0-9_-] joined by single slashes, 128 bytes at
// most, so that a name can stand in a path, a playlist, a page or a log as it is.
func ParseName(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("stream name is empty")
	case len(s) > maxName:
		return "", errors.New("stream name is longer than 128 bytes")
	}
	for e := range strings.SplitSeq(s, "/") {
		if e == "" {
			return "", errors.New("stream name has an empty element")
		}
		for i := range len(e) {
			if c := e[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
				return "", errors.New("stream name has a character outside A-Z a-z 0-9 _ - /")
			}
		}
	}
	return s, nil
}
