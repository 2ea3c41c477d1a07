// Package auth decides who may publish, play and administer, from keys and tokens
// that the configuration names. It stores nothing and speaks no protocol.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"

	"github.com/headrace/headrace/internal/session"
)

// Stream is what is configured for one stream.
type Stream struct {
	Keys     []session.Secret // who may publish; none: the server-wide key
	Takeover bool             // a second publisher with the same key replaces a live first one
}

// Options of an Authorizer.
type Options struct {
	PublishKey    session.Secret    // for every stream without keys of its own
	Streams       map[string]Stream // by name
	AnonymousPlay bool              // anybody may play
}

// Authorizer implements session.Authorizer. Its methods are safe from any goroutine.
type Authorizer struct {
	o        Options
	attempts *attempts
}

// New checks o and returns an Authorizer.
func New(o Options) (*Authorizer, error) {
	if o.PublishKey == "" {
		return nil, errors.New("auth: no publish key: everybody could publish")
	}
	for name, s := range o.Streams {
		for _, k := range s.Keys {
			if k == "" {
				return nil, errors.New("auth: stream " + name + " has an empty publish key")
			}
		}
	}
	return &Authorizer{o: o, attempts: newAttempts()}, nil
}

var (
	errWrongKey = &session.RejectError{Reason: session.Denied, Text: "the stream key is wrong or missing: the stream name is followed by ?key=..."}
	errTooMany  = &session.RejectError{Reason: session.Denied, Text: "too many wrong stream keys from this address: wait a minute"}
	errNoPlay   = &session.RejectError{Reason: session.Denied, Text: "playing needs a key"}
)

// AuthorizePublish lets a publisher in that has a key of the stream. A stream that is
// not configured and a wrong key look alike, and cost the same work.
func (a *Authorizer) AuthorizePublish(_ context.Context, r session.Request) (session.Grant, error) {
	addr := r.Remote.Addr()
	if !a.attempts.allowed(addr) {
		return session.Grant{}, errTooMany
	}
	name, err := session.ParseName(r.Stream)
	if err != nil {
		return session.Grant{}, &session.RejectError{Reason: session.BadName, Text: err.Error()}
	}
	s := a.o.Streams[name]
	keys := s.Keys
	if len(keys) == 0 {
		keys = []session.Secret{a.o.PublishKey}
	}
	if !match(r.Credential, keys) {
		a.attempts.failed(addr)
		return session.Grant{}, errWrongKey
	}
	return session.Grant{Stream: name, Identity: identity(r.Credential), Takeover: s.Takeover}, nil
}

// AuthorizePlay lets players in if anybody may play, else those with a key that publishes the stream.
func (a *Authorizer) AuthorizePlay(ctx context.Context, r session.Request) (session.Grant, error) {
	if !a.o.AnonymousPlay {
		g, err := a.AuthorizePublish(ctx, r)
		if reject := (*session.RejectError)(nil); errors.As(err, &reject) && reject == errWrongKey {
			return session.Grant{}, errNoPlay
		}
		return g, err
	}
	name, err := session.ParseName(r.Stream)
	if err != nil {
		return session.Grant{}, &session.RejectError{Reason: session.BadName, Text: err.Error()}
	}
	return session.Grant{Stream: name}, nil
}

// match reports whether got is one of keys. It looks at all of them, whole, whatever
// got is: the time tells nothing.
func match(got session.Secret, keys []session.Secret) bool {
	sum := sha256.Sum256([]byte(got))
	found := 0
	for _, k := range keys {
		want := sha256.Sum256([]byte(k))
		found |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	return found == 1 && got != ""
}

// identity names a key without showing it.
func identity(key session.Secret) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:8])
}
