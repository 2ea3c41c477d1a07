package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A reading is what one decoded picture's strip said, and when it was decoded.
type reading struct {
	clock uint32 // ms, modulo 2^32
	at    time.Time
}

// TestClockStripIsTrue reads the programme with another ffmpeg, as a viewer would.
func TestClockStripIsTrue(t *testing.T) {
	const width, height, rate, frames = 640, 360, 30, 60
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var readings []reading
	err := Run(ctx, Options{
		Width: width, Height: height, Rate: rate, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Push: func(ctx context.Context, flv io.Reader) error {
			defer cancel()
			var err error
			readings, err = decode(ctx, flv, width, height, frames)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(readings) != frames {
		t.Fatalf("read %d frames, want %d", len(readings), frames)
	}
	for i, r := range readings {
		if d := late(r); d < -50*time.Millisecond || d > time.Second {
			t.Errorf("frame %d shows a time %v before it was decoded", i, d)
		}
	}
	t.Logf("first %v, last %v behind", late(readings[0]), late(readings[frames-1]))
	// A busy machine delays single frames, and shows so; the pace over all must be right.
	mean := float64(readings[frames-1].clock-readings[0].clock) / (frames - 1)
	if mean < 25 || mean > 45 {
		t.Errorf("the clock goes on %.1f ms a frame, want about 33", mean)
	}
}

// late returns how old a picture was when it was decoded.
func late(r reading) time.Duration {
	return time.Duration(int32(uint32(r.at.UnixMilli())-r.clock)) * time.Millisecond
}

// decode returns the readings of the first pictures.
func decode(ctx context.Context, flv io.Reader, width, height, frames int) ([]reading, error) {
	cmd := exec.CommandContext(ctx, "ffmpeg", "-loglevel", "error", "-fflags", "nobuffer", "-probesize", "32k", "-f", "flv", "-i", "pipe:0",
		"-map", "0:v", "-frames:v", fmt.Sprint(frames), "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-flush_packets", "1", "pipe:1")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		io.Copy(in, flv) // ends when the reader has enough
		in.Close()
	}()
	var readings []reading
	picture := make([]byte, width*height)
	for range frames {
		if _, err := io.ReadFull(out, picture); err != nil {
			return readings, errors.Join(err, cmd.Wait())
		}
		clock, err := readStrip(picture, width)
		if err != nil {
			return readings, err
		}
		readings = append(readings, reading{clock, time.Now()})
	}
	err = cmd.Wait()
	<-copied
	return readings, err
}

func readStrip(gray []byte, width int) (clock uint32, err error) {
	side := cellSide(width)
	white := func(cell int) bool { return gray[side/2*width+cell*side+side/2] >= 128 }
	if !white(0) || white(1) {
		return 0, errors.New("no clock strip in the picture")
	}
	for i := range stripBits {
		clock <<= 1
		if white(2 + i) {
			clock |= 1
		}
	}
	return clock, nil
}

func TestCellsAreEvenAndFit(t *testing.T) {
	for width := 160; width <= 7680; width += 2 {
		if side := cellSide(width); side < 2 || side%2 != 0 || side*stripCells > width {
			t.Fatalf("cells of %d pixels in a picture of %d", side, width)
		}
	}
	if got := cellSide(1280); got != 32 {
		t.Errorf("a cell at 1280 is %d pixels, want 32", got)
	}
}

func TestRunReportsWhatFFmpegSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho the reason >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log bytes.Buffer
	err := Run(ctx, Options{
		FFmpeg: path,
		Logger: slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) { defer cancel(); return log.Write(p) }), nil)),
		Push:   func(_ context.Context, flv io.Reader) error { _, err := io.Copy(io.Discard, flv); return err },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"level=WARN", "the reason", "exit status 3"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
}

func TestRunStopsFFmpegWhenPushFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho started\nexec cat /dev/zero\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log bytes.Buffer
	err := Run(ctx, Options{
		FFmpeg: path,
		Logger: slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) { defer cancel(); return log.Write(p) }), nil)),
		Push: func(_ context.Context, flv io.Reader) error {
			_, err := bufio.NewReader(flv).ReadString('\n')
			return errors.Join(err, errors.New("server said no"))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "server said no") {
		t.Errorf("the log does not say why:\n%s", log.String())
	}
}

func TestRunRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no ffmpeg":    {FFmpeg: filepath.Join(t.TempDir(), "absent")},
		"an odd width": {Width: 641},
		"no picture":   {Width: 32, Height: 32},
		"a mad rate":   {Rate: 1000},
	} {
		if err := Run(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDelays(t *testing.T) {
	var got []time.Duration
	var d time.Duration
	for _, lived := range []time.Duration{0, 0, 0, 0, 0, 0, time.Hour, 0} {
		d = nextDelay(d, lived)
		got = append(got, d/time.Second)
	}
	if want := "[1ns 2ns 4ns 8ns 10ns 10ns 1ns 2ns]"; fmt.Sprint(got) != want {
		t.Errorf("delays %v (in s), want %s", got, want)
	}
}

func TestTailKeepsWholeLastLines(t *testing.T) {
	var said tail
	for i := range 1000 {
		fmt.Fprintf(&said, "line %d\n", i)
	}
	lines := said.lines()
	if len(said.kept) > tailSize || lines[len(lines)-1] != "line 999" || !strings.HasPrefix(lines[0], "line ") {
		t.Errorf("kept %d bytes, from %q to %q", len(said.kept), lines[0], lines[len(lines)-1])
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
