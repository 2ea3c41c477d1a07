// A playhead that stands while the player has too little data is stalled after
// the first figure; one that stands although data is there, after the second.
const starvedMs = 100;
const stuckMs = 500;

// Samples further apart than this come from a page that slept: they say nothing.
const sleptMs = 3000;

/** What the meter is told, once every 100 ms or so. */
export interface PlayheadSample {
  now: number; // milliseconds, monotonic
  time: number; // the playhead, seconds
  expected: boolean; // the picture should be moving now
  seeking: boolean;
  starved: boolean; // readyState below HAVE_FUTURE_DATA
}

/**
 * StallMeter counts the interruptions a viewer sees, and their length. Start-up,
 * pause and seeking are none; a stall lasts until the playhead moves by playing.
 */
export class StallMeter {
  count = 0;

  private totalMs = 0;
  private began: number | undefined;
  private lastNow = 0;
  private lastTime: number | undefined;
  private lastMoved = 0;

  /** Since when the playhead stands, in ms of the samples' clock; undefined if it does not. */
  get since(): number | undefined {
    return this.began;
  }

  seconds(now: number): number {
    return (this.totalMs + (this.began === undefined ? 0 : now - this.began)) / 1000;
  }

  /** rebase says that the playhead's next value has nothing to do with the last: not a movement. */
  rebase(): void {
    this.lastTime = undefined;
  }

  sample(s: PlayheadSample): void {
    const slept = s.now - this.lastNow > sleptMs;
    this.lastNow = s.now;
    if (!s.expected || slept) {
      this.close(s.now);
      this.lastTime = s.time;
      this.lastMoved = s.now;
      return;
    }
    const moved = this.lastTime !== undefined && s.time !== this.lastTime && !s.seeking;
    this.lastTime = s.time;
    if (moved) {
      this.close(s.now);
      this.lastMoved = s.now;
    } else if (s.seeking && this.began === undefined) {
      this.lastMoved = s.now;
    } else if (this.began === undefined && s.now - this.lastMoved > (s.starved ? starvedMs : stuckMs)) {
      this.began = this.lastMoved;
      this.count++;
    }
  }

  private close(now: number): void {
    if (this.began !== undefined) this.totalMs += now - this.began;
    this.began = undefined;
  }
}
