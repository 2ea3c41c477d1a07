package node

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The heap is mostly media: large, without pointers, kept for a window's length. The
// collector's default lets garbage grow to as much as all that lives, which would be
// twice the memory for nothing, as media costs it no work. So it is told to allow as
// much garbage as there is of everything else, and a little of the media.
const (
	memoryEvery   = 5 * time.Second
	mediaGarbage  = 0.05 // of the media
	minGCPercent  = 5
	maxGCPercent  = 100 // Go's default
	gcPercentStep = 3   // smaller changes are not worth stopping the world for
)

// gcPercent returns the collector's percentage (runtime/debug.SetGCPercent) for a heap
// of that many live bytes, of which so many are media.
func gcPercent(heap, media uint64) int {
	if heap == 0 {
		return maxGCPercent
	}
	media = min(media, heap)
	allowed := mediaGarbage*float64(media) + float64(heap-media)
	return min(max(int(100*allowed/float64(heap)), minGCPercent), maxGCPercent)
}

// trimHeap keeps the collector's percentage right until ctx ends. An operator who has
// set GOGC has decided.
func (n *Node) trimHeap(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	defer debug.SetGCPercent(maxGCPercent)
	current := maxGCPercent
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		metrics.Read(live)
		p := gcPercent(live[0].Value.Uint64(), n.mediaBytes())
		if p-current >= gcPercentStep || current-p >= gcPercentStep {
			debug.SetGCPercent(p)
			current = p
		}
	}
}

// mediaBytes returns the media that the logs and the windows hold.
func (n *Node) mediaBytes() uint64 {
	total := 0
	for _, s := range n.hub.Streams() {
		for _, t := range s.Tracks() {
			total += t.Log.Bytes()
		}
	}
	for _, s := range n.catalog.Streams() {
		for _, r := range s.Renditions() {
			t := r.Load()
			for _, segment := range t.Segments {
				total += segment.Size()
			}
			for _, segment := range t.Kept {
				total += segment.Size()
			}
		}
	}
	return uint64(total)
}
