package delivery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/internal/manifest/hls/hlstest"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
	"github.com/headrace/headrace/internal/presentation/presentationtest"
)

var low = presentationtest.Low

// The rows of the blocking table (rfc8216bis, 6.2.5.2), one by one. The newest
// segment is 13 and has three parts; the limit is 15 parts.
func TestBlockingReload(t *testing.T) {
	const held = 0
	for _, c := range []struct {
		query string
		code  int
	}{
		{"", 200},
		{"_HLS_msn=13", held},
		{"_HLS_msn=12", 200},
		{"_HLS_msn=1", 200},
		{"_HLS_msn=13&_HLS_part=2", 200},
		{"_HLS_msn=13&_HLS_part=3", held},
		{"_HLS_part=3&_HLS_msn=13", held},
		{"_HLS_msn=13&_HLS_part=17", held},
		{"_HLS_msn=13&_HLS_part=18", 400},
		{"_HLS_msn=12&_HLS_part=1000", 200},
		{"_HLS_msn=14&_HLS_part=0", held},
		{"_HLS_msn=14&_HLS_part=14", held},
		{"_HLS_msn=14&_HLS_part=15", 400},
		{"_HLS_msn=14", held},
		{"_HLS_msn=15", held},
		{"_HLS_msn=16", 400},
		{"_HLS_part=1", 400},
		{"_HLS_msn=-1", 400},
		{"_HLS_msn=", 400},
		{"_HLS_msn=1x", 400},
		{"_HLS_msn=13&_HLS_msn=13", 400},
		{"_HLS_skip=YES", 200},
		{"_HLS_skip=v2", 200},
		{"_HLS_skip=maybe", 200},
		{"_HLS_push=1&x=%zz&_HLS_msn=12", 200},
		{"session=abc", 200},
	} {
		t.Run(c.query, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStudio(t, low)
				for range 3 {
					s.both(onePart)
				}
				begun := time.Now()
				w := s.begin(t.Context(), "v1/media.m3u8?"+c.query)
				synctest.Wait()
				if !pending(w) {
					if c.code == held {
						t.Fatalf("answered %d at once", (<-w).Code)
					}
					wantCode(t, c.query, <-w, c.code)
					return
				}
				if c.code != held {
					t.Fatalf("held, want %d", c.code)
				}
				if n := s.Waiting("show/one"); n != 1 {
					t.Errorf("%d requests wait, want 1", n)
				}
				got := <-w // nothing comes
				wantCode(t, c.query, got, http.StatusServiceUnavailable)
				wantHeader(t, c.query, got, "Retry-After", "1")
				wantHeader(t, c.query, got, "Cache-Control", "public, max-age=1")
				if d := time.Since(begun); d != 3*low.TargetDuration {
					t.Errorf("held for %v, want 3 target durations", d)
				}
				if n := s.Waiting("show/one"); n != 0 {
					t.Errorf("%d requests wait still", n)
				}
			})
		})
	}
}

func TestBlockedRequestIsAnsweredWhenItCan(t *testing.T) {
	for _, c := range []struct {
		name, query string
		steps       []func(p *presentationtest.Packager) // all but the last leave it held
		last        string                               // what the list ends with then
	}{
		{"part", "_HLS_msn=13&_HLS_part=1", []func(*presentationtest.Packager){onePart, onePart}, "p-131.m4s"},
		{"segment", "_HLS_msn=13", []func(*presentationtest.Packager){onePart, onePart, (*presentationtest.Packager).Cut}, "13.m4s"},
		{"part that the segment does not have is the next one's first", "_HLS_msn=13&_HLS_part=5",
			[]func(*presentationtest.Packager){onePart, (*presentationtest.Packager).Cut, onePart}, "p-131.m4s"},
		{"end", "_HLS_msn=13&_HLS_part=5", []func(*presentationtest.Packager){onePart, (*presentationtest.Packager).End}, "#EXT-X-ENDLIST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStudio(t, low)
				w := s.begin(t.Context(), "v1/media.m3u8?"+c.query)
				for _, step := range c.steps {
					synctest.Wait()
					if !pending(w) {
						t.Fatalf("answered too early: %s", (<-w).Body)
					}
					step(s.v)
				}
				got := <-w
				wantCode(t, c.name, got, 200)
				if !strings.Contains(got.Body.String(), c.last) {
					t.Errorf("no %q in\n%s", c.last, got.Body)
				}
			})
		})
	}
}

