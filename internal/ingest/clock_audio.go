package ingest

import "github.com/headrace/headrace/internal/media"

// audioClock times audio by counting its samples, and lets the publisher's
// timestamps only steer: they are rounded (RTMP: to 1 ms) and would become jitter.
// Pure; one per audio track of a source.
type audioClock struct {
	scale media.Timescale
	next  media.Ticks // where the next packet lies if nothing is missing
	begun bool
	drift float64 // smoothed distance of the timestamps from next, in ticks
}

const (
	audioHole  = 0.1   // seconds: timestamps this far off are believed at once
	audioSlack = 0.012 // seconds of drift that are left alone
	driftGain  = 1.0 / 64
)

// place returns the time and length of the next packet, whose own time is t and
// which holds duration ticks. The length is stretched or shortened by a tick to
// follow a publisher whose audio clock drifts against its timestamps, so that
// packets always join. ok is false for a packet that repeats what was there.
func (c *audioClock) place(t, duration media.Ticks) (at, length media.Ticks, ok bool) {
	off := float64(t - c.next)
	switch {
	case !c.begun, off > audioHole*float64(c.scale):
		c.begun, c.next, c.drift = true, t, 0
	case off < -5*audioHole*float64(c.scale):
		return 0, 0, false
	default:
		c.drift += (off - c.drift) * driftGain
	}
	length = duration
	if slack := audioSlack * float64(c.scale); c.drift > slack {
		length++
		c.drift--
	} else if c.drift < -slack {
		length--
		c.drift++
	}
	at = c.next
	c.next += length
	return at, length, true
}
