package main

import (
	"context"
	"fmt"
	"time"
)

// An object is something to fetch over and over.
type object struct {
	name        string
	of          func(*feed) []string // what to ask for
	gzip        bool
	rate, gbits float64 // per core, to reach; 0: not said
	targets     []string
	bodies      [][]byte // of targets, for the plain server
}

// measureObjects measures what answers cost that wait for nothing.
func measureObjects(ctx context.Context, r *rig) (table, error) {
	const connections = 16
	t := table{title: "Responses per core", note: fmt.Sprintf(
		"%d keep-alive HTTP/1.1 connections that ask as fast as they are answered, plain HTTP. What stands as plain is a net/http handler that writes the same bytes "+
			"from memory, under the same client, in the same minute: the most that net/http gives.", connections)}
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
	if err := pause(ctx, pick(r, 14*time.Second, 2*time.Second)); err != nil { // for a playlist of some length
		return t, err
	}
	length := pick(r, 2500*time.Millisecond, time.Second)
	for _, o := range []object{
		{name: "media playlist, identity", of: playlists, rate: 34_700},
		{name: "media playlist, gzip", of: playlists, gzip: true, rate: 34_700},
		{name: "part of 500 ms", of: parts, gbits: 16.3},
		{name: "segment of 2 s", of: wholeSegments, gbits: 30},
	} {
		if err := o.find(s.http, "bench0"); err != nil {
			return t, err
		}
		ours, err := r.fetch(ctx, s.process, job{HTTP: s.http, Targets: o.targets, Gzip: o.gzip, Count: connections}, length)
		if err != nil {
			return t, fmt.Errorf("%s: %w", o.name, err)
		}
		plain, err := r.fetchPlain(ctx, o.bodies, connections, length)
		if err != nil {
			return t, fmt.Errorf("%s, plain: %w", o.name, err)
		}
		reach := fmt.Sprintf(">= %.0f responses/s per core", o.rate)
		if o.gbits > 0 {
			reach = fmt.Sprintf(">= %.1f Gb/s per core", o.gbits)
		}
		t.judge(fmt.Sprintf("%s (%.1f KB)", o.name, ours.size/1e3),
			fmt.Sprintf("%.0f responses/s, %.1f Gb/s per core (plain: %.0f, %.1f); %d errors", ours.rate, ours.gbits, plain.rate, plain.gbits, ours.errors),
			reach, ours.rate >= o.rate && ours.gbits >= o.gbits && ours.errors == 0)
	}
	return t, nil
}

// find takes the newest targets of its kind, as the old leave the window, and their bodies.
func (o *object) find(host, stream string) error {
	feeds, err := findFeeds(host, stream)
	if err != nil {
		return err
	}
	c, err := dialHTTP(host, o.gzip)
	if err != nil {
		return err
	}
	defer c.close()
	o.targets = o.of(feeds[0])
	o.targets = o.targets[max(0, len(o.targets)-4):]
	for _, t := range o.targets {
		body, err := c.text(t)
		if err != nil {
			return err
		}
		o.bodies = append(o.bodies, []byte(body))
	}
	return nil
}

func playlists(f *feed) []string     { return []string{f.base + "media.m3u8"} }
func parts(f *feed) []string         { return f.parts }
func wholeSegments(f *feed) []string { return f.segments }

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

// fetchPlain measures the limit: a plain server with the same bodies.
func (r *rig) fetchPlain(ctx context.Context, bodies [][]byte, connections int, length time.Duration) (service, error) {
	plain, err := r.load(ctx, job{Kind: "serve", Bodies: bodies})
	if err != nil {
		return service{}, err
	}
	defer plain.kill()
	var targets []string
	for i := range bodies {
		targets = append(targets, fmt.Sprintf("/%d", i))
	}
	return r.fetch(ctx, plain.process, job{HTTP: plain.word, Targets: targets, Count: connections}, length)
}
