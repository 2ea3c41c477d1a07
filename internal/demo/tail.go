package demo

import (
	"bytes"
	"strings"
)

// tailSize is how many bytes of ffmpeg's last words are kept: some ten lines.
const tailSize = 2048

// A tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
		// What is left of a cut line tells nothing.
		if i := bytes.IndexByte(t.kept, '\n'); i >= 0 {
			t.kept = append(t.kept[:0], t.kept[i+1:]...)
		}
	}
	return len(p), nil
}

func (t *tail) lines() []string {
	return strings.FieldsFunc(string(t.kept), func(r rune) bool { return r == '\n' })
}
