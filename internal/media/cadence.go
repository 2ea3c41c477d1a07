package media

import "time"

// A Cadence is the rhythm of a stream: how long its segments and parts are. Ingest
// fixes it before the first entry is announced, and it never changes in the
// stream's life (rfc8216bis, 4.4.3.1 and 4.4.3.7 demand that of the two targets).
type Cadence struct {
	Segment time.Duration // grid of the segment boundaries, counted from the Unix epoch
	Part    time.Duration // grid of the parts, counted from the start of their segment

	// PartTarget is the longest a part may be: Part and one audio frame, since
	// audio frames do not fit the grid. EXT-X-PART-INF:PART-TARGET.
	PartTarget time.Duration

	// TargetDuration, in whole seconds, covers the longest segment that the
	// source's keyframe interval makes. EXT-X-TARGETDURATION.
	TargetDuration time.Duration
}
