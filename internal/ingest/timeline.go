package ingest

import (
	"time"

	"github.com/headrace/headrace/internal/media"
)

// timeline maps one source's own times to the stream's epoch timeline. It is anchored
// once and then follows the source's clock; when that clock jumps, the timeline goes
// on without a step. Pure; `now` is an input.
type timeline struct {
	offset   time.Duration // epoch minus source time, for lanes that begin
	anchored bool
	lanes    []*lane
}

// lane is the timeline of one track.
type lane struct {
	scale  media.Timescale
	offset time.Duration // epoch minus source time
	last   media.Ticks   // source time of the newest sample
	usual  media.Ticks   // between samples
	seen   time.Time     // arrival of the newest sample
	begun  bool

	trial  *trial    // a jump that may be one bad timestamp
	jumped time.Time // arrival of the newest jump, zero when it was dealt with
}

// trial remembers the time before a jump until enough samples have confirmed it.
type trial struct {
	offset time.Duration
	last   media.Ticks
	passed int // samples since
}

const (
	jumpAhead = 3 * time.Second // a greater step forward is a jump of the clock, not missing media
	jumpBack  = 2 * time.Second
	// confirmJump is the samples after a jump that make it one: a single wild
	// timestamp among good ones is overruled instead.
	confirmJump = 2
	// pause is the silence from which arrival tells how long it was, if the clock does not.
	pause = time.Second
	// together is how close in time all tracks jump when it is the source's clock.
	together = 2 * time.Second
)

func (tl *timeline) lane(scale media.Timescale) *lane {
	l := &lane{scale: scale}
	tl.lanes = append(tl.lanes, l)
	return l
}

// anchor places source time zero at the epoch time offset.
func (tl *timeline) anchor(offset time.Duration) {
	tl.offset, tl.anchored = offset, true
}

// place returns the shift from the source's times to the stream's for the sample at
// dts, and whether the source's clock as a whole has jumped right before it.
func (tl *timeline) place(l *lane, dts media.Ticks, now time.Time) (shift media.Ticks, jump bool) {
	if !l.begun {
		l.begun, l.offset = true, tl.offset
	} else {
		jump = tl.follow(l, dts, now)
	}
	if step := dts - l.last; step > 0 && step < media.Ticks(l.scale) {
		l.usual = step
	}
	l.last, l.seen = dts, now
	return media.FromDuration(l.offset, l.scale), jump
}

// follow takes note of a jump of l before dts.
func (tl *timeline) follow(l *lane, dts media.Ticks, now time.Time) (jump bool) {
	if t := l.trial; t != nil {
		since := media.Ticks(t.passed+2) * l.usual
		if back := (dts - t.last - since).Duration(l.scale); back > -time.Second && back < time.Second {
			l.offset, l.trial = t.offset, nil // it was one bad timestamp
			return false
		}
		if t.passed++; t.passed >= confirmJump {
			l.trial, l.jumped = nil, now
			return tl.unify(now)
		}
	}
	step := (dts - l.last).Duration(l.scale)
	if step <= jumpAhead && step >= -jumpBack {
		return false
	}
	silent := now.Sub(l.seen)
	if d := step - silent; step > 0 && d <= jumpAhead && d >= -jumpAhead {
		return false // nothing came for as long as the clock says: media is missing (E12)
	}
	if l.trial == nil {
		l.trial = &trial{offset: l.offset, last: l.last}
	}
	// Go on as if the sample were the usual time after the one before, or as long as it was silent.
	on := l.usual
	if silent > pause {
		on = media.FromDuration(silent, l.scale)
	}
	l.offset += (l.last + on - dts).Duration(l.scale)
	return false
}

// unify makes the lanes agree again when all that are alive have jumped: it was the
// source's clock. A single track that jumps keeps an offset of its own.
func (tl *timeline) unify(now time.Time) bool {
	offset := time.Duration(-1 << 62)
	for _, l := range tl.lanes {
		alive := l.begun && now.Sub(l.seen) < together
		if alive && (l.jumped.IsZero() || now.Sub(l.jumped) > together) {
			return false
		}
		if alive {
			offset = max(offset, l.offset)
		}
	}
	tl.offset = offset
	for _, l := range tl.lanes {
		l.offset, l.jumped = offset, time.Time{}
	}
	return true
}
