package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Load comes from separate processes, so that it does not count as the server's: this
// program again, with workerArg. A worker reads one JSON line from its standard input,
// the job, and works until its standard input ends. So it never outlives the bench. It
// writes a line when it is under way, some kinds further lines at later stages, and one
// JSON line, its findings, at the end.
const workerArg = "-worker"

// A job is what a worker does; the fields each kind uses are said there.
type job struct {
	Kind string // a key of workers

	Clip    string        // path of the FLV file
	HTTP    string        // host:port of the server
	RTMP    string        // host:port of the server
	Stream  string        // name of the stream; publishers append a number
	First   int           // number of the first publisher's stream
	Count   int           // publishers, players, viewers or connections
	Targets []string      // request targets
	Gzip    bool          // accept it
	Part    time.Duration // the server's part duration
	Bodies  [][]byte      // what the plain server serves
}

// Findings are what a worker saw; again, see there.
type findings struct {
	Err       string
	Seconds   float64 // over which the rest was counted
	Requests  int64
	Bytes     int64
	Errors    int             // answers that were not the wanted ones, players that were cut off
	Behind    float64         // part of the media that should have arrived and has not, 0 to 1
	Parts     []time.Duration // delays of parts...
	Playlists []time.Duration // ...and of playlists, up to the first byte
	Unknown   int             // parts whose newest frame was not recognised
}

var workers = map[string]func(job, *worker) (findings, error){
	"publish": publishWorker,
	"play":    playWorker,
	"view":    viewWorker,
	"fetch":   fetchWorker,
	"serve":   serveWorker,
}

// A worker is the process's side of the protocol.
type worker struct {
	stop <-chan struct{} // closed when the work is to end
	said int             // lines
}

// underWay tells the bench that the next stage is reached, with a word about it.
func (w *worker) underWay(word string) {
	w.said++
	fmt.Println(word)
}

// stages returns how many lines a worker of that kind writes before its findings.
func (j job) stages() int {
	if j.Kind == "view" {
		return 2 // the stream is there; the viewers are
	}
	return 1
}

func workerMain() int {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return 1
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return 1
	}
	stop := make(chan struct{})
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, in)
		close(stop)
	}()
	w := &worker{stop: stop}
	found, err := workers[j.Kind](j, w)
	if err != nil {
		found.Err = err.Error()
	}
	for w.said < j.stages() { // it has failed early: the bench waits for these
		w.underWay("")
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		return 1
	}
	return 0
}

// A load is the bench's side.
type load struct {
	process
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	word  string // what it said last
}

// load starts a worker and waits until it is under way.
func (r *rig) load(ctx context.Context, j job) (*load, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	j.Clip = r.clipPath()
	cmd := exec.CommandContext(ctx, self, workerArg)
	cmd.Stderr = os.Stderr
	l := &load{cmd: cmd}
	if l.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.out = bufio.NewReader(stdout)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	l.process = process{cmd.Process.Pid}
	b, err := json.Marshal(j)
	if err == nil {
		_, err = l.stdin.Write(append(b, '\n'))
	}
	if err == nil {
		err = l.next()
	}
	if err != nil {
		l.kill()
		return nil, fmt.Errorf("start %s worker: %w", j.Kind, err)
	}
	return l, nil
}

// next waits for the next stage.
func (l *load) next() error {
	line, err := l.out.ReadString('\n')
	l.word = strings.TrimSuffix(line, "\n")
	return err
}

// end stops the worker and returns what it found.
func (l *load) end() (findings, error) {
	defer l.kill()
	l.stdin.Close()
	var f findings
	if err := json.NewDecoder(l.out).Decode(&f); err != nil {
		return f, fmt.Errorf("read a worker's findings: %w", err)
	}
	if f.Err != "" {
		return f, errors.New(f.Err)
	}
	return f, nil
}

// kill ends the process whatever it does. Further calls do nothing.
func (l *load) kill() {
	l.stdin.Close()
	if l.cmd.ProcessState == nil {
		_ = l.cmd.Process.Kill()
		_ = l.cmd.Wait()
	}
}
