package main

import (
	"context"
	"fmt"
	"time"
)

// noise is the share by which two equal figures may differ (docs/benchmarks.md).
const noise = 0.15

// An object is something to fetch over and over.
type object struct {
	name    string
	targets []string
	gzip    bool
	least   float64 // Gb/s per core that it should reach whatever the limit is; 0: none
	body    []byte  // what the plain server serves instead
}

// measureObjects measures what answers cost that wait for nothing.
func measureObjects(ctx context.Context, r *rig) (table, error) {
	const connections = 16
	t := table{title: "Responses per core", note: fmt.Sprintf(
		"%d keep-alive HTTP/1.1 connections that ask as fast as they are answered, plain HTTP. The limit is a net/http handler that writes the same bytes "+
			"from memory, under the same client, in the same minute; within %.0f %% of it counts as reached.", connections, noise*100)}
	s, err := r.start(ctx)
	if err != nil {
		return t, err
	}
	defer s.stop()
	pub, err := r.load(ctx, job{Kind: "publish", RTMP: s.rtmp, Stream: "bench", Count: 1})
	if err != nil {
		return t, err
	}
	defer pub.kill()
	if err := pause(ctx, pick(r, 14*time.Second, 7*time.Second)); err != nil { // for a playlist of some length
		return t, err
	}
	objects, err := findObjects(s.http, "bench0")
	if err != nil {
		return t, err
	}
	length := pick(r, 2500*time.Millisecond, time.Second)
	for i, o := range objects {
		if o.targets == nil { // media: what is in the list now, as the old leaves it
			if o, err = refresh(s.http, "bench0", o); err != nil {
				return t, err
			}
		}
		ours, err := r.fetch(ctx, s.process, job{HTTP: s.http, Targets: o.targets, Gzip: o.gzip, Count: connections}, length)
		if err != nil {
			return t, fmt.Errorf("%s: %w", o.name, err)
		}
		limit, err := r.fetchPlain(ctx, objects[i].body, connections, length)
		if err != nil {
			return t, fmt.Errorf("%s, limit: %w", o.name, err)
		}
		least := limit.rate * (1 - noise)
		reach := fmt.Sprintf(">= the limit: %.0f responses/s, %.1f Gb/s per core", limit.rate, limit.gbits)
		ok := ours.rate >= least && ours.errors == 0
		if o.least > 0 {
			reach += fmt.Sprintf("; >= %.0f Gb/s", o.least)
			ok = ok && ours.gbits >= o.least
		}
		t.judge(fmt.Sprintf("%s (%.1f KB)", o.name, ours.size/1e3),
			fmt.Sprintf("%.0f responses/s, %.1f Gb/s per core; %d errors", ours.rate, ours.gbits, ours.errors), reach, ok)
	}
	return t, nil
}

// findObjects returns what is measured, with bodies of the sizes that are served now.
func findObjects(host, stream string) ([]object, error) {
	feeds, err := findFeeds(host, stream)
	if err != nil {
		return nil, err
	}
	list := []string{feeds[0].base + "media.m3u8"}
	objects := []object{
		{name: "media playlist, identity", targets: list},
		{name: "media playlist, gzip", targets: list, gzip: true},
		{name: "part of 500 ms"},
		{name: "segment of 2 s", least: 12},
	}
	for i, o := range objects {
		targets := o.targets
		if targets == nil {
			if o, err = refresh(host, stream, o); err != nil {
				return nil, err
			}
			targets = o.targets
		}
		c, err := dialHTTP(host, o.gzip)
		if err != nil {
			return nil, err
		}
		body, err := c.text(targets[0])
		c.close()
		if err != nil {
			return nil, err
		}
		objects[i].body = []byte(body)
	}
	return objects, nil
}

// refresh returns o with the newest video parts or segments for targets.
func refresh(host, stream string, o object) (object, error) {
	feeds, err := findFeeds(host, stream)
	if err != nil {
		return o, err
	}
	o.targets = feeds[0].parts
	if o.least > 0 {
		o.targets = feeds[0].segments
	}
	o.targets = o.targets[max(0, len(o.targets)-4):]
	return o, nil
}

// A service is what a server gave for its CPU time.
type service struct {
	rate, gbits float64 // responses and Gbit per second of CPU time
	size        float64 // mean bytes of a response
	errors      int
}

// fetch loads the server p as j says for that long.
func (r *rig) fetch(ctx context.Context, p process, j job, length time.Duration) (service, error) {
	j.Kind = "fetch"
	l, err := r.load(ctx, j)
	if err != nil {
		return service{}, err
	}
	defer l.kill()
	u, err := p.watch(ctx, length)
	if err != nil {
		return service{}, err
	}
	f, err := l.end()
	if err != nil {
		return service{}, err
	}
	if f.Requests == 0 {
		return service{}, fmt.Errorf("no answers (%d errors)", f.Errors)
	}
	perSecond := 1 / f.Seconds / u.cores()
	return service{
		rate: float64(f.Requests) * perSecond, gbits: gbit(float64(f.Bytes)) * perSecond,
		size: float64(f.Bytes) / float64(f.Requests), errors: f.Errors,
	}, nil
}

// fetchPlain measures the limit: a plain server with body.
func (r *rig) fetchPlain(ctx context.Context, body []byte, connections int, length time.Duration) (service, error) {
	plain, err := r.load(ctx, job{Kind: "serve", Bodies: [][]byte{body}})
	if err != nil {
		return service{}, err
	}
	defer plain.kill()
	return r.fetch(ctx, plain.process, job{HTTP: plain.word, Targets: []string{"/0"}, Count: connections}, length)
}
