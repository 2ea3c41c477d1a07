package rtmp

// A timestamp is a message's time in milliseconds, modulo 2^32, counted from a point
// of the sender's choice (RTMP 1.0, 4: it is compared by serial arithmetic).
type timestamp uint32

// since returns t - u in milliseconds, for times less than 2^31 ms (24.8 days) apart.
func (t timestamp) since(u timestamp) int32 { return int32(t - u) }

// An unwrapper makes the timestamps of one connection into milliseconds that do not
// wrap, taking each for the value nearest to the one before. A jump stays a jump:
// what it means is for ingest to say.
type unwrapper struct {
	last    int64
	started bool
}

// unwrap returns the milliseconds of t. The first one is taken as it is.
func (u *unwrapper) unwrap(t timestamp) int64 {
	if !u.started {
		u.last, u.started = int64(t), true
		return u.last
	}
	u.last += int64(t.since(timestamp(u.last))) // the low 32 bits of last are its timestamp
	return u.last
}
