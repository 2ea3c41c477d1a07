package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
)

// Authorizer decides who may publish and play. Both methods return a *RejectError to
// refuse; unknown streams and wrong credentials look alike in it, and take as long.
type Authorizer interface {
	AuthorizePublish(ctx context.Context, r Request) (Grant, error)
	AuthorizePlay(ctx context.Context, r Request) (Grant, error)
}

// challenge is how long a publisher may be silent before one with the same
// credential takes its place: its connection is taken for half-open. A live encoder
// sends audio or video every 50 ms or so; the whole takeover has to fit in 500 ms.
const challenge = 350 * time.Millisecond

// Errors that a session is ended with.
var (
	ErrTakenOver = errors.New("another connection with the same key took over")
	ErrKicked    = errors.New("put out by the operator")
	errFenced    = errors.New("this publication has ended")
)

// Options are the collaborators and limits of a Broker.
type Options struct {
	Auth        Authorizer
	Ingest      Ingest
	Hub         *live.Hub
	Logger      *slog.Logger
	MaxSessions int // publishers and players together; 0: no limit
}

// Broker lets publishers and players in. All methods are safe from any goroutine.
type Broker struct {
	o Options

	mu       sync.Mutex // guards all below; a leaf, taken under Publication.mu
	sessions map[ID]*Session
	sources  map[string]*Publication // who publishes, by stream
}

// NewBroker returns a Broker; it has no goroutines of its own.
func NewBroker(o Options) *Broker {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Broker{o: o, sessions: map[ID]*Session{}, sources: map[string]*Publication{}}
}

// Publication is a publisher's hold on its stream. Its methods are for the one
// goroutine that reads the publisher. Once another publisher has taken over, Write
// and Configure fail, and nothing of the old one can get into the stream (a fence).
type Publication struct {
	*Session
	broker *Broker

	mu     sync.Mutex // held while the source is called: the fence
	source Source     // nil when ended
}

// Publish lets a publisher in. It may take up to challenge to see whether a former
// connection with the same credential is still alive. Errors are *RejectError, or ctx's.
func (b *Broker) Publish(ctx context.Context, r Request) (*Publication, error) {
	grant, err := b.o.Auth.AuthorizePublish(ctx, r)
	if err != nil {
		return nil, err
	}
	for {
		p, holder, err := b.claim(r, grant)
		if p != nil || err != nil {
			return p, err
		}
		if err := b.contest(ctx, holder, grant); err != nil {
			return nil, err
		}
	}
}

// claim makes r the publisher of the stream if nobody is, else returns who is.
func (b *Broker) claim(r Request, g Grant) (p, holder *Publication, err error) {
	p = &Publication{Session: newSession(Publisher, r, g), broker: b}
	p.lastMedia.Store(time.Now().UnixNano())
	p.mu.Lock() // nobody reaches the source before it is open
	defer p.mu.Unlock()
	if holder, err := b.enlist(p); holder != nil || err != nil {
		return nil, holder, err
	}
	src, err := b.o.Ingest.Open(p.Session)
	if err != nil {
		b.forget(p)
		return nil, nil, fmt.Errorf("open stream %s: %w", g.Stream, err)
	}
	p.source = src
	b.o.Logger.Info("publisher came", "session", p.ID, "stream", p.Stream, "proto", r.Protocol, "remote", r.Remote, "agent", r.Agent)
	return p, nil, nil
}

// enlist makes p the publisher of its stream if nobody is, else returns who is.
func (b *Broker) enlist(p *Publication) (holder *Publication, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if holder := b.sources[p.Stream]; holder != nil {
		return holder, nil
	}
	if b.full() {
		return nil, &RejectError{Busy, "the server has all the sessions it takes"}
	}
	b.sources[p.Stream] = p
	b.sessions[p.ID] = p.Session
	return nil, nil
}

