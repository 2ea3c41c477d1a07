package live

import (
	"fmt"
	"sort"
	"sync"
)

// Hub is the streams of this node by name. Its zero value is empty and ready.
type Hub struct {
	bell bell

	mu      sync.Mutex // guards streams; a leaf
	streams map[string]*Stream
}

// Add makes s known. It fails while a stream of that name is there.
func (h *Hub) Add(s *Stream) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams == nil {
		h.streams = make(map[string]*Stream)
	}
	if _, ok := h.streams[s.Name]; ok {
		return fmt.Errorf("add stream %s: it is there already", s.Name)
	}
	h.streams[s.Name] = s
	h.bell.ring()
	return nil
}

// Remove forgets s, if it is still the stream of its name.
func (h *Hub) Remove(s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams[s.Name] == s {
		delete(h.streams, s.Name)
		h.bell.ring()
	}
}

// Stream returns the stream of that name, nil if there is none.
func (h *Hub) Stream(name string) *Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams[name]
}

// Streams returns all streams, by name.
func (h *Hub) Streams() []*Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*Stream, 0, len(h.streams))
	for _, s := range h.streams {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// Changed returns a channel that is closed when a stream comes or goes. Take it,
// look at the hub, then wait.
func (h *Hub) Changed() <-chan struct{} { return h.bell.up() }
