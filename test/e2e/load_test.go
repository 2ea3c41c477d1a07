package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
)

// The tests in this file measure: they run alone, before those that run at once.

// settled waits until a metric is back to what it was, give or take slack.
func (s *server) settled(t *testing.T, name string, want, slack float64) {
	t.Helper()
	eventually(t, 20*time.Second, name+" back to where it was", func() error {
		if got := s.mustMetric(t, name); got > want+slack {
			return fmt.Errorf("%v, was %v", got, want)
		}
		return nil
	})
}

// TestFault_Q12_AbortedSessionsLeaveNothing breaks off 300 RTMP sessions, each at
// another point, and counts goroutines before and after.
func TestFault_Q12_AbortedSessionsLeaveNothing(t *testing.T) {
	s := start(t, quick)
	tags := readFLV(t, avClip(t, "6"))
	abort := func(i int) error {
		switch at := i % 6; {
		case at < 2: // in the handshake
			c, err := net.Dial("tcp", s.rtmp)
			if err != nil {
				return err
			}
			if _, err := c.Write(slices.Concat([]byte{3}, make([]byte, []int{10, 1536}[at]))); err != nil {
				return err
			}
			return c.Close()
		case at == 2: // another protocol
			c, err := net.Dial("tcp", s.rtmp)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = fmt.Fprintf(c, "GET / HTTP/1.1\r\n\r\n")
			return err
		case at == 3 && i < 12: // refused; one address may not try many keys
			c, err := dial(context.Background(), s.pull(fmt.Sprintf("leak%d", i))+"?key=wrong")
			if err == nil {
				c.close()
				return fmt.Errorf("let in with a wrong key")
			}
			return nil
		default: // after publish, with more or less media
			c, err := dial(context.Background(), s.push(fmt.Sprintf("leak%d", at)))
			if err != nil {
				return err
			}
			defer c.close()
			for _, g := range tags[:(at-3)*60] {
				if err := c.write(g); err != nil {
					return err
				}
			}
			return nil
		}
	}
	// A first dozen, so that what is made once is there.
	for i := range 12 {
		if err := abort(i); err != nil {
			t.Fatal(err)
		}
	}
	s.settledStreams(t)
	s.client.CloseIdleConnections()
	before := s.mustMetric(t, "go_goroutines")
	begin := time.Now()
	for i := range 300 {
		if err := abort(i); err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
	}
	t.Logf("300 sessions in %v", time.Since(begin).Round(time.Millisecond))
	s.settledStreams(t)
	s.client.CloseIdleConnections()
	s.settled(t, "go_goroutines", before, 3)
}

// settledStreams waits until no session and no stream is left.
func (s *server) settledStreams(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, "no stream left", func() error {
		var got struct{ Streams []struct{ Name string } }
		s.api(t, "/api/v1/streams", &got)
		if len(got.Streams) > 0 {
			return fmt.Errorf("%d streams", len(got.Streams))
		}
		return nil
	})
}

