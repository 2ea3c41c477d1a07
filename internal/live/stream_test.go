package live

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/internal/media"
)

var (
	avc = media.Init{Codec: media.H264, Config: []byte{1}}
	aac = media.Init{Codec: media.AAC, Config: []byte{2}, SampleRate: 48000}
)

func newInit(i media.Init) media.Entry {
	return media.Entry{Event: &media.Event{Kind: media.NewInit, Init: &i}}
}

func sample(dts media.Ticks, sync bool) media.Entry {
	return media.Entry{Sample: media.Sample{DTS: dts, PTS: dts, Sync: sync, Data: make([]byte, 10)}}
}

func addTrack(t *testing.T, s *Stream, id string, init media.Init) *Track {
	t.Helper()
	tr, err := s.AddTrack(id, init.Kind())
	if err != nil {
		t.Fatal(err)
	}
	tr.Append(newInit(init))
	return tr
}

func TestMergedStartsAtNewestSyncWithConfiguration(t *testing.T) {
	s := NewStream("s", time.Time{}, 1000)
	v := addTrack(t, s, "v1", avc)
	a := addTrack(t, s, "a1", aac)
	for i := range 10 {
		v.Append(sample(media.Ticks(i), i%4 == 0))
		a.Append(sample(media.Ticks(100+i), true))
	}
	r := s.Merged(nil)
	var got []string
	for range 6 {
		e, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.Event != nil {
			got = append(got, e.Track.ID+" "+e.Event.Kind.String())
		} else {
			got = append(got, e.Track.ID+" "+string(rune('0'+e.Sample.DTS%100)))
		}
	}
	want := []string{"v1 init", "v1 8", "a1 init", "a1 8", "v1 9", "a1 9"}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestMergedTakesUpLateTracksAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStream("s", time.Time{}, 1000)
		v := addTrack(t, s, "v1", avc)
		v.Append(sample(0, true))
		r := s.Merged(nil)
		seen := make(chan string, 100)
		go func() {
			defer close(seen)
			for {
				e, err := r.Next(context.Background())
				if errors.Is(err, io.EOF) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				seen <- e.Track.ID
			}
		}()
		synctest.Wait()
		a := addTrack(t, s, "a1", aac)
		a.Append(sample(0, true))
		synctest.Wait()
		s.End()
		var got string
		for id := range seen {
			got += id + " "
		}
		if want := "v1 v1 a1 a1 "; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if _, err := s.AddTrack("a2", media.Audio); err == nil {
			t.Error("a track was added to an ended stream")
		}
	})
}

func TestMergedLagsAllTracksTogether(t *testing.T) {
	s := NewStream("s", time.Time{}, 100)
	v := addTrack(t, s, "v1", avc)
	a := addTrack(t, s, "a1", aac)
	r := s.Merged(nil)
	for i := range 100 {
		v.Append(sample(media.Ticks(i), i%5 == 0))
		a.Append(sample(media.Ticks(i), true))
	}
	_, err := r.Next(t.Context())
	for err == nil { // the configurations
		_, err = r.Next(t.Context())
	}
	if !errors.Is(err, ErrLagged) {
		t.Fatalf("err = %v, want ErrLagged", err)
	}
	var video, audio media.Ticks = -1, -1
	for video < 0 || audio < 0 {
		e, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.Event != nil {
			continue
		}
		if e.Track == v && video < 0 {
			if video = e.Sample.DTS; !e.Sample.Sync {
				t.Errorf("video goes on at %d, which is no sync sample", video)
			}
		} else if e.Track == a && audio < 0 {
			audio = e.Sample.DTS
		}
	}
	if video != 95 || audio != 95 {
		t.Errorf("goes on at video %d, audio %d; want 95 for both", video, audio)
	}
}

func TestMeterMeasuresGroups(t *testing.T) {
	s := NewStream("s", time.Time{}, 1000)
	v := addTrack(t, s, "v1", avc)
	for i := range 61 {
		v.Append(sample(media.Ticks(i*3000), i%30 == 0))
	}
	m := v.Meter()
	if m.GOP != time.Second || m.Rate != 30 || m.BitrateBPS != 30*10*8 || m.Samples != 61 {
		t.Errorf("meter = %+v", m)
	}
}

func TestLatestWakesEveryWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Latest[int]
		done := make(chan int)
		for range 50 {
			go func() {
				v, _ := l.Wait(t.Context(), func(v int) bool { return v >= 2 })
				done <- v
			}()
		}
		synctest.Wait()
		l.Set(1)
		synctest.Wait()
		l.Set(2)
		for range 50 {
			if v := <-done; v != 2 {
				t.Fatalf("got %d", v)
			}
		}
	})
}

func TestHubKeepsOneStreamAName(t *testing.T) {
	var h Hub
	a, b := NewStream("x", time.Time{}, 1), NewStream("x", time.Time{}, 1)
	if err := h.Add(a); err != nil {
		t.Fatal(err)
	}
	if err := h.Add(b); err == nil {
		t.Error("two streams of one name")
	}
	h.Remove(b) // not the one that is there
	if h.Stream("x") != a {
		t.Error("removing another stream of that name removed it")
	}
	h.Remove(a)
	if h.Stream("x") != nil || len(h.Streams()) != 0 {
		t.Error("the stream is still there")
	}
}
