package main

import (
	"context"
	"fmt"
	"time"
)

// measureFanout measures RTMP from one publisher to many players.
func measureFanout(ctx context.Context, r *rig) (table, error) {
	t := table{title: "RTMP fan-out", note: "One publisher of the clip, players over plain RTMP, `rtmp.merge_latency` as said. " +
		"Loss is media that had not come to the players when it should have."}
	for _, mode := range []struct {
		merge time.Duration
		reach float64 // CPU s per Gbit at 300 players
	}{{33 * time.Millisecond, 0.11}, {350 * time.Millisecond, 0.06}} {
		for _, n := range pick(r, []int{100, 300}, []int{50}) {
			if err := r.fanout(ctx, &t, n, mode.merge, mode.reach); err != nil {
				return t, err
			}
		}
	}
	return t, nil
}

func (r *rig) fanout(ctx context.Context, t *table, n int, merge time.Duration, most float64) error {
	s, err := r.start(ctx, "rtmp.merge_latency="+merge.String())
	if err != nil {
		return err
	}
	defer s.stop()
	pub, err := r.load(ctx, job{Kind: "publish", RTMP: s.rtmp, Stream: "bench", Count: 1})
	if err != nil {
		return err
	}
	defer pub.kill()
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	players, err := r.load(ctx, job{Kind: "play", RTMP: s.rtmp, Stream: "bench0", Count: n})
	if err != nil {
		return err
	}
	defer players.kill()
	u, err := s.watch(ctx, pick(r, 10*time.Second, 5*time.Second))
	if err != nil {
		return err
	}
	rss, err := s.rss()
	if err != nil {
		return err
	}
	f, err := players.end()
	if err != nil {
		return err
	}
	perSecond := gbit(float64(f.Bytes)) / f.Seconds
	cost := u.cores() / perSecond
	reach := ""
	if n >= 300 {
		reach = fmt.Sprintf("<= %.2f CPU s per Gbit", most)
	}
	t.judge(fmt.Sprintf("%d players, writes merged over %v", n, merge),
		fmt.Sprintf("%.3f CPU s per Gbit (%.2f Gb/s, %.2f cores, loss %.1f %%, %d cut off, %.0f MB)",
			cost, perSecond, u.cores(), 100*max(0, f.Behind), f.Errors, float64(rss)/mega),
		reach, cost <= most && f.Errors == 0)
	return nil
}
