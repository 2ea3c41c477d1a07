package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/internal/presentation/presentationtest"
)

func TestObjectHeaders(t *testing.T) {
	s := newStudio(t, low)
	for _, c := range []struct {
		path, contentType string
		size              int
	}{
		{"v1/p-100.m4s", "video/iso.segment", 1000},
		{"v1/10.m4s", "video/iso.segment", 10_000},
		{"v1/init-00000001.mp4", "video/mp4", len("ftyp moov v1 1")},
		{"a1/p-100.m4s", "audio/mp4", 1000},
		{"a1/init-00000001.mp4", "audio/mp4", len("ftyp moov a1 1")},
	} {
		w := s.get(c.path)
		wantCode(t, c.path, w, 200)
		wantHeader(t, c.path, w, "Content-Type", c.contentType)
		wantHeader(t, c.path, w, "Content-Length", fmt.Sprint(c.size))
		wantHeader(t, c.path, w, "Cache-Control", "public, max-age=31536000, immutable")
		wantHeader(t, c.path, w, "Accept-Ranges", "bytes")
		wantHeader(t, c.path, w, "Access-Control-Allow-Origin", "*")
		if w.Body.Len() != c.size {
			t.Errorf("%s: %d bytes, want %d", c.path, w.Body.Len(), c.size)
		}
		tag := w.Header().Get("ETag")
		if !strings.HasPrefix(tag, `"`) {
			t.Errorf("%s: no strong entity tag: %q", c.path, tag)
		}
		same := s.get(c.path, "If-None-Match", tag)
		wantCode(t, c.path+" again", same, http.StatusNotModified)
		head := s.do(request("HEAD", "/live/show/one/"+c.path))
		wantHeader(t, "HEAD "+c.path, head, "Content-Length", fmt.Sprint(c.size))
		if head.Body.Len() != 0 {
			t.Errorf("HEAD %s has a body", c.path)
		}
	}
}

func TestSegmentIsItsParts(t *testing.T) {
	s := newStudio(t, low)
	var parts []byte
	for n := 110; n < 120; n++ {
		parts = append(parts, s.get(fmt.Sprintf("v1/p-%d.m4s", n)).Body.Bytes()...)
	}
	if got := s.get("v1/11.m4s").Body.Bytes(); !bytes.Equal(got, parts) {
		t.Error("the segment is not its parts one after another")
	}
}

func TestHintedPartIsHeldUntilWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		w := s.begin(t.Context(), "v1/p-130.m4s")
		synctest.Wait()
		if !pending(w) {
			t.Fatalf("answered %d before the part was there", (<-w).Code)
		}
		onePart(s.v)
		got := <-w
		wantCode(t, "hinted part", got, 200)
		if got.Body.Len() != 1000 {
			t.Errorf("%d bytes", got.Body.Len())
		}

		w = s.begin(t.Context(), "v1/p-131.m4s")
		begun := time.Now()
		got = <-w
		wantCode(t, "part that does not come", got, 503)
		if d := time.Since(begun); d != 3*low.TargetDuration {
			t.Errorf("held for %v", d)
		}

		w = s.begin(t.Context(), "v1/p-131.m4s")
		synctest.Wait()
		s.v.GapPart(s.v.Ticks(part))
		wantCode(t, "part that is missing", <-w, 404)

		w = s.begin(t.Context(), "v1/p-132.m4s")
		synctest.Wait()
		s.v.End()
		wantCode(t, "hint that is abandoned", <-w, 404)
		wantCode(t, "after the end", s.get("v1/p-132.m4s"), 404)
	})
}

// flushes records what had been sent at each flush.
type flushes struct {
	*httptest.ResponseRecorder
	mu    sync.Mutex
	sizes []int
}

func (f *flushes) Flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sizes = append(f.sizes, f.Body.Len())
}

func TestGrowingSegmentIsSentAsItGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		w := &flushes{ResponseRecorder: httptest.NewRecorder()}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.ServeHTTP(w, request("GET", "/live/show/one/v1/13.m4s")) // has not begun
		}()
		synctest.Wait()
		if len(w.sizes) != 0 {
			t.Fatal("something was sent before the segment began")
		}
		for n := range 3 {
			onePart(s.v)
			synctest.Wait()
			if got := w.sizes[len(w.sizes)-1]; got != (n+1)*1000 {
				t.Fatalf("%d bytes are sent after %d parts", got, n+1)
			}
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control %q", got)
		}
		if got := w.Header().Get("Content-Length"); got != "" {
			t.Errorf("Content-Length %q of a segment that grows", got)
		}
		s.v.Cut()
		<-done
		if got := s.get("v1/13.m4s").Body.Bytes(); !bytes.Equal(w.Body.Bytes(), got) {
			t.Error("what was sent is not the segment")
		}
	})
}

func TestGrowingSegmentThatStopsIsBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		onePart(s.v)
		defer func() {
			if r := recover(); r != http.ErrAbortHandler {
				t.Errorf("ended with %v: a client would take it for whole", r)
			}
		}()
		s.get("v1/13.m4s")
	})
}

func TestGapsAndAbsentObjects(t *testing.T) {
	s := newStudio(t, low)
	s.v.Gap(s.v.Ticks(part))
	for _, path := range []string{"v1/13.m4s", "v1/p-130.m4s", "v1/9.m4s", "v1/p-99.m4s", "v1/init-2.mp4", "v1/p-18446744073709551615.m4s", "x1/10.m4s"} {
		wantCode(t, path, s.get(path), 404)
	}
}

func TestKeptSegmentsCanBeFetched(t *testing.T) {
	s := newStudio(t, low)
	for range 9 {
		s.v.Segment(10, s.v.Ticks(part), 10)
	}
	if first := s.v.Track().Segments[0].MSN; first <= 10 {
		t.Fatalf("segment %d is still listed", first)
	}
	wantCode(t, "kept segment", s.get("v1/10.m4s"), 200)
	wantCode(t, "part of a kept segment", s.get("v1/p-100.m4s"), 200)
}

// Row H4: ranges.
func TestFault_H4_Ranges(t *testing.T) {
	s := newStudio(t, low)
	whole := s.get("v1/10.m4s").Body.Bytes()
	overlapping := "bytes=0-9" + strings.Repeat(",0-9", 999)
	for _, c := range []struct {
		name, header string
		code         int
		want         []byte // nil: not looked at
	}{
		{"one", "bytes=10-19", 206, whole[10:20]},
		{"over a part's edge", "bytes=990-1010", 206, whole[990:1011]},
		{"open", "bytes=9990-", 206, whole[9990:]},
		{"as for a growing part", "bytes=0-9007199254740991", 206, whole},
		{"suffix", "bytes=-5", 206, whole[9995:]},
		{"suffix 0", "bytes=-0", 200, whole},
		{"suffix 00 among others", "bytes=0-1, -00", 200, whole},
		{"beyond the end", "bytes=10000-", 416, nil},
		{"backwards", "bytes=20-10", 416, nil},
		{"junk", "bytes=a-b", 416, nil},
		{"overlapping x1000", overlapping, 200, whole},
		{"five", "bytes=0-0,2-2,4-4,6-6,8-8", 200, whole},
		{"four overlapping that sum up to more than all", "bytes=0-,0-,0-,0-", 200, whole},
		{"another unit", "items=0-1", 200, whole},
		{"2^64", "bytes=0-18446744073709551616", 416, nil},
	} {
		w := s.get("v1/10.m4s", "Range", c.header)
		wantCode(t, c.name, w, c.code)
		if c.want != nil && !bytes.Equal(w.Body.Bytes(), c.want) {
			t.Errorf("%s: %d bytes, want %d", c.name, w.Body.Len(), len(c.want))
		}
		if w.Code == 416 && strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: 416 may be cached for ever", c.name)
		}
	}
	four := s.get("v1/10.m4s", "Range", "bytes=0-0,998-1001,4-4,9999-")
	wantCode(t, "four", four, 206)
	_, params, err := mime.ParseMediaType(four.Header().Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for m := multipart.NewReader(four.Body, params["boundary"]); ; {
		p, err := m.NextPart()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(p)
		got = append(got, b...)
	}
	if want := append(append(append(append([]byte{}, whole[0]), whole[998:1002]...), whole[4]), whole[9999]); !bytes.Equal(got, want) {
		t.Errorf("four ranges: %v, want %v", got, want)
	}
	tag := s.get("v1/10.m4s").Header().Get("ETag")
	wantCode(t, "If-Range holds", s.get("v1/10.m4s", "Range", "bytes=0-1", "If-Range", tag), 206)
	wantCode(t, "If-Range does not hold", s.get("v1/10.m4s", "Range", "bytes=0-1", "If-Range", `"x"`), 200)
}

