package ingest

import (
	"math"
	"time"

	"github.com/headrace/headrace/internal/media"
)

// observation is what is known of a source when its stream's cadence is fixed.
type observation struct {
	frame      time.Duration // of video at a constant rate; 0: not constant, or no video
	keyframes  time.Duration // the longest interval between sync samples; 0: no video
	audioFrame time.Duration // the longest audio packet; 0: no audio
}

// Bounds of a cadence.
const (
	minPartSlack = 25 * time.Millisecond // room for the audio frames of a track that comes late
	maxKeyframes = 10 * time.Second      // a source without a keyframe for this long gets no longer target
)

// cadence fixes a stream's rhythm: parts are a whole number of video frames, so that
// they are all equally long, and TARGETDURATION covers the segments that the
// source's keyframes make of the segment grid.
func cadence(segment, part time.Duration, o observation) media.Cadence {
	c := media.Cadence{Segment: segment, Part: part}
	slack := max(minPartSlack, o.audioFrame)
	if o.frame > 0 {
		n := max(1, (part+o.frame/2)/o.frame)
		c.Part = (n * o.frame).Round(time.Microsecond) // frame is rounded to nanoseconds
	} else if o.keyframes > 0 {
		slack += 15 * time.Millisecond // variable frame rate: parts end within half a frame of the grid
	}
	c.PartTarget = (c.Part + slack).Round(time.Millisecond)
	longest := max(longestSegment(segment, min(o.keyframes, maxKeyframes)), 2*segment)
	c.TargetDuration = time.Duration(math.Ceil(longest.Seconds()-0.5+0.001)) * time.Second // EXTINF is rounded to nearest
	return c
}

// longestSegment returns how long the longest segment gets when a sync sample comes
// each interval and one begins a segment if it is the first after a grid point.
func longestSegment(grid, interval time.Duration) time.Duration {
	const jitter = 5 * time.Millisecond
	if interval <= 0 || interval >= grid {
		return max(grid, interval)
	}
	n := (grid + jitter) / interval
	if rest := grid - n*interval; rest > jitter {
		n++
	}
	return n * interval
}
