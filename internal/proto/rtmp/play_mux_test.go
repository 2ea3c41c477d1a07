package rtmp

import (
	"bufio"
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
)

// played returns what a player gets that begins with the oldest batch of a log.
func played(t *testing.T, log *live.Log[batch], multitrack bool) (got []string) {
	t.Helper()
	var b []byte
	for r, started := log.Oldest(), false; ; {
		e, err := r.Next(t.Context())
		if err != nil {
			break
		}
		if !started {
			if !e.Sync() {
				t.Fatal("the log does not begin where a player may")
			}
			b, started = append(b, e.intro.bytes(multitrack)...), true
		}
		for _, p := range e.parts(multitrack) {
			b = append(b, p...)
		}
	}
	in := newChunkReader(bufio.NewReader(bytes.NewReader(b)))
	in.chunkSize = ourChunkSize
	var tags []message
	for {
		m, err := in.next()
		if err != nil {
			return summary(tags)
		}
		tags = append(tags, m)
	}
}

// A muxScript feeds a muxer by hand.
type muxScript struct {
	*muxer
	stream *live.Stream
	t      *testing.T
}

func newMuxScript(t *testing.T) *muxScript {
	s := live.NewStream("a", time.Time{}, 1<<20)
	return &muxScript{newMuxer(s, live.NewLog[batch](1<<20), 0), s, t}
}

func (m *muxScript) track(id string, kind media.Kind) *live.Track {
	track, err := m.stream.AddTrack(id, kind)
	if err != nil {
		m.t.Fatal(err)
	}
	return track
}

func (m *muxScript) init(track *live.Track, init media.Init) {
	m.entry(live.TrackEntry{Track: track, Entry: newInit(init)})
}

func (m *muxScript) sample(track *live.Track, dts media.Ticks, sync bool) {
	m.entry(live.TrackEntry{Track: track, Entry: media.Entry{Sample: media.Sample{DTS: dts, PTS: dts, Sync: sync, Data: []byte("x")}}})
	m.cut()
}

func (m *muxScript) end(multitrack bool) []string {
	m.cut()
	m.log.Close(nil)
	return played(m.t, m.log, multitrack)
}