// contest ends holder if the newcomer may have its place, else returns why not.
func (b *Broker) contest(ctx context.Context, holder *Publication, g Grant) error {
	if holder.identity != g.Identity {
		b.o.Logger.Warn("second publisher with another key refused", "stream", g.Stream, "session", holder.ID)
		return &RejectError{Taken, "somebody else publishes this stream"}
	}
	if !g.Takeover && holder.alive(ctx) {
		return &RejectError{Taken, "this stream is being published already"}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	holder.end(ErrTakenOver)
	holder.Request.Kick(ErrTakenOver)
	return nil
}

// alive reports whether media arrives within the challenge.
func (s *Session) alive(ctx context.Context) bool {
	last := s.lastMedia.Load()
	rest := challenge - time.Since(time.Unix(0, last))
	if rest <= 0 {
		return false
	}
	t := time.NewTimer(rest)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return s.lastMedia.Load() != last && !s.ended.Load()
}

// Configure announces a track or changes its configuration.
func (p *Publication) Configure(ref TrackRef, init media.Init) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.source == nil {
		return errFenced
	}
	return p.source.Configure(ref, init)
}

// Write hands one access unit to the stream; see Source.
func (p *Publication) Write(ref TrackRef, s media.Sample) error {
	p.lastMedia.Store(s.Arrived.UnixNano())
	p.Received.Add(uint64(len(s.Data)))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.source == nil {
		return errFenced
	}
	return p.source.Write(ref, s)
}

// Close ends the publication: reason is nil when the publisher said goodbye. Further calls do nothing.
func (p *Publication) Close(reason error) { p.end(reason) }

func (p *Publication) end(reason error) {
	p.mu.Lock()
	src := p.source
	p.source = nil
	if src != nil {
		src.Close(reason)
		p.broker.forget(p)
	}
	p.mu.Unlock()
	if src == nil {
		return
	}
	p.broker.o.Logger.Info("publisher went", "session", p.ID, "stream", p.Stream, "reason", text(reason),
		"received", p.Received.Load(), "dropped", p.Dropped.Load(), "for", time.Since(p.Started).Round(time.Millisecond))
}

func text(reason error) string {
	if reason == nil {
		return "goodbye"
	}
	return reason.Error()
}

func (b *Broker) forget(p *Publication) {
	p.ended.Store(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sources[p.Stream] == p {
		delete(b.sources, p.Stream)
	}
	delete(b.sessions, p.ID)
}

// Playback is a player's hold on a stream.
type Playback struct {
	*Session
	Live   *live.Stream
	broker *Broker
}

// Play lets a player in. Errors are *RejectError, or ctx's.
func (b *Broker) Play(ctx context.Context, r Request) (*Playback, error) {
	grant, err := b.o.Auth.AuthorizePlay(ctx, r)
	if err != nil {
		return nil, err
	}
	stream := b.o.Hub.Stream(grant.Stream)
	if stream == nil {
		return nil, &RejectError{NotFound, "there is no such stream now"}
	}
	p := &Playback{Session: newSession(Player, r, grant), Live: stream, broker: b}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full() {
		return nil, &RejectError{Busy, "the server has all the sessions it takes"}
	}
	b.sessions[p.ID] = p.Session
	b.o.Logger.Debug("player came", "session", p.ID, "stream", p.Stream, "proto", r.Protocol, "remote", r.Remote, "agent", r.Agent)
	return p, nil
}

// Close ends the playback. Further calls do nothing.
func (p *Playback) Close(reason error) {
	if p.ended.Swap(true) {
		return
	}
	p.broker.mu.Lock()
	delete(p.broker.sessions, p.ID)
	p.broker.mu.Unlock()
	p.broker.o.Logger.Debug("player went", "session", p.ID, "stream", p.Stream, "reason", text(reason), "sent", p.Sent.Load())
}

func newSession(role Role, r Request, g Grant) *Session {
	if r.Kick == nil {
		r.Kick = func(error) {}
	}
	r.Credential = "" // it has served; nothing behind the door sees it
	return &Session{ID: newID(), Role: role, Stream: g.Stream, Started: time.Now(), Request: r, identity: g.Identity}
}

// full reports whether the limit of sessions is reached. b.mu is held.
func (b *Broker) full() bool {
	return b.o.MaxSessions > 0 && len(b.sessions) >= b.o.MaxSessions
}

// Sessions returns the sessions there are now, oldest first.
func (b *Broker) Sessions() []*Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*Session, 0, len(b.sessions))
	for _, s := range b.sessions {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Started.Before(all[j].Started) })
	return all
}

// Kick puts a session out and reports whether there was one of that ID.
func (b *Broker) Kick(id ID) bool {
	b.mu.Lock()
	s := b.sessions[id]
	b.mu.Unlock()
	if s == nil {
		return false
	}
	s.Request.Kick(ErrKicked)
	return true
}
