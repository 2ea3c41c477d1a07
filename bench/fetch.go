package main

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// fetchWorker asks for Targets in turn over Count connections, each as fast as the
// server answers, for as long as it may.
func fetchWorker(j job, w *worker) (findings, error) {
	var requests, bytes, errors atomic.Int64
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range j.Count {
		c, err := dialHTTP(j.HTTP, j.Gzip)
		if err != nil {
			return findings{}, err
		}
		wg.Go(func() {
			defer c.close()
			for i := 0; ; i++ {
				select {
				case <-w.stop:
					return
				default:
				}
				r, err := c.get(j.Targets[i%len(j.Targets)], false)
				if err != nil {
					failed.Store(&err)
					return
				}
				if r.status != http.StatusOK {
					errors.Add(1)
				}
				requests.Add(1)
				bytes.Add(int64(r.size))
			}
		})
	}
	begun := time.Now()
	w.underWay("")
	wg.Wait()
	f := findings{Seconds: time.Since(begun).Seconds(), Requests: requests.Load(), Bytes: bytes.Load(), Errors: int(errors.Load())}
	if err := failed.Load(); err != nil {
		return f, *err
	}
	return f, nil
}

// serveWorker is the limit to compare with: a plain net/http server that answers
// /0, /1... with Bodies from memory. It says its address when it is under way.
func serveWorker(j job, w *worker) (findings, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return findings{}, err
	}
	s := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil || n < 0 || n >= len(j.Bodies) {
			http.NotFound(rw, r)
			return
		}
		h := rw.Header()
		h["Content-Type"] = []string{"video/mp4"}
		h["Content-Length"] = []string{strconv.Itoa(len(j.Bodies[n]))}
		_, _ = rw.Write(j.Bodies[n])
	})}
	w.underWay(l.Addr().String())
	go func() {
		<-w.stop
		s.Close()
	}()
	if err := s.Serve(l); err != http.ErrServerClosed {
		return findings{}, fmt.Errorf("serve: %w", err)
	}
	return findings{}, nil
}