// TestFault_Q11_UnknownChannels asks 20,000 times for streams that do not exist: no
// state and no metric label is left of any name.
func TestFault_Q11_UnknownChannels(t *testing.T) {
	s := start(t, quick)
	ask := func(from, to int) {
		var wg sync.WaitGroup
		for w := range 16 {
			wg.Go(func() {
				for i := from + w; i < to; i += 16 {
					if err := s.expect(fmt.Sprintf("/live/ghost-%d/master.m3u8", i), http.StatusNotFound); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	ask(0, 2000)
	before := s.rss(t)
	ask(2000, 20_000)
	if grown := s.rss(t) - before; grown > 16<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	if text := string(s.mustGet(t, "/metrics")); strings.Contains(text, "ghost") {
		t.Error("/metrics names streams that do not exist")
	}
}

// TestFault_H2_WaitersAreReleased lets 500 players wait for one part. All have the
// same answer at once, and 500 more that go away while waiting leave nothing.
func TestFault_H2_WaitersAreReleased(t *testing.T) {
	s := start(t, map[string]string{"ingest.hold": "2s"})
	pushFFmpeg(t, avClip(t, "22"), s.push("herd"))
	s.waitLive(t, "herd", 2)
	track := s.trackOf(t, "herd", "video")
	s.client.Transport.(*http.Transport).MaxIdleConnsPerHost = 600
	before := s.mustMetric(t, "go_goroutines")

	pl, err := s.playlist("herd", track)
	if err != nil {
		t.Fatal(err)
	}
	// Two segments ahead at most: far enough to be there before it is, near enough not to be refused.
	want := s.media("herd", track) + fmt.Sprintf("?_HLS_msn=%d", pl.last()+2)
	type answer struct {
		at   time.Time
		body string
		err  error
	}
	answers := make(chan answer, 500)
	gone, leave := context.WithCancel(t.Context())
	defer leave()
	var left sync.WaitGroup
	for range 500 {
		go func() {
			_, body, err := s.get(want)
			answers <- answer{time.Now(), string(body), err}
		}()
		left.Go(func() { // one that will not wait
			req, _ := http.NewRequestWithContext(gone, http.MethodGet, want, nil)
			if res, err := s.client.Do(req); err == nil {
				res.Body.Close()
			}
		})
	}
	eventually(t, 5*time.Second, "1000 waiting", func() error {
		if n := s.mustMetric(t, "go_goroutines"); n < before+900 {
			return fmt.Errorf("%v goroutines, were %v", n, before)
		}
		return nil
	})
	leave()
	left.Wait()
	var times []time.Time
	first := ""
	for range 500 {
		a := <-answers
		if a.err != nil {
			t.Fatal(a.err)
		}
		if first == "" {
			first = a.body
		}
		if a.body != first {
			t.Error("two waiters of one part have different lists")
		}
		times = append(times, a.at)
	}
	slices.SortFunc(times, time.Time.Compare)
	spread := times[len(times)-1].Sub(times[0])
	t.Logf("500 waiters released within %v", spread)
	// The row says 100 ms; the 500 clients read their answers on the same cores.
	if spread > 250*time.Millisecond {
		t.Errorf("from the first answer to the last: %v", spread)
	}
	s.client.CloseIdleConnections()
	s.settled(t, "go_goroutines", before, 20)
}

// TestFault_Q1Q2_SlowReaders: 100 viewers that read a kilobyte a second over HTTP, 100
// that have stopped reading RTMP. Memory stays bounded and a live follower is not
// disturbed.
func TestFault_Q1Q2_SlowReaders(t *testing.T) {
	s := start(t, map[string]string{"ingest.hold": "2s"})
	file := makeClip(t, "heavy", encode("30", "testsrc2=s=320x180:r=30,noise=alls=60:allf=t", sound, append(x264, "-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M")...)...)
	pushFFmpeg(t, file, s.push("slow"))
	s.waitLive(t, "slow", 2)
	track := s.trackOf(t, "slow", "video")
	alone := newFollower(s, "slow", track)
	stop := follow(t, alone)
	pl, err := s.playlist("slow", track)
	if err != nil {
		t.Fatal(err)
	}
	before := s.rss(t)

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var read atomic.Int64
	for range 100 {
		wg.Go(func() { read.Add(dripHTTP(ctx, t, s, "/live/slow/"+track+"/"+pl.segments[0].uri)) })
		wg.Go(func() { stallRTMP(ctx, t, s, "slow") })
	}
	pause(ctx, 15*time.Second)
	grown := s.rss(t) - before
	cancel()
	wg.Wait()
	f := stop()
	f.check(t)
	t.Logf("memory grew by %d MiB; %d bytes were read slowly; the follower waited %v at most", grown>>20, read.Load(), f.longest.Round(time.Millisecond))
	// 256 KiB for each, and what 15 s of a 4 Mb/s stream add to the log and to the list.
	if limit := 200*256<<10 + 64<<20; grown > limit {
		t.Errorf("memory grew by %d MiB, want %d at most", grown>>20, limit>>20)
	}
	if f.longest > 1500*time.Millisecond {
		t.Errorf("the live follower waited %v for a part of 0.5 s", f.longest)
	}
}

// dripHTTP asks for a path and reads a kilobyte a second, with the smallest window
// that the system gives. It returns how much it read.
func dripHTTP(ctx context.Context, t *testing.T, s *server, path string) int64 {
	d := net.Dialer{}
	c, err := d.DialContext(ctx, "tcp", s.http)
	if err != nil {
		return 0
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Error(err)
	}
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, s.http)
	var n int64
	for ctx.Err() == nil {
		k, err := io.CopyN(io.Discard, c, 1024)
		n += k
		if err != nil {
			break
		}
		pause(ctx, time.Second)
	}
	return n
}

// stallRTMP plays a stream and reads nothing of it.
func stallRTMP(ctx context.Context, t *testing.T, s *server, stream string) {
	c := &gortmplib.Client{URL: &url.URL{Scheme: "rtmp", Host: s.rtmp, Path: "/live", Fragment: stream}, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(4096)
		}
		return conn, err
	}}
	dialCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := c.Initialize(dialCtx); err != nil {
		if ctx.Err() == nil {
			t.Errorf("play: %v", err)
		}
		return
	}
	<-ctx.Done()
	c.Close()
}

// TestFault_Q3_Slowloris: headers that come a byte at a time are not waited for, and
// viewers do not notice.
func TestFault_Q3_Slowloris(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	pushFFmpeg(t, avClip(t, "22"), s.push("loris"))
	s.waitLive(t, "loris", 1)
	stop := s.followAll(t, "loris")
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			c, err := net.Dial("tcp", s.http)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			begin := time.Now()
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				_, _ = bufio.NewReader(c).ReadString(0)
			}()
			for _, b := range []byte("GET /live/loris/master.m3u8 HTTP/1.1\r\nHost: x\r\n") {
				if _, err := c.Write([]byte{b}); err != nil {
					break
				}
				select {
				case <-closed:
					if d := time.Since(begin); d > 8*time.Second {
						t.Errorf("closed after %v, want about 5 s", d)
					}
					return
				case <-time.After(time.Second):
				}
				if time.Since(begin) > 12*time.Second {
					t.Error("still open after 12 s of dripping headers")
					return
				}
			}
		})
	}
	wg.Wait()
	for kind, f := range stop().tracks {
		if f.longest > 1500*time.Millisecond {
			t.Errorf("the follower of %s waited %v", kind, f.longest)
		}
	}
}
