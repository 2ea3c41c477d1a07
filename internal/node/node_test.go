package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/config"
	"github.com/headrace/headrace/internal/proto/rtmp"
)

// freePort returns an address on loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func settings(t *testing.T) config.Config {
	t.Helper()
	c := config.Default()
	c.DataDir = t.TempDir()
	c.RTMP.Addr, c.HTTP.Addr = freePort(t), freePort(t)
	c.Drain = 0
	return c
}

func newNode(t *testing.T, c config.Config, log io.Writer) *Node {
	t.Helper()
	n, err := New(c, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func get(t *testing.T, c *http.Client, url string, header ...string) (code int, proto, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Proto, string(b)
}

// client speaks exactly one version of HTTP, without TLS or with any certificate.
func client(t *testing.T, set func(*http.Protocols)) *http.Client {
	t.Helper()
	var p http.Protocols
	set(&p)
	tr := &http.Transport{Protocols: &p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // a test's own certificate
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

func http1(p *http.Protocols) { p.SetHTTP1(true) }
func h2c(p *http.Protocols)   { p.SetUnencryptedHTTP2(true) }
func h2(p *http.Protocols)    { p.SetHTTP2(true) }

// serving runs the node's HTTP server, without its pipeline, on a port of its own.
func serving(t *testing.T, n *Node) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := n.server()
	done := make(chan error, 1)
	go func() { done <- serve(s, l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func TestRoutes(t *testing.T) {
	n := newNode(t, settings(t), io.Discard)
	url, c := serving(t, n), client(t, http1)
	if code, _, _ := get(t, c, url+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready before it runs: %d", code)
	}
	n.ready.Store(true)
	token := "Bearer " + n.cfg.Auth.AdminToken.Reveal()
	for _, r := range []struct {
		path, token string
		code        int
		body        string
	}{
		{"/healthz", "", 200, "ok"},
		{"/readyz", "", 200, "ready"},
		{"/metrics", "", 200, "headrace_build_info"},
		{"/api/v1/streams", "", 401, ""},
		{"/api/v1/streams", "Bearer wrong", 401, ""},
		{"/api/v1/streams", token, 200, `"streams"`},
		{"/api/v1/nothing", token, 404, ""},
		{"/watch/demo", "", 200, "<html"},
		{"/live/absent/master.m3u8", "", 404, ""},
		{"/live/../../etc/passwd", "", 400, ""}, // not cleaned, not redirected,
	} {
		code, _, body := get(t, c, url+r.path, "Authorization", r.token)
		if code != r.code || !strings.Contains(body, r.body) {
			t.Errorf("%s: %d, want %d and %q in:\n%.300s", r.path, code, r.code, r.body, body)
		}
	}
}

func TestProtocolsWithoutTLS(t *testing.T) {
	cfg := settings(t)
	url := serving(t, newNode(t, cfg, io.Discard))
	if _, proto, _ := get(t, client(t, http1), url+"/healthz"); proto != "HTTP/1.1" {
		t.Errorf("got %s", proto)
	}
	if _, proto, _ := get(t, client(t, h2c), url+"/healthz"); proto != "HTTP/2.0" {
		t.Errorf("got %s", proto)
	}
	cfg.HTTP.H2C = false
	url = serving(t, newNode(t, cfg, io.Discard))
	if res, err := client(t, h2c).Get(url + "/healthz"); err == nil {
		res.Body.Close()
		t.Error("HTTP/2 without TLS is answered though it is off")
	}
}

// Row Q3: what a client may send before it is let go is bounded.
func TestFault_Q3_HeadersAreBounded(t *testing.T) {
	n := newNode(t, settings(t), io.Discard)
	if s := n.server(); s.ReadHeaderTimeout != headerTimeout || s.IdleTimeout != idleTimeout {
		t.Errorf("timeouts: header %v, idle %v", s.ReadHeaderTimeout, s.IdleTimeout)
	}
	url := serving(t, n)
	code, _, _ := get(t, client(t, http1), url+"/healthz", "X-Long", strings.Repeat("x", 2*maxHeaderBytes))
	if code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of %d bytes is answered %d", 2*maxHeaderBytes, code)
	}
}

// start runs n until the test ends, and returns what stops it.
func start(t *testing.T, n *Node) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	var err error
	stopped := false
	stop = func() error {
		if !stopped {
			cancel()
			err, stopped = <-done, true
		}
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// eventually tries until ok, for ten seconds at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not in ten seconds", what)
		}
	}
}

func answers(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func TestRunStartsAndStops(t *testing.T) {
	cfg := settings(t)
	cert := certificate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	cfg.TLS = cert
	cfg.HTTP.TLSAddr, cfg.RTMP.TLSAddr = freePort(t), freePort(t)
	n := newNode(t, cfg, io.Discard)
	stop := start(t, n)
	all := []string{cfg.RTMP.Addr, cfg.RTMP.TLSAddr, cfg.HTTP.Addr, cfg.HTTP.TLSAddr}
	for _, addr := range all {
		eventually(t, "listen on "+addr, func() bool { return answers(addr) })
	}
	for name, set := range map[string]func(*http.Protocols){"HTTP/1.1": http1, "HTTP/2.0": h2} {
		if code, proto, _ := get(t, client(t, set), "https://"+cfg.HTTP.TLSAddr+"/readyz"); code != 200 || proto != name {
			t.Errorf("over TLS: %d, %s, want 200, %s", code, proto, name)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("an orderly end returns %v", err)
	}
	for _, addr := range all {
		if answers(addr) {
			t.Errorf("%s still answers", addr)
		}
	}
}

func TestRunReturnsWhenAPortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, take := range map[string]func(*config.Config){
		"rtmp": func(c *config.Config) { c.RTMP.Addr = l.Addr().String() },
		"http": func(c *config.Config) { c.HTTP.Addr = l.Addr().String() },
	} {
		cfg := settings(t)
		take(&cfg)
		if err := newNode(t, cfg, io.Discard).Run(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
		if name == "rtmp" && answers(cfg.HTTP.Addr) {
			t.Error("the HTTP listener is left open")
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"settings that are not valid": func(c *config.Config) { c.Segment.Part = 0 },
		"a certificate that is not there": func(c *config.Config) {
			c.TLS = config.TLS{CertFile: "absent.pem", KeyFile: "absent.key"}
			c.HTTP.TLSAddr = "127.0.0.1:0"
		},
	} {
		cfg := settings(t)
		change(&cfg)
		if _, err := New(cfg, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestBannerShowsSecretsOnceAndLogsNever(t *testing.T) {
	cfg := settings(t)
	var log, first, second bytes.Buffer
	n := newNode(t, cfg, &log)
	n.Banner(&first)
	newNode(t, cfg, &log).Banner(&second)
	for _, secret := range []string{n.cfg.Auth.PublishKey.Reveal(), n.cfg.Auth.AdminToken.Reveal()} {
		if !strings.Contains(first.String(), secret) {
			t.Errorf("the first start does not show what it made:\n%s", first.String())
		}
		if strings.Contains(second.String(), secret) {
			t.Errorf("the second start shows a secret again:\n%s", second.String())
		}
		if strings.Contains(log.String(), secret) {
			t.Errorf("a secret is in the log:\n%s", log.String())
		}
	}
	for _, want := range []string{"rtmp://" + cfg.RTMP.Addr + "/live", "NAME?key=", "http://" + cfg.HTTP.Addr + "/watch/NAME"} {
		if !strings.Contains(second.String(), want) {
			t.Errorf("no %q in:\n%s", want, second.String())
		}
	}
}

func TestReachable(t *testing.T) {
	for in, want := range map[string]string{
		":1935": "localhost:1935", "0.0.0.0:80": "localhost:80", "[::]:80": "localhost:80",
		"127.0.0.1:8080": "127.0.0.1:8080", "live.example:443": "live.example:443", "junk": "junk",
	} {
		if got := reachable(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// Ready means that all addresses are open: publishers too can come.
func TestReadyMeansListening(t *testing.T) {
	cfg := settings(t)
	n := newNode(t, cfg, io.Discard)
	start(t, n)
	<-n.listening
	c, err := rtmp.Dial(t.Context(), "rtmp://"+cfg.RTMP.Addr+"/live/demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