func TestMuxer(t *testing.T) {
	opus := media.Init{Codec: media.Opus, Config: []byte{0, 2, 1, 0x38, 0, 0, 0xBB, 0x80, 0, 0, 0}, SampleRate: 48000, Channels: 2}
	bad := media.Init{Codec: media.Opus, Config: []byte{0}, SampleRate: 48000}
	for _, c := range []struct {
		name       string
		multitrack bool
		script     func(m *muxScript)
		want       []string
	}{
		{"audio only: any frame is a start", false, func(m *muxScript) {
			a := m.track("a1", media.Audio)
			m.init(a, clipAudio)
			m.sample(a, 0, true)
			m.sample(a, 1024, true)
		}, []string{"onMetaData", "1000 aac 0 config", "1000 aac 0 frame", "1021 aac 0 frame"}},
		{"late audio is announced to those who play already", false, func(m *muxScript) {
			v := m.track("v1", media.Video)
			m.init(v, clipVideo)
			m.sample(v, 0, true)
			a := m.track("a1", media.Audio)
			m.init(a, clipAudio)
			m.sample(a, 480, true)
		}, []string{"onMetaData", "1000 h264 0 config key", "1000 h264 0 frame key", "onMetaData", "1000 aac 0 config", "1010 aac 0 frame"}},
		{"audio from before the first picture keeps its time", false, func(m *muxScript) {
			v, a := m.track("v1", media.Video), m.track("a1", media.Audio)
			m.init(v, clipVideo)
			m.init(a, clipAudio)
			m.sample(v, 90000, true)
			m.sample(a, 24000, true)
		}, []string{"onMetaData", "1000 h264 0 config key", "1000 aac 0 config", "1000 h264 0 frame key", "500 aac 0 frame"}},
		{"a repeated configuration says nothing new", false, func(m *muxScript) {
			v := m.track("v1", media.Video)
			m.init(v, clipVideo)
			m.sample(v, 0, true)
			m.init(v, clipVideo)
			m.sample(v, 3000, false)
		}, []string{"onMetaData", "1000 h264 0 config key", "1000 h264 0 frame key", "1033 h264 0 frame"}},
		{"a discontinuity needs no word", false, func(m *muxScript) {
			v := m.track("v1", media.Video)
			m.init(v, clipVideo)
			m.sample(v, 0, true)
			m.entry(live.TrackEntry{Track: v, Entry: media.Entry{Event: &media.Event{Kind: media.Discontinuity}}})
			m.sample(v, 9000, false)
		}, []string{"onMetaData", "1000 h264 0 config key", "1000 h264 0 frame key", "1100 h264 0 frame"}},
		{"a second track for players that take it", true, func(m *muxScript) {
			a, b := m.track("a1", media.Audio), m.track("a2", media.Audio)
			m.init(a, clipAudio)
			m.sample(a, 0, true)
			m.init(b, opus)
			m.sample(b, 0, true)
		}, []string{"onMetaData", "1000 aac 0 config", "1000 aac 0 frame", "1000 opus 1 config", "1000 opus 1 frame"}},
		{"a second track for players that do not", false, func(m *muxScript) {
			a, b := m.track("a1", media.Audio), m.track("a2", media.Audio)
			m.init(a, clipAudio)
			m.sample(a, 0, true)
			m.init(b, opus)
			m.sample(b, 0, true)
		}, []string{"onMetaData", "1000 aac 0 config", "1000 aac 0 frame"}},
		{"a track that cannot be written is left out", false, func(m *muxScript) {
			v, a := m.track("v1", media.Video), m.track("a1", media.Audio)
			m.init(a, bad)
			m.sample(a, 0, true)
			m.init(v, clipVideo)
			m.sample(v, 0, true)
		}, []string{"onMetaData", "1000 h264 0 config key", "1000 h264 0 frame key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMuxScript(t)
			c.script(m)
			if d := cmp.Diff(c.want, m.end(c.multitrack)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestMuxerMerges: the entries of the merge latency make one batch, except that a
// batch begins with each key frame.
func TestMuxerMerges(t *testing.T) {
	for _, c := range []struct {
		name    string
		latency time.Duration
		want    []uint64 // messages in each batch
	}{
		{"none", 0, []uint64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
		{"33 ms", 33 * time.Millisecond, []uint64{4, 4, 1, 1}},
		{"350 ms", 350 * time.Millisecond, []uint64{9, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := live.NewStream("a", time.Now(), 1<<20)
				track, err := s.AddTrack("v1", media.Video)
				if err != nil {
					t.Fatal(err)
				}
				track.Append(newInit(clipVideo))
				log := live.NewLog[batch](1 << 20)
				var wg sync.WaitGroup
				wg.Go(func() { newMuxer(s, log, c.latency).run(t.Context()) })
				for n := range 10 { // one each 10 ms, the first and the last a key frame
					track.Append(media.Entry{Sample: media.Sample{DTS: media.Ticks(n * 900), Sync: n == 0 || n == 9, Data: []byte("x")}})
					time.Sleep(10 * time.Millisecond)
				}
				s.End()
				wg.Wait()
				var got []uint64
				for r := log.Oldest(); ; {
					b, err := r.Next(context.Background())
					if err != nil {
						break
					}
					got = append(got, b.messages)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("batches (-want +got):\n%s", d)
				}
			})
		})
	}
}

// TestMuxerKeepsFiveSeconds: what is kept for players that are behind is bounded by
// time, from a key frame on.
func TestMuxerKeepsFiveSeconds(t *testing.T) {
	hub := &live.Hub{}
	c := newClip(t, hub, "a")
	log := live.NewLog[batch](maxFanoutBytes)
	for range 600 {
		c.frame(1)
	}
	m := newMuxer(c.Stream, log, 0)
	for _, e := range []media.Entry{newInit(clipVideo)} {
		m.entry(live.TrackEntry{Track: c.video, Entry: e})
	}
	for n := range 600 {
		m.entry(live.TrackEntry{Track: c.video, Entry: media.Entry{Sample: media.Sample{DTS: media.Ticks(n) * 3000, Sync: n%30 == 0, Data: []byte("x")}}})
		m.cut()
	}
	first, end := log.Bounds()
	if kept := end - first; kept < 150 || kept > 210 {
		t.Errorf("got %d pictures kept, want five to seven seconds of 30", kept)
	}
	if b, err := log.Oldest().Next(t.Context()); err != nil || !b.Sync() {
		t.Errorf("the oldest batch is no place to start: %v", err)
	}
}
