package node

import (
	"github.com/headrace/headrace/internal/ingest"
	"github.com/headrace/headrace/internal/session"
)

// measure hangs what the parts count into the registry.
func (n *Node) measure(in *ingest.Counters) {
	r := n.registry
	count := func(name, help string, f func() uint64) {
		r.CounterFunc(name, help, func() float64 { return float64(f()) })
	}

	r.GaugeFunc("headrace_live_streams", "Streams now.", func() float64 { return float64(len(n.hub.Streams())) })
	for role, name := range map[session.Role]string{session.Publisher: "headrace_session_publishers", session.Player: "headrace_session_players"} {
		r.GaugeFunc(name, "Sessions in the role of "+role.String()+" now, over all protocols but HTTP.", func() float64 {
			c := 0
			for _, s := range n.broker.Sessions() {
				if s.Role == role {
					c++
				}
			}
			return float64(c)
		})
	}
	count("headrace_ingest_dropped_units_total", "Access units that could not be used.", in.Dropped.Load)
	count("headrace_ingest_discontinuities_total", "Segments that did not continue the one before.", in.Discontinuities.Load)
	count("headrace_ingest_gap_segments_total", "Segments that went missing whole.", in.Gaps.Load)
	count("headrace_ingest_long_segments_total", "Segments longer than the target duration for want of a keyframe.", in.LongSegments.Load)

	p := n.packager.Stats
	count("headrace_packager_parts_total", "Parts with media.", func() uint64 { return p().Parts })
	count("headrace_packager_gap_parts_total", "Parts for what is missing.", func() uint64 { return p().GapParts })
	count("headrace_packager_segments_total", "Segments completed.", func() uint64 { return p().Segments })
	count("headrace_packager_dropped_samples_total", "Samples that found no place in a segment.", func() uint64 { return p().Dropped })
	count("headrace_packager_lags_total", "Times that a track's log was faster than its packager.", func() uint64 { return p().Lags })

	if n.rtmp != nil {
		s := &n.rtmp.Stats
		r.GaugeFunc("headrace_rtmp_connections", "Connections now.", func() float64 { return float64(s.Open.Load()) })
		count("headrace_rtmp_accepted_total", "Connections accepted.", s.Accepted.Load)
		count("headrace_rtmp_turned_away_total", "Connections closed at once because a limit was reached.", s.TurnedAway.Load)
		count("headrace_rtmp_refused_total", "Connections ended with a status that says why.", s.Refused.Load)
		count("headrace_rtmp_broken_total", "Connections ended because the peer broke the protocol or a deadline.", s.Broken.Load)
		count("headrace_rtmp_publications_total", "Publications begun.", s.Published.Load)
	}
}