func TestEndedListIgnoresDirectives(t *testing.T) {
	s := newStudio(t, low)
	s.v.End()
	for _, q := range []string{"_HLS_msn=999", "_HLS_msn=13&_HLS_part=900", "_HLS_skip=YES"} {
		wantCode(t, q, s.get("v1/media.m3u8?"+q), 200)
	}
}

func TestPlainListBlocksOnSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cadence := low
		cadence.PartTarget = 0
		s := newStudio(t, cadence)
		onePart(s.v)
		w := s.begin(t.Context(), "v1/media.m3u8?_HLS_msn=13&_HLS_part=0")
		synctest.Wait()
		if !pending(w) {
			t.Fatal("answered with a segment that is not complete")
		}
		s.v.Cut()
		if got := <-w; !strings.HasSuffix(strings.Split(got.Body.String(), "#EXT-X-RENDITION-REPORT")[0], "\n13.m4s\n") {
			t.Errorf("the list does not end with segment 13:\n%s", got.Body)
		}
	})
}

func TestPlaylistHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		plain := s.get("v1/media.m3u8")
		for name, value := range map[string]string{
			"Content-Type":                  "application/vnd.apple.mpegurl",
			"Cache-Control":                 "public, max-age=1", // half a target duration
			"Vary":                          "Accept-Encoding",
			"Last-Modified":                 time.Now().UTC().Format(http.TimeFormat),
			"Access-Control-Allow-Origin":   "*",
			"Access-Control-Expose-Headers": "Age, Content-Length, Content-Range, Date",
			"X-Content-Type-Options":        "nosniff",
			"Content-Length":                fmt.Sprint(plain.Body.Len()),
			"Content-Encoding":              "",
			"Set-Cookie":                    "",
		} {
			wantHeader(t, "playlist", plain, name, value)
		}
		wantHeader(t, "blocking playlist", s.get("v1/media.m3u8?_HLS_msn=12"), "Cache-Control", "public, max-age=12")
		zipped := s.get("v1/media.m3u8", "Accept-Encoding", "br, gzip;q=0.5")
		wantHeader(t, "compressed playlist", zipped, "Content-Encoding", "gzip")
		wantHeader(t, "compressed playlist", zipped, "Vary", "Accept-Encoding")
		if got := gunzip(t, zipped.Body); got != plain.Body.String() {
			t.Errorf("compressed, the playlist is\n%s", got)
		}
		tag, zipTag := plain.Header().Get("ETag"), zipped.Header().Get("ETag")
		if tag == zipTag || tag == "" {
			t.Errorf("entity tags %s and %s", tag, zipTag)
		}
		same := s.get("v1/media.m3u8", "If-None-Match", `"x", W/`+tag)
		wantCode(t, "conditional", same, http.StatusNotModified)
		wantHeader(t, "conditional", same, "Vary", "Accept-Encoding")
		onePart(s.v)
		wantCode(t, "conditional after a change", s.get("v1/media.m3u8", "If-None-Match", tag), 200)

		head := s.do(request("HEAD", "/live/show/one/v1/media.m3u8"))
		if head.Body.Len() != 0 || head.Header().Get("Content-Length") == "" {
			t.Errorf("HEAD: body of %d bytes, Content-Length %q", head.Body.Len(), head.Header().Get("Content-Length"))
		}
	})
}

func TestPlaylistIsLegalAndDeltasApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		var prev []byte
		deltas := 0
		for n := range 100 {
			time.Sleep(part)
			s.both(onePart)
			if n%10 == 9 {
				s.both((*presentationtest.Packager).Cut)
			}
			full := s.get("v1/media.m3u8").Body.Bytes()
			delta := s.get("v1/media.m3u8?_HLS_skip=YES").Body.Bytes()
			for _, cur := range [][]byte{full, delta} {
				for _, err := range hlstest.Check(prev, cur) {
					if prev != nil {
						t.Errorf("%v\n%s", err, cur)
					}
				}
			}
			if len(delta) < len(full) {
				deltas++
			}
			prev = full
		}
		if deltas < 50 {
			t.Errorf("%d deltas", deltas)
		}
		if !strings.Contains(string(prev), `#EXT-X-RENDITION-REPORT:URI="../a1/media.m3u8",LAST-MSN=22,LAST-PART=9`) {
			t.Errorf("no report of a1 in\n%s", prev)
		}
	})
}

