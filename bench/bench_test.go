package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFeedKnowsWhereLaterPartsWillBe(t *testing.T) {
	text := `#EXTM3U
#EXT-X-MEDIA-SEQUENCE:41
#EXTINF:1.00000,
41.m4s
#EXT-X-PART:DURATION=0.50000,URI="p-100.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.50000,URI="p-101.m4s"
#EXTINF:1.00000,
42.m4s
#EXT-X-PART:DURATION=0.50000,URI="p-102.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p-103.m4s"
`
	f, err := parseFeed("/live/s/v1/", text)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[uint64]string{
		103: "/live/s/v1/media.m3u8?_HLS_msn=43&_HLS_part=1",
		104: "/live/s/v1/media.m3u8?_HLS_msn=44&_HLS_part=0",
		109: "/live/s/v1/media.m3u8?_HLS_msn=46&_HLS_part=1",
	} {
		if got := f.playlist(n); got != want {
			t.Errorf("the playlist that lists part %d: got %s, want %s", n, got, want)
		}
	}
	if got, want := f.part(f.next), "/live/s/v1/p-103.m4s"; got != want {
		t.Errorf("the hinted part: got %s, want %s", got, want)
	}
	if _, err := parseFeed("/", "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:1\n"); err == nil {
		t.Error("a playlist without segments was taken for a feed")
	}
}

func TestClientReadsAndDiscardsBodies(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 300_000) // beyond what fits the socket's buffers
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/body" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}))
	defer s.Close()
	c, err := dialHTTP(strings.TrimPrefix(s.URL, "http://"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for i, keep := range []bool{true, false, true} { // on one connection: a byte too few or many shows
		r, err := c.get("/body", keep)
		if err != nil || r.status != http.StatusOK || r.size != len(body) {
			t.Fatalf("request %d: got status %d, %d bytes, %v; want 200, %d, nil", i, r.status, r.size, err, len(body))
		}
		if keep && !bytes.Equal(r.body, body) {
			t.Errorf("request %d: the body is not the one sent", i)
		}
	}
	if r, err := c.get("/other", false); err != nil || r.status != http.StatusNotFound {
		t.Errorf("got status %d, %v; want 404, nil", r.status, err)
	}
}

func TestPercentile(t *testing.T) {
	ds := []time.Duration{5, 1, 4, 2, 3}
	for p, want := range map[float64]time.Duration{0: 1, 0.5: 3, 1: 5} {
		if got := percentile(ds, p); got != want {
			t.Errorf("percentile(%v) = %d, want %d", p, got, want)
		}
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("percentile of nothing = %d, want 0", got)
	}
}
