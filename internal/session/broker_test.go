package session

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
)

// keys authorises by the credential: key "k" is identity "k", anything else is refused.
type keys struct{ takeover bool }

func (a keys) AuthorizePublish(_ context.Context, r Request) (Grant, error) {
	name, err := ParseName(r.Stream)
	if err != nil {
		return Grant{}, &RejectError{BadName, err.Error()}
	}
	if r.Credential == "" {
		return Grant{}, &RejectError{Denied, "wrong key"}
	}
	return Grant{Stream: name, Identity: string(r.Credential), Takeover: a.takeover}, nil
}

func (a keys) AuthorizePlay(_ context.Context, r Request) (Grant, error) {
	return Grant{Stream: r.Stream}, nil
}

// inlet counts what reaches the sources it opens.
type inlet struct {
	open, opened, closed, written atomic.Int32
	fail                          error
}

func (in *inlet) Open(*Session) (Source, error) {
	if in.fail != nil {
		return nil, in.fail
	}
	if in.open.Add(1) > 1 {
		panic("a source was opened before the former one was closed")
	}
	in.opened.Add(1)
	return inletSource{in}, nil
}

type inletSource struct{ *inlet }

func (s inletSource) Configure(TrackRef, media.Init) error { return nil }
func (s inletSource) Write(TrackRef, media.Sample) error   { s.written.Add(1); return nil }
func (s inletSource) Close(error)                          { s.open.Add(-1); s.closed.Add(1) }

func request(key Secret, kicked *atomic.Int32) Request {
	return Request{Protocol: "test", Stream: "s", Credential: key, Kick: func(error) { kicked.Add(1) }}
}

func newBroker(auth Authorizer, in *inlet) *Broker {
	return NewBroker(Options{Auth: auth, Ingest: in, Hub: &live.Hub{}})
}

func publish(t *testing.T, b *Broker, r Request) *Publication {
	t.Helper()
	p, err := b.Publish(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rejected(t *testing.T, err error, want RejectReason) {
	t.Helper()
	var r *RejectError
	if !errors.As(err, &r) || r.Reason != want {
		t.Errorf("err = %v, want reason %d", err, want)
	}
}

var video = TrackRef{Kind: media.Video}

// Row P2: the encoder is gone without a FIN and returns at once.
func TestFault_P2_HalfOpenIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, kicked := &inlet{}, &atomic.Int32{}
		b := newBroker(keys{}, in)
		first := publish(t, b, request("k", kicked))
		_ = first.Write(video, media.Sample{Arrived: time.Now()})
		time.Sleep(10 * time.Millisecond)
		start := time.Now()
		second := publish(t, b, request("k", &atomic.Int32{}))
		if d := time.Since(start); d > 500*time.Millisecond {
			t.Errorf("takeover took %v", d)
		}
		if kicked.Load() != 1 {
			t.Error("the old connection was not closed")
		}
		// The fence: what the old connection still delivers goes nowhere.
		before := in.written.Load()
		if err := first.Write(video, media.Sample{Arrived: time.Now()}); err == nil || in.written.Load() != before {
			t.Error("the old publisher wrote into the stream after the takeover")
		}
		first.Close(nil) // must not end the new one
		if err := second.Write(video, media.Sample{Arrived: time.Now()}); err != nil {
			t.Error(err)
		}
		if n := len(b.Sessions()); n != 1 {
			t.Errorf("%d sessions, want 1", n)
		}
	})
}

// Row P3: a second publisher with another key is refused, the first is not touched.
func TestFault_P3_OtherKeyIsRefused(t *testing.T) {
	in, kicked := &inlet{}, &atomic.Int32{}
	b := newBroker(keys{takeover: true}, in)
	first := publish(t, b, request("k", kicked))
	_, err := b.Publish(t.Context(), request("other", &atomic.Int32{}))
	rejected(t, err, Taken)
	if err := first.Write(video, media.Sample{Arrived: time.Now()}); err != nil || kicked.Load() != 0 {
		t.Errorf("the first publisher was disturbed: %v", err)
	}
}

