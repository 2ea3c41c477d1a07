package presentation

import (
	"sort"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
)

// Rendition is one track as it unfolds: its newest Track, set by the track's one
// packager, and the waiters for the next.
type Rendition struct {
	ID   string
	Kind media.Kind
	live.Latest[*Track]
}

// Stream is a packaged stream: its renditions as they come.
type Stream struct {
	Name    string
	Cadence media.Cadence
	Window  time.Duration // how much media playlists list

	renditions live.Latest[[]*Rendition]
	mu         sync.Mutex // serialises Add
}

// Add makes a rendition known, with its first Track. From then on players see it.
func (s *Stream) Add(first *Track) *Rendition {
	r := &Rendition{ID: first.ID, Kind: first.Kind}
	r.Set(first)
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append([]*Rendition(nil), s.renditions.Load()...)
	all = append(all, r)
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].Kind != all[j].Kind {
			return all[i].Kind < all[j].Kind
		}
		return all[i].ID < all[j].ID
	})
	s.renditions.Set(all)
	return r
}

// Renditions returns all renditions: video first, then by ID. The caller must not change the slice.
func (s *Stream) Renditions() []*Rendition { return s.renditions.Load() }

// Rendition returns the rendition of that ID, nil if there is none.
func (s *Stream) Rendition(id string) *Rendition {
	for _, r := range s.Renditions() {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Catalog is the packaged streams of this node by name. The zero value is empty and
// ready. An ended stream stays until its name is used again or it is removed.
type Catalog struct {
	mu      sync.RWMutex // guards streams; a leaf
	streams map[string]*Stream
}

// Put makes s the stream of its name.
func (c *Catalog) Put(s *Stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams == nil {
		c.streams = make(map[string]*Stream)
	}
	c.streams[s.Name] = s
}

// Remove forgets s, if it is still the stream of its name.
func (c *Catalog) Remove(s *Stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams[s.Name] == s {
		delete(c.streams, s.Name)
	}
}

// Stream returns the stream of that name, nil if there is none.
func (c *Catalog) Stream(name string) *Stream {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.streams[name]
}

// Streams returns all streams, by name.
func (c *Catalog) Streams() []*Stream {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]*Stream, 0, len(c.streams))
	for _, s := range c.streams {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
