package live

import (
	"time"

	"github.com/headrace/headrace/internal/media"
)

// Meter is what is measured of a track as it is written.
type Meter struct {
	Samples, Bytes uint64 // since the track was added

	// Over the newest complete group of pictures; for audio, over the newest second.
	BitrateBPS int
	Rate       float64       // samples a second
	GOP        time.Duration // between the two newest sync samples; 0 for audio

	Arrived time.Time     // of the newest sample
	Behind  time.Duration // of that arrival after the sample's place on the timeline: how far the source's clock and path have drifted
}

// meter gathers one interval: from a sync sample to the next, for audio of a second.
type meter struct {
	Meter
	from           media.Ticks
	started        bool
	samples, bytes int
}

func (m *meter) add(s media.Sample, inits []initAt) {
	if len(inits) == 0 {
		return
	}
	init := inits[len(inits)-1].init
	ts := init.Timescale()
	video := init.Kind() == media.Video
	if due := s.Sync && (video || s.DTS-m.from >= media.Ticks(ts)); due || !m.started {
		if span := (s.DTS - m.from).Seconds(ts); m.started && span > 0 {
			m.BitrateBPS = int(float64(m.bytes) * 8 / span)
			m.Rate = float64(m.samples) / span
			if video {
				m.GOP = (s.DTS - m.from).Duration(ts)
			}
		}
		m.from, m.samples, m.bytes, m.started = s.DTS, 0, 0, true
	}
	m.samples++
	m.bytes += len(s.Data)
	m.Samples++
	m.Bytes += uint64(len(s.Data))
	m.Arrived = s.Arrived
	m.Behind = s.Arrived.Sub(s.DTS.Time(ts))
}
