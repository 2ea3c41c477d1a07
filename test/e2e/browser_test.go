package e2e

import (
	"testing"
	"time"
)

// A page is a Chromium that plays a stream's page.
type page struct{}

// allow says what a page may have met.
type allow struct {
	stalls  []time.Duration // outages of the stream
	reloads int
	errors  bool
}

func (s *server) watch(t *testing.T, stream string, d time.Duration) *page { return &page{} }
func (p *page) playing(t *testing.T)                                       {}
func (p *page) check(t *testing.T, a allow)                                {}
