package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// ingestWindow is the segment.window of this section: short, so that the windows of
	// all streams are full within the time of a run.
	ingestWindow = 12 * time.Second

	// keptMedia is how much media of a stream the server must hold then: the list and
	// the segment that grows, 1 s each above the window on average, and what has left
	// the list, for as long as the list and the segment itself last (rfc8216bis, 6.2.2).
	keptMedia = (ingestWindow + 2*time.Second) + (ingestWindow + 3*time.Second)
)

// measureIngest measures what publishers cost with nobody watching.
func measureIngest(ctx context.Context, r *rig) (table, error) {
	length := pick(r, 15*time.Second, 8*time.Second)
	t := table{title: "Ingest and packaging", note: fmt.Sprintf(
		"Publishers of the clip over RTMP, packaged as LL-HLS (2 s segments, 500 ms parts, a window of %v), nobody watching. CPU over %v after a warm-up. "+
			"Memory is resident memory less that of the idle server, beside the media that players may fetch: the window, and what has left it a while ago.", ingestWindow, length)}
	s, err := r.start(ctx, "segment.window="+ingestWindow.String())
	if err != nil {
		return t, err
	}
	defer s.stop()
	if err := pause(ctx, time.Second); err != nil {
		return t, err
	}
	idle, err := s.rss()
	if err != nil {
		return t, err
	}
	t.tell("idle server, memory", "%.1f MB", float64(idle)/mega)
	streams := 0
	for _, n := range pick(r, []int{1, 10, 50, 100}, []int{10}) {
		l, err := r.load(ctx, job{Kind: "publish", RTMP: s.rtmp, Stream: "bench", First: streams, Count: n - streams})
		if err != nil {
			return t, err
		}
		defer l.kill()
		streams = n
		full := n == 100 // only then is there time to fill the windows
		warmUp := 4 * time.Second
		if full {
			warmUp = keptMedia
		}
		if err := pause(ctx, warmUp); err != nil {
			return t, err
		}
		u, err := s.watch(ctx, length)
		if err != nil {
			return t, err
		}
		rss, err := s.rss()
		if err != nil {
			return t, err
		}
		t.ingestCPU(n, u)
		if full {
			t.ingestMemory(n, rss, idle, r.clip.bitrate()*keptMedia.Seconds())
		}
	}
	return t, nil
}

// ingestCPU adds the cost of n streams. The figure to reach is one of 100 streams: a few
// cost more each, as the server goes to sleep and wakes between their frames.
func (t *table) ingestCPU(n int, u usage) {
	per100 := u.cores() / float64(n) * 100
	reach := ""
	if n >= 100 {
		reach = "<= 0.25 cores per 100 streams"
	}
	t.judge(fmt.Sprintf("%d streams, CPU", n),
		fmt.Sprintf("%.3f CPU s per minute and stream; %.2f cores per 100 streams", u.cores()*60/float64(n), per100), reach, per100 <= 0.25)
}

func (t *table) ingestMemory(n, rss, idle int, media float64) {
	each, most := float64(rss-idle)/float64(n), 1.25*media+0.5*mega
	t.judge(fmt.Sprintf("%d streams, memory", n),
		fmt.Sprintf("%.1f MB per stream (%.0f MB in all), %.2f times the %.1f MB of media", each/mega, float64(rss)/mega, each/media, media/mega),
		fmt.Sprintf("<= %.1f MB (1.25 times the media + 0.5 MB)", most/mega), each <= most)
}
