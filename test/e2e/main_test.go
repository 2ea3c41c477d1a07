// Package e2e runs the real binary with real publishers and real players: ffmpeg,
// GStreamer, an independent RTMP client, and Chromium with hls.js. Every assertion is
// about what a viewer gets, read by somebody else's parser; nothing here imports the
// server's own code but the list rules of HLS.
//
// A stream runs in real time, so the tests wait much more than they compute: nearly
// all of them run at once, each with a server of its own.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What the tests share. Set by TestMain, read-only afterwards.
var (
	headrace string // path of the binary under test
	workDir  string // for clips; removed at the end
)

// prebuilt names a binary to test instead of one built from the tree: a release, say.
var prebuilt = flag.String("headrace", "", "test this binary instead of building one")

// atOnce is how many tests may run at the same time. They wait for the wall clock, not for a core.
const atOnce = "200"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if workDir, err = os.MkdirTemp("", "headrace-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(workDir)
	if headrace = *prebuilt; headrace != "" {
		return m.Run()
	}
	headrace = filepath.Join(workDir, "headrace")
	build := exec.Command("go", "build", "-o", headrace, "github.com/headrace/headrace/cmd/headrace")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build headrace: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
