package delivery

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/internal/metrics"
	"github.com/headrace/headrace/internal/presentation"
	"github.com/headrace/headrace/internal/presentation/presentationtest"
)

// Row H1: requests that nobody means are answered at once.
func TestFault_H1_HostileDirectives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		onePart(s.v) // segment 13 has one part
		for query, code := range map[string]int{
			"_HLS_msn=-1": 400, "_HLS_msn=18446744073709551616": 400, "_HLS_msn=18446744073709551615": 400,
			"_HLS_msn=9223372036854775821": 400, "_HLS_msn=16": 400, "_HLS_msn=13&_HLS_part=1000000": 400,
			"_HLS_part=0": 400, "_HLS_msn=15&_HLS_part=18446744073709551615": 400, "_HLS_msn=13&_HLS_part=-1": 400,
			"_HLS_msn": 400, "_HLS_msn=%31%33": 400, "_HLS_msn=1_3": 400, "_HLS_msn=0x0d": 400, "_HLS_msn=13.0": 400,
			"_HLS_skip=junk": 200, "_HLS_skip=": 200, "_HLS_msn=0": 200, "_HLS_msn=13&_HLS_part=0": 200,
		} {
			begun := time.Now()
			w := s.get("v1/media.m3u8?" + query)
			wantCode(t, query, w, code)
			if d := time.Since(begun); d != 0 {
				t.Errorf("%s was held for %v", query, d)
			}
			if code == 400 && strings.Contains(w.Header().Get("Cache-Control"), "max-age=12") {
				t.Errorf("%s: the refusal may be cached as a playlist", query)
			}
		}
	})
}

// Row H2: ten thousand wait for one part. All get the same bytes, rendered once.
func TestFault_H2_TenThousandWaiters(t *testing.T) {
	const viewers = 10_000
	before := runtime.NumGoroutine()
	s := newStudio(t, low)
	bodies := make([][]byte, viewers)
	var wg sync.WaitGroup
	for n := range viewers {
		wg.Go(func() {
			w := &sink{header: http.Header{}}
			s.ServeHTTP(w, request("GET", "/live/show/one/v1/media.m3u8?_HLS_msn=13&_HLS_part=0"))
			bodies[n] = w.body
		})
	}
	for s.Waiting("show/one") < viewers {
		runtime.Gosched()
	}
	begun := time.Now()
	onePart(s.v)
	wg.Wait()
	t.Logf("%d released in %v", viewers, time.Since(begun))
	for n, b := range bodies {
		if len(b) == 0 || &b[0] != &bodies[0][0] {
			t.Fatalf("viewer %d has a playlist of its own", n)
		}
	}
	if n := s.Waiting("show/one"); n != 0 {
		t.Errorf("%d still wait", n)
	}
	settle(t, before)
}

// sink is a ResponseWriter that keeps the last slice written to it, uncopied.
type sink struct {
	header http.Header
	body   []byte
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { s.body = b; return len(b), nil }

// settle waits until there are no more goroutines than before.
func settle(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left of %d", runtime.NumGoroutine()-before, before)
		}
		runtime.Gosched()
	}
}

// Row H2: clients disconnect while they wait, over real connections.
func TestFault_H2_ClientsDisconnect(t *testing.T) {
	before := runtime.NumGoroutine()
	s := newStudio(t, low)
	server := httptest.NewServer(s)
	var conns []net.Conn
	for range 200 {
		c := dial(t, server)
		fmt.Fprint(c, "GET /live/show/one/v1/media.m3u8?_HLS_msn=13&_HLS_part=0 HTTP/1.1\r\nHost: x\r\n\r\n")
		conns = append(conns, c)
	}
	for s.Waiting("show/one") < len(conns) {
		runtime.Gosched()
	}
	for _, c := range conns {
		c.Close()
	}
	for s.Waiting("show/one") > 0 { // hangs if one is not noticed
		runtime.Gosched()
	}
	server.Close()
	settle(t, before)
}

// Row H2: the stream ends, or loses its name, while requests wait.
func TestFault_H2_StreamEndsWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		list := s.begin(t.Context(), "v1/media.m3u8?_HLS_msn=14")
		part := s.begin(t.Context(), "v1/p-130.m4s")
		segment := s.begin(t.Context(), "v1/13.m4s")
		synctest.Wait()
		s.catalog.Remove(s.stream)
		s.v.End()
		synctest.Wait()
		if pending(list) || pending(part) || pending(segment) {
			t.Fatal("still held")
		}
		wantCode(t, "playlist", <-list, 200)
		wantCode(t, "part", <-part, 404)
		wantCode(t, "segment", <-segment, 404)
	})
}