// Row H4: a range of a part that does not exist yet is held, and served to its end;
// of a segment that grows it is left out of account.
func TestFault_H4_RangeOfWhatGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		done := make(chan *httptest.ResponseRecorder, 2)
		for _, path := range []string{"v1/p-130.m4s", "v1/13.m4s"} {
			go func() { done <- s.get(path, "Range", "bytes=0-9007199254740991") }()
			synctest.Wait()
		}
		onePart(s.v)
		w := <-done
		wantCode(t, "part", w, 206)
		wantHeader(t, "part", w, "Content-Range", "bytes 0-999/1000")
		synctest.Wait()
		s.v.Cut()
		w = <-done
		wantCode(t, "segment", w, 200)
		if w.Body.Len() != 1000 {
			t.Errorf("%d bytes of the segment", w.Body.Len())
		}
	})
}

func TestMethods(t *testing.T) {
	s := newStudio(t, low)
	w := s.do(request("OPTIONS", "/live/show/one/v1/p-100.m4s", "Origin", "https://example.com", "Access-Control-Request-Headers", "range"))
	wantCode(t, "preflight", w, 204)
	wantHeader(t, "preflight", w, "Access-Control-Allow-Origin", "*")
	wantHeader(t, "preflight", w, "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	if !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Range") {
		t.Error("preflight does not allow Range")
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get"} {
		w := s.do(request(method, "/live/show/one/master.m3u8"))
		wantCode(t, method, w, 405)
		wantHeader(t, method, w, "Allow", "GET, HEAD, OPTIONS")
	}
	body := httptest.NewRequest("GET", "/live/show/one/master.m3u8", strings.NewReader("x"))
	wantCode(t, "a GET with a body", s.do(body), 400)
}

func TestHeldRequestEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		ctx, cancel := context.WithCancel(t.Context())
		w := s.begin(ctx, "v1/p-130.m4s")
		synctest.Wait()
		cancel()
		synctest.Wait()
		if pending(w) {
			t.Fatal("still held")
		}
		wantCode(t, "if the server ends", <-w, 503)
	})
}

func FuzzRange(f *testing.F) {
	for _, h := range []string{"bytes=0-1", "bytes=-0", "bytes=5-1", "bytes=0-,1-,2-,3-", "bytes=18446744073709551616-", "bytes= 1 - 2 ", "bytes=,,", "items=1"} {
		f.Add(h)
	}
	s := newStudio(f, presentationtest.Low)
	whole := s.get("v1/10.m4s").Body.Bytes()
	f.Fuzz(func(t *testing.T, header string) {
		w := s.get("v1/10.m4s", "Range", header)
		switch w.Code {
		case 200:
			if !bytes.Equal(w.Body.Bytes(), whole) {
				t.Errorf("%q: 200 without the whole", header)
			}
		case 206:
			if w.Body.Len() > len(whole)+maxRanges*512 {
				t.Errorf("%q: %d bytes of %d", header, w.Body.Len(), len(whole))
			}
		case 416:
		default:
			t.Errorf("%q: %d", header, w.Code)
		}
	})
}
