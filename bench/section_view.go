package main

import (
	"context"
	"fmt"
	"time"
)

// audienceFigures are what watching cost and how late it was.
type audienceFigures struct {
	findings
	use        usage // of the server, while everybody was watching
	before     int   // resident bytes of the server with the stream and nobody watching
	during     int
	perRequest float64 // CPU seconds
}

// watchStream runs a server with parts of that length and an audience of n.
func (r *rig) watchStream(ctx context.Context, n int, part, length time.Duration) (f audienceFigures, err error) {
	// The shortest window there is: the server's memory is to be the viewers', not the media's.
	s, err := r.start(ctx, "segment.part="+part.String(), "segment.window=6s")
	if err != nil {
		return f, err
	}
	defer s.stop()
	l, err := r.load(ctx, job{Kind: "view", RTMP: s.rtmp, HTTP: s.http, Stream: "bench", Count: n, Part: part})
	if err != nil {
		return f, err
	}
	defer l.kill()
	if f.before, err = s.rss(); err != nil {
		return f, err
	}
	if err := l.next(); err != nil {
		return f, err
	}
	if f.use, err = s.watch(ctx, length); err != nil {
		return f, err
	}
	if f.during, err = s.rss(); err != nil {
		return f, err
	}
	if f.findings, err = l.end(); err != nil {
		return f, err
	}
	if f.Requests == 0 {
		return f, fmt.Errorf("%d viewers got nothing (%d errors)", n, f.Errors)
	}
	f.perRequest = f.use.cores() / (float64(f.Requests) / f.Seconds)
	return f, nil
}

// quality tells what came of the requests, for the reader to judge the row.
func (f audienceFigures) quality() string {
	return fmt.Sprintf("%.0f requests/s, %.2f Gb/s, %d errors", float64(f.Requests)/f.Seconds, gbit(float64(f.Bytes))/f.Seconds, f.Errors)
}

// measureParts measures how long after its newest frame a part is with the viewer.
func measureParts(ctx context.Context, r *rig) (table, error) {
	const part = 500 * time.Millisecond
	t := table{title: "Part-ready latency", note: "From the moment before a part's newest frame is written to the publisher's socket to the first byte of " +
		"the answer to a request that waited for it: for the hinted part itself, and for the playlist that lists it. 500 ms parts, audio and video, " +
		"all viewers counted; publisher and viewers share one process."}
	for _, n := range pick(r, []int{1, 300}, []int{50}) {
		f, err := r.watchStream(ctx, n, part, pick(r, 30*time.Second, 8*time.Second))
		if err != nil {
			return t, err
		}
		for _, kind := range []struct {
			name   string
			delays []time.Duration
		}{{"hinted part", f.Parts}, {"playlist", f.Playlists}} {
			p50, p95 := percentile(kind.delays, 0.5), percentile(kind.delays, 0.95)
			t.judge(fmt.Sprintf("%d viewers, %s", n, kind.name),
				fmt.Sprintf("p50 %s, p95 %s (%d answers)", ms(p50), ms(p95), len(kind.delays)),
				"p50 <= 10 ms, p95 <= 30 ms", p50 <= 10*time.Millisecond && p95 <= 30*time.Millisecond)
		}
		t.tell(fmt.Sprintf("%d viewers, load", n), "%s; server %.2f cores", f.quality(), f.use.cores())
		if f.Unknown > 0 {
			t.tell("parts whose newest frame was not recognised", "%d", f.Unknown)
		}
	}
	return t, nil
}

// measureViewers measures what waiting viewers cost.
func measureViewers(ctx context.Context, r *rig) (table, error) {
	t := table{title: "Waiting viewers", note: "Viewers that follow LL-HLS over plain HTTP/1.1: audio and video, blocking reload with gzip, hinted parts, four connections each. " +
		"Viewers per core is what the server's CPU time per request comes to at the full rate of requests, also where the machine, shared with the clients, could not keep that rate. " +
		"Delays as in the section before."}
	for _, c := range []struct {
		n    int
		part time.Duration
	}{{300, 200 * time.Millisecond}, {1000, 500 * time.Millisecond}, {4000, 500 * time.Millisecond}} {
		if r.short && c.n > 300 {
			continue
		}
		f, err := r.watchStream(ctx, c.n, c.part, pick(r, 15*time.Second, 6*time.Second))
		if err != nil {
			return t, err
		}
		what := fmt.Sprintf("%d viewers, %v parts", c.n, c.part)
		each := 4 / c.part.Seconds() // requests a second
		perCore := 1 / (f.perRequest * each)
		reach := ""
		if c.part == 200*time.Millisecond {
			reach = ">= 1000 viewers per core" // that is where the peers were measured
		}
		t.judge(what+", CPU", fmt.Sprintf("%.0f viewers per core (%.2f ms of CPU per second and viewer)", perCore, f.perRequest*each*1000), reach, perCore >= 1000)
		t.tell(what+", load", "%s, %.0f %% of the due requests; server %.2f cores", f.quality(), 100*float64(f.Requests)/f.Seconds/each/float64(c.n), f.use.cores())
		t.tell(what+", release", "part p50 %s, p99 %s; playlist p50 %s, p99 %s", ms(percentile(f.Parts, 0.5)), ms(percentile(f.Parts, 0.99)),
			ms(percentile(f.Playlists, 0.5)), ms(percentile(f.Playlists, 0.99)))
		memory := float64(f.during-f.before) / float64(c.n)
		t.judge(what+", memory", fmt.Sprintf("%.0f KB per viewer", memory/1e3), "<= 250 KB", memory <= 250e3)
	}
	return t, nil
}
