package media

// EventKind says what happens at an event's place in a track's log.
type EventKind uint8

const (
	// NewInit: from here on, samples are for the decoder that Init describes. It
	// is the first entry of every log. A following sample is a sync sample.
	NewInit EventKind = iota + 1

	// Boundary: the next sample begins segment MSN. Ingest decides it once for
	// all tracks, so that every packager, on every node, cuts alike.
	Boundary

	// Discontinuity: the next sample does not continue the one before (another
	// encoder run, a jump of the source's clock). It stands right before a Boundary.
	Discontinuity

	// Gap: there is no media in [At, At+Duration). The Gap stands for segment MSN
	// whole; what follows is another Gap or a Boundary.
	Gap
)

func (k EventKind) String() string {
	switch k {
	case NewInit:
		return "init"
	case Boundary:
		return "boundary"
	case Discontinuity:
		return "discontinuity"
	case Gap:
		return "gap"
	}
	return "unknown"
}

// An Event is what stands in a track's log beside the samples: it reaches every
// reader, here or on another node, at the same place (docs/adr/0004).
type Event struct {
	Kind EventKind

	Init *Init // NewInit: never nil, never changed

	// Boundary and Gap: the media sequence number of the segment, and where it
	// begins on the stream's timeline, in ticks of the track. At is the same
	// instant in all tracks; the first sample of the segment is the first one at
	// or after it.
	MSN uint64
	At  Ticks

	Duration Ticks // Gap: how much is missing, in ticks of the track
}

// An Entry of a track's log is a Sample or an Event: Event is nil for a sample.
type Entry struct {
	Event  *Event
	Sample Sample
}

// Size returns the bytes of media the entry keeps alive.
func (e Entry) Size() int {
	if e.Event != nil {
		if e.Event.Init != nil {
			return len(e.Event.Init.Config)
		}
		return 0
	}
	return len(e.Sample.Data)
}

// Sync reports whether a reader may start at this entry: a sync sample.
func (e Entry) Sync() bool { return e.Event == nil && e.Sample.Sync }