func dial(t *testing.T, server *httptest.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Row Q1: viewers that read slowly. What is written to them is the stream's own
// bytes, so that they cost next to nothing of their own.
func TestFault_Q1_SlowReadersCostLittle(t *testing.T) {
	const readers, limit = 200, 256 << 10
	s := newStudio(t, low)
	s.v.Segment(1, s.v.Ticks(part), 32<<20) // more than kernels buffer
	server := httptest.NewServer(s)
	defer server.Close()
	base := inUse()
	var conns []net.Conn
	for range readers {
		c := dial(t, server)
		fmt.Fprint(c, "GET /live/show/one/v1/13.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil { // and no more for now
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	each := (inUse() - base) / readers
	t.Logf("%d bytes a reader", each)
	if each > limit {
		t.Errorf("a slow reader costs %d bytes, want at most %d", each, limit)
	}
	for _, c := range conns {
		c.Close()
	}
}

// inUse returns the bytes of heap and stacks in use.
func inUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// pipes is a listener of in-memory connections without any buffer, which obey the
// clock of a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// serve runs a server as the node does, in the bubble.
func serve(t *testing.T, h http.Handler) *pipes {
	p := newPipes()
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, IdleTimeout: 60 * time.Second}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(p) })
	t.Cleanup(func() {
		server.Close()
		wg.Wait()
	})
	return p
}

// Row Q2: a viewer that stops reading is let go ten seconds later, however big the
// response, and one that reads on is not, however long it takes.
func TestFault_Q2_StoppedReaderIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		s.v.Segment(1, s.v.Ticks(part), 2<<20)
		p := serve(t, s)
		c := p.dial()
		fmt.Fprint(c, "GET /live/show/one/v1/13.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		buf := make([]byte, 64<<10)
		for range 16 { // 1 MiB in 32 s
			time.Sleep(2 * time.Second)
			if _, err := io.ReadFull(res.Body, buf); err != nil {
				t.Fatalf("let go after %v, while reading: %v", time.Since(begun), err)
			}
		}
		stopped := time.Now()
		time.Sleep(writeTimeout + time.Second)
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil {
			t.Errorf("the whole rest of %d bytes came %v after the reader stopped", n, time.Since(stopped))
		}
		c.Close()
	})
}

// Row Q2: a deadline does not outlive its response.
func TestFault_Q2_DeadlineEndsWithResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		mux := http.NewServeMux()
		mux.Handle("/live/", s)
		mux.HandleFunc("/other", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") })
		c := serve(t, mux).dial()
		r := bufio.NewReader(c)
		for _, path := range []string{"/live/show/one/v1/10.m4s", "/other", "/live/none/master.m3u8", "/other"} {
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			time.Sleep(3 * writeTimeout)
		}
		c.Close()
	})
}

// A server's limit on reading a request is none on holding it, nor on a segment that
// grows for longer.
func TestHeldLongerThanTheReadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := low
		slow.TargetDuration = 8 * time.Second
		s := newStudio(t, slow)
		p := serve(t, s)
		for path, want := range map[string]string{
			"v1/media.m3u8?_HLS_msn=13": "13.m4s",
			"v1/p-130.m4s":              "",
			"v1/13.m4s":                 "",
		} {
			s.stream = &presentation.Stream{Name: "show/one", Cadence: slow, Window: 20 * time.Second}
			v := s.packager(presentationtest.AVC, slow)
			s.catalog.Put(s.stream)
			c := p.dial()
			fmt.Fprintf(c, "GET /live/show/one/%s HTTP/1.1\r\nHost: x\r\n\r\n", path)
			go func() {
				time.Sleep(9 * time.Second)
				onePart(v)
				time.Sleep(9 * time.Second)
				v.Cut()
			}()
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 200 || !strings.Contains(string(body), want) {
				t.Errorf("%s: %d, %d bytes, %v", path, res.StatusCode, len(body), err)
			}
			time.Sleep(30 * time.Second)
			c.Close()
		}
	})
}

// Row Q3: connections that never finish their header, that send a body byte by byte,
// or that idle, end; a viewer beside them is served.
func TestFault_Q3_Slowloris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		p := serve(t, s)
		ended := func(c net.Conn) <-chan time.Duration {
			begun := time.Now()
			done := make(chan time.Duration, 1)
			go func() {
				io.Copy(io.Discard, c)
				done <- time.Since(begun)
			}()
			return done
		}
		header, body, idle := p.dial(), p.dial(), p.dial()
		go trickle(header, "GET /live/show/one/master.m3u8 HTTP/1.1\r\nHost: "+strings.Repeat("x", 1000))
		go trickle(body, strings.Repeat("x", 1000), "GET /live/show/one/v1/p-130.m4s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
		go fmt.Fprint(idle, "GET /live/show/one/master.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n")
		ends := map[string]<-chan time.Duration{"slow header": ended(header), "slow body": ended(body), "idle": ended(idle)}

		viewer := p.dial()
		r := bufio.NewReader(viewer)
		for n := range 50 {
			go fmt.Fprintf(viewer, "GET /live/show/one/v1/p-%d.m4s HTTP/1.1\r\nHost: x\r\n\r\n", 130+n)
			time.Sleep(part)
			onePart(s.v)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := io.Copy(io.Discard, res.Body); got != 1000 {
				t.Fatalf("part %d of the viewer: %d bytes", n, got)
			}
		}
		for name, most := range map[string]time.Duration{"slow header": 5 * time.Second, "slow body": 6 * time.Second, "idle": 61 * time.Second} {
			if d := <-ends[name]; d > most {
				t.Errorf("%s: ended after %v, want at most %v", name, d, most)
			}
		}
		for _, c := range []net.Conn{header, body, idle, viewer} {
			c.Close()
		}
	})
}

