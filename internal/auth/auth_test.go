package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/headrace/headrace/internal/session"
)

func newAuth(t *testing.T) *Authorizer {
	t.Helper()
	a, err := New(Options{PublishKey: "server-wide-key", AnonymousPlay: true, Streams: map[string]Stream{
		"own":  {Keys: []session.Secret{"own-key-1", "own-key-2"}},
		"take": {Takeover: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ask(stream string, key session.Secret, addr string) session.Request {
	return session.Request{Stream: stream, Credential: key, Remote: netip.AddrPortFrom(netip.MustParseAddr(addr), 1)}
}

func TestPublishNeedsAKeyOfTheStream(t *testing.T) {
	a := newAuth(t)
	for _, c := range []struct {
		stream string
		key    session.Secret
		ok     bool
	}{
		{"any/stream", "server-wide-key", true}, {"any", "own-key-1", false}, {"any", "", false},
		{"own", "own-key-1", true}, {"own", "own-key-2", true}, {"own", "server-wide-key", false}, {"own", "", false},
		{"../own", "own-key-1", false}, {"take", "server-wide-key", true},
	} {
		g, err := a.AuthorizePublish(t.Context(), ask(c.stream, c.key, "192.0.2.1"))
		if (err == nil) != c.ok {
			t.Errorf("%s: err = %v", c.stream, err)
		}
		if err == nil && (g.Stream != c.stream || g.Identity == "" || g.Identity == string(c.key) || g.Takeover != (c.stream == "take")) {
			t.Errorf("%s: grant %+v", c.stream, g)
		}
	}
	one, _ := a.AuthorizePublish(t.Context(), ask("own", "own-key-1", "192.0.2.1"))
	two, _ := a.AuthorizePublish(t.Context(), ask("own", "own-key-2", "192.0.2.1"))
	if one.Identity == two.Identity {
		t.Error("two keys, one identity: one would take over from the other")
	}
}

// Row P3, and specs: unknown streams and wrong keys look alike.
func TestFault_P3_UnknownAndWrongLookAlike(t *testing.T) {
	a := newAuth(t)
	_, unknown := a.AuthorizePublish(t.Context(), ask("unknown", "x", "192.0.2.2"))
	_, wrong := a.AuthorizePublish(t.Context(), ask("own", "x", "192.0.2.2"))
	if unknown.Error() != wrong.Error() {
		t.Errorf("%q and %q differ", unknown, wrong)
	}
}

func TestWrongKeysAreCountedByAddress(t *testing.T) {
	a := newAuth(t)
	for range attemptsPerMinute {
		_, _ = a.AuthorizePublish(t.Context(), ask("s", "x", "2001:db8::1"))
	}
	_, err := a.AuthorizePublish(t.Context(), ask("s", "server-wide-key", "2001:db8::2")) // the same /64
	if !errors.Is(err, error(errTooMany)) {
		t.Errorf("err = %v, want too many", err)
	}
	if _, err := a.AuthorizePublish(t.Context(), ask("s", "server-wide-key", "192.0.2.9")); err != nil {
		t.Errorf("another address was refused: %v", err)
	}
	for i := range 3 * maxAddresses {
		a.attempts.failed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if n := len(a.attempts.by); n > maxAddresses {
		t.Errorf("%d addresses are remembered", n)
	}
}

func TestPlayIsOpenOrNot(t *testing.T) {
	a := newAuth(t)
	if _, err := a.AuthorizePlay(t.Context(), ask("own", "", "192.0.2.1")); err != nil {
		t.Error(err)
	}
	a.o.AnonymousPlay = false
	if _, err := a.AuthorizePlay(t.Context(), ask("own", "", "192.0.2.1")); err == nil {
		t.Error("played without a key")
	}
	if _, err := a.AuthorizePlay(t.Context(), ask("own", "own-key-1", "192.0.2.1")); err != nil {
		t.Error(err)
	}
}

// Row H6: the API takes no cookie and no other site's page.
func TestFault_H6_RequireToken(t *testing.T) {
	h := RequireToken("the-token", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, c := range []struct {
		name, authorization, origin string
		want                        int
	}{
		{"right", "Bearer the-token", "", http.StatusTeapot},
		{"right, own page", "Bearer the-token", "http://example.com", http.StatusTeapot},
		{"another site's page", "Bearer the-token", "http://evil.example", http.StatusForbidden},
		{"none", "", "", http.StatusUnauthorized},
		{"empty", "Bearer ", "", http.StatusUnauthorized},
		{"wrong", "Bearer the-toke", "", http.StatusUnauthorized},
		{"basic", "Basic dGhlLXRva2Vu", "", http.StatusUnauthorized},
	} {
		r := httptest.NewRequest("GET", "/api/v1/streams", nil)
		r.Header.Set("Authorization", c.authorization)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
		}
	}
}
