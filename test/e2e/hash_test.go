package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// decodeArgs makes ffmpeg decode source and write one line with a hash per frame of
// video and of audio into two files. Frames are neither dropped nor doubled.
func decodeArgs(source, video, audio string, input ...string) []string {
	args := append([]string{"-hide_banner", "-loglevel", "error", "-y"}, input...)
	return append(args, "-i", source, "-map", "0:v:0", "-vsync", "passthrough", "-f", "framemd5", video, "-map", "0:a:0", "-f", "framemd5", audio)
}

// frameHashes returns the hashes of a framemd5 file, in order.
func frameHashes(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var hashes []string
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "#") {
			hashes = append(hashes, strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:]))
		}
	}
	return hashes
}

// longestRun returns the longest run of out that is, unbroken, in in; both as they
// come from one decoder, so that it begins where out's first frames are found.
func longestRun(in, out []string) int {
	best := 0
	for skip := range min(len(out), 64) { // a decoder that starts in mid-stream makes some frames of its own
		at := slices.Index(in, out[skip])
		if at < 0 {
			continue
		}
		n := 0
		for skip+n < len(out) && at+n < len(in) && out[skip+n] == in[at+n] {
			n++
		}
		if best = max(best, n); skip+n == len(out) {
			break
		}
	}
	return best
}

// sameFrames fails the test unless out holds one unbroken run of at least least frames of in, to out's end.
func sameFrames(t *testing.T, what, in, out string, least int) {
	t.Helper()
	src, got := frameHashes(t, in), frameHashes(t, out)
	n := longestRun(src, got)
	t.Logf("%s: %d frames went in, %d came out, %d of them equal in one run", what, len(src), len(got), n)
	if n < least {
		t.Errorf("%s: the longest run of equal frames is %d, want %d", what, n, least)
	}
}

// capturePaths returns where two decodes put their hashes.
func capturePaths(t *testing.T) (inVideo, inAudio, outVideo, outAudio string) {
	dir := t.TempDir()
	return filepath.Join(dir, "in.v"), filepath.Join(dir, "in.a"), filepath.Join(dir, "out.v"), filepath.Join(dir, "out.a")
}
