package delivery

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// writeTimeout is how long one write may take: a client that takes less than
	// writeSize in that time is let go (faults Q1, Q2).
	writeTimeout = 10 * time.Second

	// writeSize is the most bytes written under one deadline.
	writeSize = 256 << 10
)

// An answer is the response to one request on its way: it gives every write its
// deadline and counts. One goroutine uses it.
type answer struct {
	h       *Handler
	w       http.ResponseWriter
	r       *http.Request
	control http.ResponseController
	kind    kind
	code    int   // 0: not begun
	fresh   bool  // the deadline was set a moment ago
	bytes   int64 // of the body
}

func newAnswer(h *Handler, w http.ResponseWriter, r *http.Request) *answer {
	return &answer{h: h, w: w, r: r, control: *http.NewResponseController(w)}
}

// Header, WriteHeader and Write make an answer an http.ResponseWriter.
func (a *answer) Header() http.Header { return a.w.Header() }

func (a *answer) WriteHeader(code int) {
	if a.code != 0 {
		return
	}
	a.code = code
	a.deadline(writeTimeout)
	a.fresh = true
	a.w.WriteHeader(code)
}

func (a *answer) Write(b []byte) (n int, err error) {
	a.WriteHeader(http.StatusOK)
	for len(b) > 0 && err == nil {
		var m int
		if !a.fresh {
			a.deadline(writeTimeout)
		}
		a.fresh = false
		m, err = a.w.Write(b[:min(len(b), writeSize)])
		b = b[m:]
		n += m
	}
	a.bytes += int64(n)
	return n, err
}

// deadline sets when the next write must be done, or with 0 that it need not.
func (a *answer) deadline(d time.Duration) {
	var at time.Time
	if d > 0 {
		at = time.Now().Add(d)
	}
	if err := a.control.SetWriteDeadline(at); err != nil && !errors.Is(err, http.ErrNotSupported) {
		a.h.log.Debug("set write deadline", "err", err)
	}
}

func (a *answer) flush() {
	a.deadline(writeTimeout)
	a.fresh = false
	_ = a.control.Flush() // the next write tells
}

// body sends a whole body of known length, straight from the slices.
func (a *answer) body(parts [][]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	a.w.Header().Set("Content-Length", strconv.Itoa(size))
	a.WriteHeader(http.StatusOK)
	if a.r.Method == http.MethodHead {
		return
	}
	for _, p := range parts {
		if _, err := a.Write(p); err != nil {
			return // the server closes the connection: the body is short
		}
	}
}

// fail answers with an error that may be remembered for ttl. The text is ours:
// nothing of the request is in it (fault H5).
func (a *answer) fail(code int, text string, ttl time.Duration) {
	header := a.w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", maxAge(ttl))
	header.Set("Content-Length", strconv.Itoa(len(text)+1))
	a.WriteHeader(code)
	if a.r.Method != http.MethodHead {
		_, _ = a.Write([]byte(text + "\n"))
	}
}

// finish ends the answer. In HTTP/1 a deadline outlives the response and would hit
// the next one on the connection: what is buffered goes out under it, then it is
// lifted. In HTTP/2 it is the stream's own, which ends here.
func (a *answer) finish() {
	if a.r.ProtoMajor == 1 && a.code != 0 {
		_ = a.control.Flush()
		a.deadline(0)
	}
	a.h.m.count(a.kind, a.code, a.bytes)
}

// reader reads slices as one sequence, for ranges.
type reader struct {
	parts [][]byte
	size  int64
	at    int64
}

func newReader(parts [][]byte) *reader {
	r := &reader{parts: parts}
	for _, p := range parts {
		r.size += int64(len(p))
	}
	return r
}

func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	r.at = offset
	return offset, nil
}

func (r *reader) Read(b []byte) (int, error) {
	at := r.at
	for _, p := range r.parts {
		if at < int64(len(p)) {
			n := copy(b, p[at:])
			r.at += int64(n)
			return n, nil
		}
		at -= int64(len(p))
	}
	return 0, io.EOF
}
