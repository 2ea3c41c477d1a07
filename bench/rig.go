package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// publishKey is the stream key of the servers under test.
const publishKey = "bench-publish-key"

// A rig is what all sections share: the built server and the clip.
type rig struct {
	dir    string
	binary string
	clip   *clip
	short  bool

	profile string // file for profiles of the servers, "": none
	started int    // servers so far
}

func newRig(ctx context.Context, short bool, profile string) (*rig, error) {
	dir, err := os.MkdirTemp("", "headrace-bench-")
	if err != nil {
		return nil, err
	}
	r := &rig{dir: dir, binary: filepath.Join(dir, "headrace"), short: short, profile: profile}
	progress("building the server and the clip")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", r.binary, "./cmd/headrace")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		r.close()
		return nil, fmt.Errorf("build the server (run this from the top of the repository): %w: %s", err, out)
	}
	if err := makeClip(ctx, r.clipPath()); err != nil {
		r.close()
		return nil, err
	}
	if r.clip, err = readClip(r.clipPath()); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *rig) clipPath() string { return filepath.Join(r.dir, "clip.flv") }

func (r *rig) close() { _ = os.RemoveAll(r.dir) }

// pick returns long, or brief in a short run.
func pick[T any](r *rig, long, brief T) T {
	if r.short {
		return brief
	}
	return long
}

// A server is the process under test.
type server struct {
	process
	cmd        *exec.Cmd
	http, rtmp string // host:port
}

// start runs the binary with settings ("section.key=value") over those that every
// section needs, and waits until it is ready.
func (r *rig) start(ctx context.Context, settings ...string) (*server, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(r.dir, "data-")
	if err != nil {
		return nil, err
	}
	s := &server{http: "127.0.0.1:" + strconv.Itoa(ports[0]), rtmp: "127.0.0.1:" + strconv.Itoa(ports[1])}
	settings = append([]string{
		"http.addr=" + s.http, "rtmp.addr=" + s.rtmp, "data_dir=" + data, "log.level=warn", "drain=0s",
		"rtmp.max_connections_per_ip=2000",
	}, settings...)
	if s.cmd, err = r.command(ctx, settings); err != nil {
		return nil, err
	}
	s.cmd.Env = append(os.Environ(), "HEADRACE_AUTH_PUBLISH_KEY="+publishKey, "HEADRACE_AUTH_ADMIN_TOKEN=bench-admin-token")
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s.process = process{s.cmd.Process.Pid}
	if err := s.waitReady(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// command returns the server to start: the binary, or this program with a profiler.
func (r *rig) command(ctx context.Context, settings []string) (*exec.Cmd, error) {
	r.started++
	if r.profile != "" {
		self, err := os.Executable()
		path := fmt.Sprintf("%s.%d", r.profile, r.started)
		return exec.CommandContext(ctx, self, append([]string{profiledArg, path}, settings...)...), err
	}
	args := []string{"serve"}
	for _, set := range settings {
		args = append(args, "--set", set)
	}
	return exec.CommandContext(ctx, r.binary, args...), nil
}

func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("the server did not become ready: %w", err)
		}
	}
}

// stop ends the process: politely, then not.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	_ = s.cmd.Wait()
}

// freePorts returns TCP ports that nothing listens on just now.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
