package e2e

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The secrets of every server here. A run's outputs are searched for them.
const (
	publishKey = "canary-publish-key-4f1c"
	adminToken = "canary-admin-token-9b27"
)

// A server is one headrace process and how to reach it.
type server struct {
	t        *testing.T
	rtmp     string // host:port
	http     string // host:port
	settings map[string]string
	command  string // serve or demo
	config   string // path of a configuration file; may be empty
	proc     *process
	client   *http.Client
}

// quick are settings that let a test see many segments in little time.
var quick = map[string]string{"segment.duration": "1s", "segment.part": "250ms", "ingest.hold": "1500ms"}

// start runs headrace with settings by their names ("config": the path of a file, "command": serve or demo)
// on free ports of the loopback with a data directory of its
// own, waits until it is ready, and checks at the test's end that SIGTERM ends it well.
func start(t *testing.T, settings ...map[string]string) *server {
	t.Helper()
	s := &server{t: t, rtmp: freeAddr(t), http: freeAddr(t), settings: map[string]string{}}
	s.settings["data_dir"] = t.TempDir()
	s.settings["rtmp.addr"], s.settings["http.addr"] = s.rtmp, s.http
	s.settings["auth.publish_key"], s.settings["auth.admin_token"] = publishKey, adminToken
	s.settings["drain"] = "1s"
	s.settings["log.level"] = "debug"
	for _, set := range settings {
		maps.Copy(s.settings, set)
	}
	s.config, s.command = s.settings["config"], cmp.Or(s.settings["command"], "serve")
	delete(s.settings, "config")
	delete(s.settings, "command")
	// A connection of its own for every server: nothing is shared between tests.
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: 64, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is made for the test
	}}
	s.run()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		s.terminate()
	})
	return s
}

// run starts the process, the first time or again on the same ports and data.
func (s *server) run() {
	s.t.Helper()
	args := []string{s.command}
	if s.config != "" {
		args = append(args, "--config", s.config)
	}
	s.proc = launch(s.t, s.env(), headrace, args...)
	proc := s.proc
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("the server's log:\n%s", proc.out.tail(60))
		}
	})
	eventually(s.t, 20*time.Second, "server ready", func() error {
		select {
		case <-proc.done:
			s.t.Fatalf("the server ended: %v\n%s", proc.err, proc.out.tail(30))
		default:
		}
		return s.expect("/readyz", http.StatusOK)
	})
}

// env passes secrets where other users of the machine cannot see them, as an operator should.
func (s *server) env() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for k, v := range s.settings {
		env = append(env, "HEADRACE_"+strings.ToUpper(strings.ReplaceAll(k, ".", "_"))+"="+v)
	}
	return env
}

// terminate stops the server in order.
func (s *server) terminate() {
	select {
	case <-s.proc.done:
		return // the test has ended it
	default:
	}
	s.proc.signal(syscall.SIGTERM)
	if err := s.proc.wait(15 * time.Second); err != nil {
		s.t.Errorf("the server after SIGTERM: %v", err)
	}
}

// kill9 ends the server without a chance to say goodbye.
func (s *server) kill9() {
	s.proc.kill()
	s.client.CloseIdleConnections()
}

func (s *server) url(path string) string { return "http://" + s.http + path }

// master returns the address of a stream's multivariant playlist.
func (s *server) master(stream string) string { return s.url("/live/" + stream + "/master.m3u8") }

// media returns the address of a track's media playlist.
func (s *server) media(stream, track string) string {
	return s.url("/live/" + stream + "/" + track + "/media.m3u8")
}

// push returns the address to publish to, with the key; pull the one to play from.
func (s *server) push(stream string) string { return s.pull(stream) + "?key=" + publishKey }
func (s *server) pull(stream string) string { return "rtmp://" + s.rtmp + "/live/" + stream }

// get returns an answer and its body, which is read to its end.
func (s *server) get(url string, header ...string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

// expect returns an error unless path answers with code.
func (s *server) expect(path string, code int) error {
	res, body, err := s.get(s.url(path))
	if err != nil {
		return err
	}
	if res.StatusCode != code {
		return fmt.Errorf("GET %s: got %d, want %d: %.200s", path, res.StatusCode, code, body)
	}
	return nil
}

// waitLive waits until every track of a stream lists so many complete segments. At
// least one is needed: ffprobe 5.1 crashes on a list that has none yet.
func (s *server) waitLive(t *testing.T, stream string, segments int) {
	t.Helper()
	eventually(t, 30*time.Second, "stream "+stream+" live", func() error {
		all, err := s.renditions(stream)
		if err != nil {
			return err
		}
		for _, r := range all {
			pl, err := s.playlist(stream, r.id)
			if err != nil {
				return err
			}
			if len(pl.segments) < segments {
				return fmt.Errorf("%s: %d segments, want %d", r.id, len(pl.segments), segments)
			}
		}
		return nil
	})
}

// api gets path with the admin token and decodes the answer.
func (s *server) api(t *testing.T, path string, into any) {
	t.Helper()
	res, body, err := s.get(s.url(path), "Authorization", "Bearer "+adminToken)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s: %.200s", path, res.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s: %v: %.200s", path, err, body)
	}
}

// metric returns the sum of a metric over its labels; ok is false when it is not there.
func (s *server) metric(t *testing.T, name string) (sum float64, ok bool) {
	t.Helper()
	_, body, err := s.get(s.url("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		rest, is := strings.CutPrefix(line, name)
		if !is || (rest[0] != ' ' && rest[0] != '{') {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' ')+1:]), 64)
		if err != nil {
			t.Fatalf("metric %q: %v", line, err)
		}
		sum, ok = sum+v, true
	}
	return sum, ok
}

// mustMetric is metric, and fails the test when it is not there.
func (s *server) mustMetric(t *testing.T, name string) float64 {
	t.Helper()
	v, ok := s.metric(t, name)
	if !ok {
		t.Fatalf("there is no metric %s", name)
	}
	return v
}

// rss returns the resident memory of the process in bytes.
func (s *server) rss(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.proc.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// nextPort is below the range from which the system takes ports for outgoing
// connections, so that none of those is in a server's place when it starts again.
var nextPort atomic.Int32

// freeAddr returns a loopback address that nobody listens on, each time another.
func freeAddr(t *testing.T) string {
	t.Helper()
	nextPort.CompareAndSwap(0, int32(10_000+os.Getpid()%100*200))
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", nextPort.Add(1))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}