// Row H9: a playlist that has stopped growing is not served for ever.
func TestFault_H9_StalledPlaylistBecomes503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		wantCode(t, "fresh", s.get("v1/media.m3u8"), 200)
		time.Sleep(3 * low.TargetDuration)
		wantCode(t, "after 3 target durations", s.get("v1/media.m3u8"), 200)
		time.Sleep(time.Millisecond)
		stalled := s.get("v1/media.m3u8")
		wantCode(t, "stalled", stalled, http.StatusServiceUnavailable)
		wantHeader(t, "stalled", stalled, "Cache-Control", "public, max-age=1")
		// A viewer who is the first to ask does not get it either.
		other := newStudio(t, low)
		time.Sleep(3*low.TargetDuration + time.Millisecond)
		wantCode(t, "stalled before anybody asked", other.get("v1/media.m3u8"), http.StatusServiceUnavailable)
		// What comes next may be waited for.
		w := s.begin(t.Context(), "v1/media.m3u8?_HLS_msn=13&_HLS_part=0")
		synctest.Wait()
		if !pending(w) {
			t.Fatal("not held")
		}
		onePart(s.v)
		wantCode(t, "alive again", <-w, 200)
		wantCode(t, "alive again", s.get("v1/media.m3u8"), 200)
		// An ended stream is not stalled.
		s.v.End()
		time.Sleep(time.Minute)
		wantCode(t, "ended", s.get("v1/media.m3u8"), 200)
	})
}

// Row H9: an answer that something is not there, at the live edge, is not cached.
func TestFault_H9_AheadOfLiveIsNotCached(t *testing.T) {
	s := newStudio(t, low)
	for _, path := range []string{"v1/p-131.m4s", "v1/p-999.m4s", "v1/14.m4s"} {
		w := s.get(path)
		wantCode(t, path, w, 404)
		wantHeader(t, path, w, "Cache-Control", "no-store") // half a part is less than a second
	}
	for _, path := range []string{"v1/p-1.m4s", "v1/1.m4s", "v1/init-ff.mp4"} {
		w := s.get(path)
		wantCode(t, path, w, 404)
		wantHeader(t, path, w, "Cache-Control", "public, max-age=2")
	}
	wantHeader(t, "absent track", s.get("v2/media.m3u8"), "Cache-Control", "public, max-age=1")
}

// A clock that stamps arrivals far behind ours does not make a live stream look stalled.
func TestSkewedArrivalIsNotAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		p := presentationtest.New(presentationtest.Options{ID: "v2", Arrived: func() time.Time { return time.Now().Add(-time.Hour) }})
		onePart(p)
		p.Attach(s.stream)
		wantCode(t, "at first sight", s.get("v2/media.m3u8"), 503)
		for range 20 {
			time.Sleep(part)
			onePart(p)
			wantCode(t, "then", s.get("v2/media.m3u8"), 200)
		}
	})
}

func TestMultivariant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		w := s.get("master.m3u8", "Accept-Encoding", "gzip")
		wantCode(t, "multivariant", w, 200)
		wantHeader(t, "multivariant", w, "Cache-Control", "public, max-age=2")
		text := gunzip(t, w.Body)
		for _, err := range hlstest.Check(nil, []byte(text)) {
			t.Error(err)
		}
		for _, want := range []string{"\nv1/media.m3u8\n", `URI="a1/media.m3u8"`} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		onePart(s.v) // says nothing new
		wantCode(t, "unchanged", s.get("master.m3u8", "Accept-Encoding", "gzip", "If-None-Match", w.Header().Get("ETag")), http.StatusNotModified)

		late := presentationtest.New(presentationtest.Options{ID: "v2"})
		onePart(late)
		late.Attach(s.stream)
		held := s.begin(t.Context(), "master.m3u8")
		synctest.Wait()
		if !pending(held) {
			t.Fatal("answered while a track had no whole segment")
		}
		late.Cut()
		if got := <-held; !strings.Contains(got.Body.String(), "\nv2/media.m3u8\n") {
			t.Errorf("the late track is missing:\n%s", got.Body)
		}

		never := presentationtest.New(presentationtest.Options{ID: "v3"})
		never.Attach(s.stream)
		got := s.get("master.m3u8")
		wantCode(t, "a track that never comes", got, 200)
		if strings.Contains(got.Body.String(), "v3") {
			t.Error("a track without media is declared")
		}
	})
}

func TestStreamThatIsAboutToBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStudio(t, low)
		s.catalog.Put(&presentation.Stream{Name: "new", Cadence: low})
		w := s.do(request("GET", "/live/new/master.m3u8"))
		wantCode(t, "no renditions", w, 503)
		wantHeader(t, "no renditions", w, "Retry-After", "1")

		p := presentationtest.New(presentationtest.Options{ID: "v9"})
		p.Attach(s.stream)
		held := s.begin(t.Context(), "v9/media.m3u8")
		synctest.Wait()
		if !pending(held) {
			t.Fatal("an empty list was served")
		}
		onePart(p)
		wantCode(t, "first part", <-held, 200)
	})
}

// A stream that ends, and one that takes its name, do not mix.
func TestNameUsedAgain(t *testing.T) {
	s := newStudio(t, low)
	old := s.get("v1/media.m3u8").Body.String()
	next := &presentation.Stream{Name: "show/one", Cadence: low}
	p := presentationtest.New(presentationtest.Options{Init: presentationtest.AVC, FirstMSN: 50})
	p.Segment(10, p.Ticks(part), 10)
	p.Attach(next)
	s.catalog.Put(next)
	if got := s.get("v1/media.m3u8").Body.String(); got == old || !strings.Contains(got, "50.m4s") {
		t.Errorf("the new stream's list is\n%s", got)
	}
	s.catalog.Remove(next)
	wantCode(t, "gone", s.get("v1/media.m3u8"), 404)
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip": true, "*": true, "identity": false, "gzip;q=0": false,
		"gzip; q=0.000": false, "gzip;q=0.1": true, "*;q=0": false, "gzip;q=0, *": false, "br;q=1.0, x-gzip ; q=1": true, "xgzip": false,
	} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestAdvancePartLimit(t *testing.T) {
	for target, want := range map[time.Duration]uint64{time.Second: 3, 2 * time.Second: 3, 640 * time.Millisecond: 4, part: 15} {
		if got := advancePartLimit(target); got != want {
			t.Errorf("%v: %d parts, want %d", target, got, want)
		}
	}
}

var _ http.Handler = (*Handler)(nil)

func FuzzPlaylistQuery(f *testing.F) {
	for _, q := range []string{"", "_HLS_msn=13&_HLS_part=1&_HLS_skip=YES", "_HLS_msn=18446744073709551615", "_HLS_msn=18446744073709551616", "_HLS_part=5",
		"_HLS_msn=+1", "_HLS_msn=9223372036854775818", "&&=&_HLS_msn", "_HLS_skip=v2;x", "%5FHLS_msn=1", "_HLS_msn=14&_HLS_part=18446744073709551615"} {
		f.Add(q)
	}
	s := newStudio(f, media.Cadence{Segment: 2 * time.Second, Part: part, PartTarget: part, TargetDuration: time.Hour}) // never stalled
	onePart(s.v)
	f.Fuzz(func(t *testing.T, query string) {
		q, err := parseReload(query)
		tr := s.v.Track()
		if err != nil || !q.reachable(tr) || q.met(tr) {
			r := httptest.NewRequest("GET", "/live/show/one/v1/media.m3u8", nil)
			r.URL.RawQuery = query
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if want := map[bool]int{true: 200, false: 400}[err == nil && q.reachable(tr)]; w.Code != want {
				t.Errorf("%q: %d, want %d", query, w.Code, want)
			}
			return
		}
		// It would be held: then soon there is an answer, at the latest with the third segment from here.
		for range 3 {
			if q.met(tr) {
				return
			}
			tr = advance(tr)
		}
		if !q.met(tr) {
			t.Errorf("%q would be held for what does not come", query)
		}
	})
}

// advance returns t with its newest segment complete and the first part of another.
func advance(t *presentation.Track) *presentation.Track {
	next := *t
	last := *t.Segments[len(t.Segments)-1]
	last.Complete = true
	s := &presentation.Segment{MSN: t.NextMSN, Init: last.Init, Parts: []*presentation.Part{{Number: t.NextPart}}}
	next.Segments = append(append([]*presentation.Segment(nil), t.Segments[:len(t.Segments)-1]...), &last, s)
	next.NextMSN++
	next.NextPart++
	return &next
}
