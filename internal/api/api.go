// Package api is the control interface over HTTP: what streams and sessions there
// are, as JSON. It is read-only and stands behind the admin token, which whoever
// mounts it checks. It carries no media.
package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/presentation"
	"github.com/headrace/headrace/internal/session"
)

// Options are what the API shows.
type Options struct {
	Hub     *live.Hub
	Catalog *presentation.Catalog
	Broker  *session.Broker

	// Waiting returns how many requests of HTTP players are held for a stream now.
	Waiting func(stream string) int
}

// New returns the handler of /api/v1/. It answers GET only.
func New(o Options) http.Handler {
	a := &api{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/streams", a.streams)
	mux.HandleFunc("GET /api/v1/streams/{name...}", a.stream)
	mux.HandleFunc("GET /api/v1/sessions", a.sessions)
	return mux
}

type api struct{ Options }

// Stream is a stream as the API shows it.
type Stream struct {
	Name     string    `json:"name"`
	Started  time.Time `json:"started"`
	Cadence  *Cadence  `json:"cadence"` // null until enough of the source was seen
	Tracks   []Track   `json:"tracks"`
	Sessions []Session `json:"sessions"`

	// Requests of HTTP players that are held now: with Low-Latency HLS about one for
	// each viewer and track.
	Waiting int `json:"http_waiting_requests"`
}

// Cadence is the rhythm of a stream's segments and parts, in seconds.
type Cadence struct {
	Segment        float64 `json:"segment_seconds"`
	Part           float64 `json:"part_seconds"`
	PartTarget     float64 `json:"part_target_seconds"`
	TargetDuration float64 `json:"target_duration_seconds"`
}

// Track is a track as the API shows it.
type Track struct {
	ID         string  `json:"id"`
	Kind       string  `json:"kind"`
	Codec      string  `json:"codec"`       // RFC 6381
	BitrateBPS int     `json:"bitrate_bps"` // over the newest GOP, of audio over a second
	Rate       float64 `json:"samples_per_second"`
	Samples    uint64  `json:"samples"`
	Bytes      uint64  `json:"bytes"`

	Width         int     `json:"width,omitempty"`
	Height        int     `json:"height,omitempty"`
	GOPSeconds    float64 `json:"gop_seconds,omitempty"`
	SampleRate    int     `json:"sample_rate,omitempty"`
	Channels      int     `json:"channels,omitempty"`
	BufferedBytes int     `json:"buffered_bytes"`

	// Since the newest sample arrived; how far arrivals lie behind the timeline; and
	// how far the newest part's end lies behind now, null before the first part.
	SilentSeconds  float64  `json:"silent_seconds"`
	BehindSeconds  float64  `json:"behind_seconds"`
	LatencySeconds *float64 `json:"latency_seconds"`

	MSN                 *uint64 `json:"media_sequence,omitempty"` // of the newest segment
	PeakBandwidthBPS    int     `json:"peak_bandwidth_bps,omitempty"`
	AverageBandwidthBPS int     `json:"average_bandwidth_bps,omitempty"`
}

// Session is a session as the API shows it. It has no credential in it.
type Session struct {
	ID       session.ID `json:"id"`
	Role     string     `json:"role"`
	Stream   string     `json:"stream"`
	Protocol string     `json:"protocol"`
	Remote   string     `json:"remote"`
	Agent    string     `json:"agent"`
	Started  time.Time  `json:"started"`
	Received uint64     `json:"received_bytes"`
	Sent     uint64     `json:"sent_bytes"`
	Dropped  uint64     `json:"dropped_units"`
}

func (a *api) streams(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	all := []Stream{}
	for _, s := range a.Hub.Streams() {
		all = append(all, a.show(s, now))
	}
	answer(w, http.StatusOK, map[string]any{"streams": all})
}

func (a *api) stream(w http.ResponseWriter, r *http.Request) {
	name, err := session.ParseName(r.PathValue("name"))
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	s := a.Hub.Stream(name)
	if s == nil {
		answer(w, http.StatusNotFound, map[string]string{"error": "there is no such stream now"})
		return
	}
	answer(w, http.StatusOK, a.show(s, time.Now()))
}

func (a *api) sessions(w http.ResponseWriter, r *http.Request) {
	all := []Session{}
	for _, s := range a.Broker.Sessions() {
		all = append(all, showSession(s))
	}
	answer(w, http.StatusOK, map[string]any{"sessions": all})
}

func (a *api) show(s *live.Stream, now time.Time) Stream {
	out := Stream{Name: s.Name, Started: s.Started.UTC(), Tracks: []Track{}, Sessions: []Session{}, Waiting: a.Waiting(s.Name)}
	if c := s.Cadence(); c != nil {
		out.Cadence = &Cadence{c.Segment.Seconds(), c.Part.Seconds(), c.PartTarget.Seconds(), c.TargetDuration.Seconds()}
	}
	packaged := a.Catalog.Stream(s.Name)
	for _, t := range s.Tracks() {
		out.Tracks = append(out.Tracks, showTrack(t, packaged, now))
	}
	for _, ses := range a.Broker.Sessions() {
		if ses.Stream == s.Name {
			out.Sessions = append(out.Sessions, showSession(ses))
		}
	}
	return out
}

func showTrack(t *live.Track, packaged *presentation.Stream, now time.Time) Track {
	m := t.Meter()
	out := Track{
		ID: t.ID, Kind: t.Kind.String(), BitrateBPS: m.BitrateBPS, Rate: m.Rate, Samples: m.Samples, Bytes: m.Bytes,
		GOPSeconds: m.GOP.Seconds(), BufferedBytes: t.Log.Bytes(), BehindSeconds: m.Behind.Seconds(),
	}
	if !m.Arrived.IsZero() {
		out.SilentSeconds = now.Sub(m.Arrived).Seconds()
	}
	if i := t.Init(); i != nil {
		out.Codec, out.Width, out.Height, out.SampleRate, out.Channels = i.CodecString, i.Width, i.Height, i.SampleRate, i.Channels
	}
	if packaged == nil {
		return out
	}
	r := packaged.Rendition(t.ID)
	if r == nil {
		return out
	}
	track := r.Load()
	out.PeakBandwidthBPS, out.AverageBandwidthBPS = track.Bandwidth, track.AverageBandwidth
	if n := len(track.Segments); n > 0 {
		last := track.Segments[n-1]
		out.MSN = &last.MSN
		behind := now.Sub((last.Start + last.Duration).Time(last.Timescale())).Seconds()
		out.LatencySeconds = &behind
	}
	return out
}

func showSession(s *session.Session) Session {
	return Session{
		ID: s.ID, Role: s.Role.String(), Stream: s.Stream, Protocol: s.Request.Protocol, Remote: s.Request.Remote.String(),
		Agent: s.Request.Agent, Started: s.Started.UTC(), Received: s.Received.Load(), Sent: s.Sent.Load(), Dropped: s.Dropped.Load(),
	}
}

func answer(w http.ResponseWriter, code int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the peer has gone: nobody to tell
}