// trickle writes what is before, then slow at one byte a second, until it cannot.
func trickle(c net.Conn, slow string, before ...string) {
	for _, b := range before {
		io.WriteString(c, b)
	}
	for i := range len(slow) {
		if _, err := c.Write([]byte{slow[i]}); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// Row Q11: requests for what does not exist leave nothing behind, in memory or in metrics.
func TestFault_Q11_AbsentStreams(t *testing.T) {
	s := newStudio(t, low)
	reg := metrics.New()
	h, err := New(Options{Catalog: s.catalog, Metrics: reg})
	if err != nil {
		t.Fatal(err)
	}
	s.Handler = h
	s.get("master.m3u8")
	scrape := func() int {
		w := httptest.NewRecorder()
		reg.Handler().ServeHTTP(w, request("GET", "/metrics"))
		return strings.Count(w.Body.String(), "headrace_delivery_")
	}
	series, base := scrape(), inUse()
	for n := range 100_000 {
		path := []string{"/live/x%d/master.m3u8", "/live/show/one/v%d/media.m3u8", "/live/x%d/v1/1.m4s"}[n%3]
		w := &sink{header: http.Header{}}
		h.ServeHTTP(w, request("GET", fmt.Sprintf(path, n)))
	}
	if got := scrape(); got != series {
		t.Errorf("%d series, %d before", got, series)
	}
	if len(h.streams) != 1 {
		t.Errorf("state of %d streams", len(h.streams))
	}
	if grown := inUse() - base; grown > 4<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	w := s.do(request("GET", "/live/none/master.m3u8"))
	wantCode(t, "absent stream", w, 404)
	wantHeader(t, "absent stream", w, "Cache-Control", "public, max-age=1")
}

// The state of streams that have gone goes when another comes.
func TestViewsOfGoneStreamsGo(t *testing.T) {
	s := newStudio(t, low)
	for n := range 100 {
		stream := &presentation.Stream{Name: fmt.Sprint("s", n), Cadence: low}
		p := presentationtest.New(presentationtest.Options{})
		onePart(p)
		p.Attach(stream)
		s.catalog.Put(stream)
		wantCode(t, stream.Name, s.do(request("GET", "/live/"+stream.Name+"/v1/media.m3u8")), 200)
		s.catalog.Remove(stream)
	}
	if n := len(s.streams); n > 2 {
		t.Errorf("state of %d streams", n)
	}
}

func TestMetrics(t *testing.T) {
	s := newStudio(t, low)
	reg := metrics.New()
	s.Handler, _ = New(Options{Catalog: s.catalog, Metrics: reg})
	s.get("v1/p-100.m4s")
	s.get("v1/p-100.m4s", "Range", "bytes=0-9")
	s.get("v1/p-1.m4s")
	s.get("nothing")
	w := httptest.NewRecorder()
	reg.Handler().ServeHTTP(w, request("GET", "/metrics"))
	for _, want := range []string{
		`headrace_delivery_requests_total{code="200",kind="part"} 1`, `headrace_delivery_requests_total{code="206",kind="part"} 1`,
		`headrace_delivery_requests_total{code="404",kind="part"} 1`, `headrace_delivery_requests_total{code="404",kind="other"} 1`,
		"headrace_delivery_waiting_requests 0", "headrace_delivery_held_seconds_count 0",
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}

// HTTP/2: many streams of one connection wait and are released.
func TestHTTP2(t *testing.T) {
	s := newStudio(t, low)
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if res, err := server.Client().Get(server.URL + "/live/show/one/v1/p-100.m4s"); err != nil { // sets up the one connection
		t.Fatal(err)
	} else {
		res.Body.Close()
	}
	var wg sync.WaitGroup
	for n := range 50 {
		path := []string{"v1/p-130.m4s", "v1/media.m3u8?_HLS_msn=13&_HLS_part=0"}[n%2]
		wg.Go(func() {
			r, _ := http.NewRequestWithContext(ctx, "GET", server.URL+"/live/show/one/"+path, nil)
			res, err := server.Client().Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil || res.ProtoMajor != 2 || res.StatusCode != 200 || len(b) < 1000 {
				t.Errorf("%s: HTTP/%d, %d, %d bytes, %v", path, res.ProtoMajor, res.StatusCode, len(b), err)
			}
		})
	}
	for s.Waiting("show/one") < 50 && ctx.Err() == nil {
		runtime.Gosched()
	}
	onePart(s.v)
	wg.Wait()
}
