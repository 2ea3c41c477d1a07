package delivery

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/presentation/presentationtest"
)

// BenchmarkRelease measures how long after a part is published the viewers that wait
// for it have their playlist, from the handler to the writer (no sockets).
func BenchmarkRelease(b *testing.B) {
	for _, viewers := range []int{1000, 4000} {
		b.Run(fmt.Sprint(viewers), func(b *testing.B) {
			s := newStudio(b, presentationtest.Low)
			times := make([]time.Duration, 0, b.N*viewers)
			for range b.N {
				b.StopTimer()
				if tr := s.v.Track(); len(tr.Segments[len(tr.Segments)-1].Parts) >= 10 {
					s.v.Cut()
				}
				path := fmt.Sprintf("/live/show/one/v1/media.m3u8?_HLS_msn=%d&_HLS_part=0", s.v.Track().NextMSN)
				if tr := s.v.Track(); !tr.HasSegment(tr.NextMSN - 1) {
					msn, parts, _ := tr.Last()
					path = fmt.Sprintf("/live/show/one/v1/media.m3u8?_HLS_msn=%d&_HLS_part=%d", msn, parts)
				}
				took := make([]time.Duration, viewers)
				var published atomic.Int64 // nanoseconds since begun
				begun := time.Now()
				var wg sync.WaitGroup
				for n := range viewers {
					wg.Go(func() {
						s.ServeHTTP(&sink{header: http.Header{}}, request("GET", path))
						took[n] = time.Since(begun) - time.Duration(published.Load())
					})
				}
				for s.Waiting("show/one") < viewers {
					time.Sleep(time.Millisecond)
				}
				b.StartTimer()
				published.Store(int64(time.Since(begun)))
				onePart(s.v)
				wg.Wait()
				times = append(times, took...)
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkObjects compares responses over loopback with net/http writing one shared
// slice; client and server share the machine, so that only the ratio says something.
func BenchmarkObjects(b *testing.B) {
	for _, size := range []int{4 << 10, 75_000, 750_000} {
		s := newStudio(b, presentationtest.Low)
		data := make([]byte, size)
		s.v.Part(s.v.Ticks(part), size)
		s.v.Cut()
		for range 10 {
			s.v.Part(s.v.Ticks(part), size/10)
		}
		s.v.Cut()
		plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "video/iso.segment")
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data)
		})
		for _, c := range []struct {
			name, path string
			handler    http.Handler
		}{
			{"shared-slice", "/live/show/one/v1/p-130.m4s", plain},
			{"part", "/live/show/one/v1/p-130.m4s", s},
			{"segment", "/live/show/one/v1/14.m4s", s},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, size), func(b *testing.B) { fetch(b, c.handler, c.path) })
		}
	}
}

// fetch gets path b.N times over four connections that stay open.
func fetch(b *testing.B, h http.Handler, path string) {
	server := httptest.NewServer(h)
	defer server.Close()
	b.ReportAllocs()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		wg.Go(func() {
			r := bufio.NewReaderSize(c, 64<<10)
			for next.Add(1) <= int64(b.N) {
				io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					b.Error(err)
					return
				}
				n, _ := io.Copy(io.Discard, res.Body)
				if n != res.ContentLength || res.StatusCode != 200 {
					b.Errorf("%d: %d of %d bytes", res.StatusCode, n, res.ContentLength)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}
