// Package session is the door of the server: every publisher and player, whatever
// its protocol, comes in through the Broker, which knows who it is, what it may do,
// what it has moved, and how to put it out. A protocol adapter knows nothing else of
// the server. It speaks no protocol itself and touches no media.
package session

import (
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/internal/media"
)

// ID names a session in logs, metrics and the API: 16 hexadecimal digits.
type ID string

func newID() ID {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand since Go 1.24)
	return ID(hex.EncodeToString(b[:]))
}

// Role is the direction of a session's media.
type Role uint8

const (
	Publisher Role = iota + 1 // into us
	Player                    // out of us
)

func (r Role) String() string {
	if r == Publisher {
		return "publish"
	}
	return "play"
}

// Secret is a stream key or a token. It prints as ***.
type Secret string

func (s Secret) String() string   { return "***" }
func (s Secret) GoString() string { return "***" }

// Request is what a peer asks for at the door.
type Request struct {
	Protocol   string // "rtmp", "rtmps"
	Remote     netip.AddrPort
	Stream     string // the name as the peer wrote it; the Broker checks it
	Credential Secret // stream key or token, "" when none was given
	Agent      string // what the peer says it is: encoder or player; unchecked text

	// ClockStep is the resolution of the peer's timestamps: 1 ms for RTMP. Ingest
	// smooths away what rounding to it has done.
	ClockStep time.Duration

	// Kick closes the peer's connection. It may be called from any goroutine, more
	// than once, and does not wait.
	Kick func(reason error)
}

// Session is one peer that was let in. Its counters are safe from any goroutine.
type Session struct {
	ID      ID
	Role    Role
	Stream  string
	Started time.Time
	Request Request

	Received, Sent atomic.Uint64 // bytes of media
	Dropped        atomic.Uint64 // access units that could not be used or were skipped

	lastMedia atomic.Int64 // Unix nanoseconds of the newest media from a publisher
	identity  string       // which credential it came with
	ended     atomic.Bool
}

// TrackRef names a track within one publisher: RTMP's video track 0 is {Video, 0}.
type TrackRef struct {
	Kind  media.Kind
	Index uint8
}

// Source takes what one publisher sends; ingest implements it. Calls come from one
// goroutine at a time.
type Source interface {
	// Configure announces a track, or changes its configuration.
	Configure(ref TrackRef, init media.Init) error

	// Write hands over one access unit, timed by the publisher's own clock in ticks
	// of the timescale of the track's Init. An error ends the publication.
	Write(ref TrackRef, s media.Sample) error

	// Close ends the source: reason is nil when the publisher said goodbye.
	Close(reason error)
}

// Ingest opens sources; the Broker calls it after it has let a publisher in, and
// never for a stream whose former source is not closed.
type Ingest interface {
	Open(s *Session) (Source, error)
}

// Grant is what an Authorizer lets a peer do.
type Grant struct {
	Stream   string // the name of the stream, checked; it may differ from the request's
	Identity string // which credential it was: equal for the same one, not the secret itself
	Takeover bool   // a second publisher with the same identity replaces a live first one
}

// RejectReason says why a peer was not let in, for the adapter to answer in its protocol.
type RejectReason uint8

const (
	BadName  RejectReason = iota + 1 // not a stream name
	Denied                           // wrong or missing credential
	Taken                            // somebody else publishes the stream
	NotFound                         // there is no such stream to play
	Busy                             // a limit is reached: try later
)

// RejectError is why a peer was not let in. Its text is fit to be shown to the peer.
type RejectError struct {
	Reason RejectReason
	Text   string
}

func (e *RejectError) Error() string { return e.Text }