// Row P4: same key, the first alive: refused by default, replaced where configured.
func TestFault_P4_SameKeyWhileAlive(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			in, kicked := &inlet{}, &atomic.Int32{}
			b := newBroker(keys{takeover}, in)
			first := publish(t, b, request("k", kicked))
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				for ctx.Err() == nil {
					if first.Write(video, media.Sample{Arrived: time.Now()}) != nil {
						return
					}
					time.Sleep(40 * time.Millisecond)
				}
			}()
			_, err := b.Publish(t.Context(), request("k", &atomic.Int32{}))
			if takeover {
				if err != nil || kicked.Load() != 1 {
					t.Errorf("takeover: %v, kicked %d", err, kicked.Load())
				}
			} else {
				rejected(t, err, Taken)
				if kicked.Load() != 0 {
					t.Error("the live publisher was put out")
				}
			}
			stop()
			<-done
		})
	}
}

// Row Q12: nothing is left of sessions that failed.
func TestFault_Q12_FailedSessionsLeaveNothing(t *testing.T) {
	in := &inlet{}
	b := newBroker(keys{}, in)
	for range 10_000 {
		_, err := b.Publish(t.Context(), request("", &atomic.Int32{}))
		rejected(t, err, Denied)
		_, err = b.Play(t.Context(), request("k", &atomic.Int32{}))
		rejected(t, err, NotFound)
		publish(t, b, request("k", &atomic.Int32{})).Close(nil)
	}
	in.fail = errors.New("no room")
	if _, err := b.Publish(t.Context(), request("k", &atomic.Int32{})); err == nil {
		t.Error("published into a source that did not open")
	}
	if n := len(b.Sessions()); n != 0 || len(b.sources) != 0 {
		t.Errorf("%d sessions and %d sources are left", n, len(b.sources))
	}
	if in.opened.Load() != in.closed.Load() {
		t.Errorf("%d sources opened, %d closed", in.opened.Load(), in.closed.Load())
	}
}

func TestSessionsAreLimitedAndKicked(t *testing.T) {
	kicked := &atomic.Int32{}
	hub := &live.Hub{}
	_ = hub.Add(live.NewStream("s", time.Now(), 1))
	b := NewBroker(Options{Auth: keys{}, Ingest: &inlet{}, Hub: hub, MaxSessions: 2})
	p := publish(t, b, request("k", kicked))
	play, err := b.Play(t.Context(), request("", &atomic.Int32{}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Play(t.Context(), request("", &atomic.Int32{}))
	rejected(t, err, Busy)
	play.Close(nil)
	play.Close(nil)
	if !b.Kick(p.ID) || kicked.Load() != 1 || b.Kick("nobody") {
		t.Error("kick")
	}
}

// Row R8: what is no name never gets past the door.
func TestFault_R8_NameGrammar(t *testing.T) {
	for _, bad := range []string{"", "/", "a/", "/a", "a//b", "..", "a/../b", ".", "%2e%2e", `a\b`, "a b", "a\x00", "é", "a?b", "аdmin", "a\r\nb", string(make([]byte, 129)), "<x>"} {
		if got, err := ParseName(bad); err == nil {
			t.Errorf("%q passed as %q", bad, got)
		}
	}
	for _, good := range []string{"a", "live/News_1-a", "0"} {
		if got, err := ParseName(good); err != nil || got != good {
			t.Errorf("%q: %q, %v", good, got, err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("demo")
	f.Add("a/../b")
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseName(s)
		if err != nil {
			return
		}
		for _, c := range []byte(name) {
			if c == '.' || c == '%' || c == '\\' || c < '-' || c > 'z' {
				t.Fatalf("%q passed", s)
			}
		}
	})
}

func TestSecretsDoNotPrint(t *testing.T) {
	if s := Secret("canary").String(); s != "***" {
		t.Error(s)
	}
}
