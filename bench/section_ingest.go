package main

import (
	"context"
	"fmt"
	"time"
)

// liveWindow is the default segment.window: how much media the server keeps.
const liveWindow = 30 * time.Second

// measureIngest measures what publishers cost with nobody watching.
func measureIngest(ctx context.Context, r *rig) (table, error) {
	const length = 15 * time.Second
	t := table{title: "Ingest and packaging", note: fmt.Sprintf(
		"Publishers of the clip over RTMP, packaged as LL-HLS (2 s segments, 500 ms parts, a window of %v), nobody watching. "+
			"CPU over %v after a warm-up; memory is resident memory less that of the idle server.", liveWindow, length)}
	s, err := r.start(ctx)
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
	for _, n := range pick(r, []int{1, 10, 50, 100}, []int{1, 10}) {
		l, err := r.load(ctx, job{Kind: "publish", RTMP: s.rtmp, Stream: "bench", First: streams, Count: n - streams})
		if err != nil {
			return t, err
		}
		defer l.kill()
		streams = n
		full := n == 100 // then memory is judged: the window has to be full
		warmUp := 4 * time.Second
		if full {
			warmUp = liveWindow + 6*time.Second
		}
		if err := pause(ctx, warmUp); err != nil {
			return t, err
		}
		u, err := s.watch(ctx, pick(r, length, 8*time.Second))
		if err != nil {
			return t, err
		}
		per100 := u.cores() / float64(n) * 100
		figure := fmt.Sprintf("%.3f CPU s per minute and stream; %.2f cores per 100 streams", u.cores()*60/float64(n), per100)
		t.judge(fmt.Sprintf("%d streams, CPU", n), figure, "<= 0.25 cores per 100 streams", per100 <= 0.25)
		rss, err := s.rss()
		if err != nil {
			return t, err
		}
		each := float64(rss-idle) / float64(n)
		if full {
			window := r.clip.bitrate() * liveWindow.Seconds()
			most := 1.25*window + 0.5*mega
			t.judge(fmt.Sprintf("%d streams, memory", n), fmt.Sprintf("%.1f MB per stream (%.0f MB in all), %.2f times the %.1f MB of media in the window",
				each/mega, float64(rss)/mega, each/window, window/mega), fmt.Sprintf("<= %.1f MB (1.25 times the media + 0.5 MB)", most/mega), each <= most)
		} else {
			t.tell(fmt.Sprintf("%d streams, memory while the window fills", n), "%.1f MB per stream", each/mega)
		}
	}
	return t, nil
}
