package ingest

import "time"

// grid numbers the segments of a stream. Cell i of the grid spans the wall-clock time
// [i, i+1) x step since the Unix epoch; a segment takes the number of the cell it
// began in, or a lower one: numbers go up by one at each boundary, a boundary needs
// a grid point since the last one, so the numbers never run ahead of the grid for
// long. A server that starts again begins above all numbers it can have given out.
type grid struct {
	step time.Duration
	msn  uint64        // of the open segment
	from time.Duration // where it began, since the epoch
}

// cell returns the number of the grid cell that the instant t, since the epoch, lies in.
func cell(t, step time.Duration) uint64 { return uint64(t / step) }

// aheadOfGrid is by how much the number of a segment may exceed its cell in the long
// run: a discontinuity starts a segment without waiting for a grid point.
const aheadOfGrid = 1

// firstMSN returns the number of a stream's first segment, that begins at from. The
// process started at boot: numbers up to that cell's, and aheadOfGrid, are used up. (A
// process that starts twice within two cells can give the same number twice.)
func firstMSN(from, boot, step time.Duration) uint64 {
	return max(cell(from, step), cell(boot, step)+aheadOfGrid+1)
}

// due reports whether a sync sample at t begins a new segment.
func (g *grid) due(t time.Duration) bool {
	if cell(t, g.step) <= cell(g.from, g.step) {
		return false // no grid point since the segment began
	}
	// Numbers that have run ahead of the grid wait for it, within reason.
	return cell(t, g.step)+aheadOfGrid > g.msn || t-g.from >= 2*g.step
}

// next begins a new segment at t and returns its number.
func (g *grid) next(t time.Duration) uint64 {
	g.msn++
	g.from = t
	return g.msn
}
