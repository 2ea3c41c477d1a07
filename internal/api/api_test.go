package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
	"github.com/headrace/headrace/internal/session"
)

func get(t *testing.T, h http.Handler, path string, into any) int {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatalf("%s: %v: %s", path, err, w.Body)
		}
	}
	return w.Code
}

func TestStreamsShowTheirTracks(t *testing.T) {
	hub := &live.Hub{}
	s := live.NewStream("news/one", time.Unix(1, 0), 1<<20)
	s.SetCadence(media.Cadence{Segment: 2 * time.Second, Part: time.Second / 2, PartTarget: 525 * time.Millisecond, TargetDuration: 4 * time.Second})
	v, err := s.AddTrack("v1", media.Video)
	if err != nil {
		t.Fatal(err)
	}
	v.Append(media.Entry{Event: &media.Event{Kind: media.NewInit, Init: &media.Init{Codec: media.H264, CodecString: "avc1.64001f", Width: 1280, Height: 720}}})
	for i := range 61 {
		at := media.Ticks(i * 3000)
		v.Append(media.Entry{Sample: media.Sample{DTS: at, PTS: at, Sync: i%30 == 0, Data: make([]byte, 1000), Arrived: time.Now()}})
	}
	if err := hub.Add(s); err != nil {
		t.Fatal(err)
	}
	h := New(Options{Hub: hub, Catalog: &presentation.Catalog{}, Broker: session.NewBroker(session.Options{Hub: hub}), Waiting: func(string) int { return 7 }})

	var all struct{ Streams []Stream }
	if code := get(t, h, "/api/v1/streams", &all); code != http.StatusOK || len(all.Streams) != 1 {
		t.Fatalf("%d, %+v", code, all)
	}
	var one Stream
	if code := get(t, h, "/api/v1/streams/news/one", &one); code != http.StatusOK {
		t.Fatalf("code %d", code)
	}
	tr := one.Tracks[0]
	if one.Cadence.TargetDuration != 4 || tr.Codec != "avc1.64001f" || tr.BitrateBPS != 240_000 || tr.GOPSeconds != 1 || tr.Rate != 30 || tr.LatencySeconds != nil || one.Waiting != 7 {
		t.Errorf("%+v, track %+v", one.Cadence, tr)
	}
	for path, want := range map[string]int{"/api/v1/streams/none": 404, "/api/v1/streams/a..b": 400, "/api/v1/sessions": 200} {
		if code := get(t, h, path, nil); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("DELETE", "/api/v1/streams/news/one", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", w.Code)
	}
}
