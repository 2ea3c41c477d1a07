package auth

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/headrace/headrace/internal/session"
)

// RequireToken lets requests through that carry the token as a bearer (RFC 6750,
// 2.1), and answers 401 to others. There are no cookies, so that a page of another
// site has nothing to ride on: not even one whose name was rebound to this address
// can know the token. A request with another site's Origin is refused all the same. Wrong tokens are counted against the
// address like wrong stream keys.
func RequireToken(token session.Secret, next http.Handler) http.Handler {
	tries := newAttempts()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		var addr netip.Addr
		if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			addr = ap.Addr()
		}
		if !tries.allowed(addr) {
			http.Error(w, "too many wrong tokens from this address: wait a minute", http.StatusTooManyRequests)
			return
		}
		if o := r.Header.Get("Origin"); o != "" && o != "http://"+r.Host && o != "https://"+r.Host {
			http.Error(w, "the API is not for other sites' pages", http.StatusForbidden)
			return
		}
		got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !match(session.Secret(got), []session.Secret{token}) {
			if ok {
				tries.failed(addr)
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="headrace"`)
			http.Error(w, "the API needs the admin token: Authorization: Bearer ...", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
