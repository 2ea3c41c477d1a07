package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A page is a Chromium that plays a stream's page until its time is over.
type page struct {
	cmd    *exec.Cmd
	out    bytes.Buffer // valid once done is closed
	errs   output
	done   chan struct{}
	length time.Duration
}

// spread is how a figure was distributed, in seconds.
type spread struct {
	N             int
	P50, P95, Max float64
}

// A report is what browser/play.mjs says at its end. Latency is read from the picture.
type report struct {
	Started        bool
	Seconds        float64
	StartAfter     float64
	States         []string
	Latency        *spread
	Stalls, Starts int
	StalledSeconds float64
	Progress       float64 // seconds of media played
	Width, Height  int
	ErrorCount     int
	Errors         []struct{ Type, Details string }
	Complaints     []string
}

// watch opens the page of a stream in Chromium for d.
func (s *server) watch(t *testing.T, stream string, d time.Duration) *page {
	t.Helper()
	if _, err := os.Stat("browser/node_modules"); err != nil {
		t.Fatal("the browser's driver is not installed: run npm ci in test/e2e/browser, or make test")
	}
	p := &page{done: make(chan struct{}), length: d}
	p.cmd = exec.Command("node", "browser/play.mjs", s.url("/watch/"+stream), "--seconds", strconv.FormatFloat(d.Seconds(), 'f', 0, 64), "--viewport", "640x480")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the report says it all
	}()
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			<-p.done
		}
	})
	return p
}

// report waits for the end and returns what the page has seen.
func (p *page) report(t *testing.T) report {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(p.length + time.Minute):
		t.Fatal("the browser does not end")
	}
	var r report
	if err := json.Unmarshal(p.out.Bytes(), &r); err != nil {
		t.Fatalf("the browser's report: %v\n%s\n%s", err, p.out.Bytes(), p.errs.tail(20))
	}
	r.Errors = r.Errors[:min(len(r.Errors), 5)]
	t.Logf("the page: %+v, latency %+v", r, r.Latency)
	if !r.Started {
		t.Fatal("the browser played nothing")
	}
	return r
}

// playedBut fails the test unless the page played all the time, but for its start and
// for lost, all outages together with what it takes to come back from each.
func (r report) playedBut(t *testing.T, lost time.Duration) {
	t.Helper()
	if want := r.Seconds - r.StartAfter - lost.Seconds(); r.Progress < want {
		t.Errorf("the page played %.1f of %.1f s, want %.1f", r.Progress, r.Seconds, want)
	}
	if n := len(r.States); n == 0 || r.States[n-1] != "playing" {
		t.Errorf("the page went through %v, want it to play in the end", r.States)
	}
	for _, c := range r.Complaints {
		t.Errorf("the page complains: %s", c)
	}
}

// TestPlayerPage60s: the page plays the test programme for a minute at parts of half a
// second. It is never more than 2.5 s late, read from the clock in the picture, and
// never stalls. It runs alone: it encodes and decodes 720p on the cores there are.
func TestPlayerPage60s(t *testing.T) {
	s := start(t, map[string]string{"command": "demo"})
	s.waitLive(t, "demo", 2)
	r := s.watch(t, "demo", 66*time.Second).report(t)
	r.playedBut(t, time.Second)
	if r.Seconds-r.StartAfter < 60 {
		t.Errorf("only %.1f s of playing", r.Seconds-r.StartAfter)
	}
	if r.Latency == nil || r.Latency.N < 150 {
		t.Fatalf("the picture's clock was not read: %+v", r.Latency)
	}
	if r.Latency.P95 >= 2.5 {
		t.Errorf("latency %.2f s (p95), want less than 2.5", r.Latency.P95)
	}
	if r.Stalls != 0 || r.ErrorCount != 0 || r.Starts > 1 {
		t.Errorf("%d stalls, %d errors, %d starts", r.Stalls, r.ErrorCount, r.Starts)
	}
	fmt.Printf("latency of the player page: p50 %.2f s, p95 %.2f s, max %.2f s\n", r.Latency.P50, r.Latency.P95, r.Latency.Max)
}
