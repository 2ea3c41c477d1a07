package auth

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	attemptsPerMinute = 10
	maxAddresses      = 10_000 // remembered; beyond that all forget, which costs an attacker 10,000 addresses
)

// attempts bounds the wrong keys that one address may try.
type attempts struct {
	mu sync.Mutex // guards by; a leaf
	by map[netip.Addr]*rate.Limiter
}

func newAttempts() *attempts { return &attempts{by: map[netip.Addr]*rate.Limiter{}} }

// allowed reports whether the address may try a key now.
func (a *attempts) allowed(addr netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.by[network(addr)]
	return l == nil || l.Tokens() >= 1
}

// failed counts a wrong key.
func (a *attempts) failed(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	addr = network(addr)
	l := a.by[addr]
	if l == nil {
		if len(a.by) >= maxAddresses {
			clear(a.by)
		}
		l = rate.NewLimiter(rate.Every(time.Minute/attemptsPerMinute), attemptsPerMinute)
		a.by[addr] = l
	}
	l.Allow()
}

// network returns what one party can be assumed to hold: an IPv4 address, or a /64.
func network(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
