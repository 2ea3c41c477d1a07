// How long the playhead may stand, in ms, before the next remedy. hls.js has its
// own cures for the first seconds; these are for what they leave.
const edgeAfterMs = 5000;
const restartAfterMs = 10_000;
const restartFrozenAfterMs = 30_000;

// An engine that loads nothing for this long, in ms, although there is something,
// and little in the buffer (seconds), has lost its way.
const idleMs = 600;
const littleSeconds = 2;

// Media is loaded in order: what lies behind a hole for this long, in ms, has nothing missing before it that still comes.
const holeMs = 700;

// A gap between two remedies, and how much further the edge must be for the server to count as alive.
const pauseMs = 2500;
const movedSeconds = 1;

// A viewer who follows the live edge is put back there when further behind than
// the target by this, or by a segment where segments are longer: beyond it hls.js no longer catches up by rate.
const maxBehindSeconds = 4;

export interface Watched {
  now: number; // ms, monotonic
  standingSince: number | undefined;
  sourceLost: boolean;
  edge: number; // seconds, as is all below
  nextBuffered: number | undefined; // start of the next buffered range after the playhead
  idle: boolean; // as Reading says it
  buffer: number;
  following: boolean;
  behind: number | null; // latency less its target
  segmentSeconds: number;
}

export type Remedy = 'none' | 'reload' | 'skip' | 'edge' | 'restart';

/** Watchdog decides what to do about a playhead that stands or has fallen behind. */
export class Watchdog {
  private acted = -Infinity;
  // The stall that is open; from is when its source was last known to be lost, else since.
  private holeSeen: number | undefined; // when
  private idleSeen: number | undefined; // when
  private stall: { since: number; from: number; edge: number } | undefined;

  /** look returns the remedy that is due; the caller applies it at once. */
  look(w: Watched): Remedy {
    const remedy = this.decide(w);
    if (remedy !== 'none') this.acted = w.now;
    return remedy;
  }

  private decide(w: Watched): Remedy {
    const standing = w.standingSince !== undefined;
    this.holeSeen = standing && w.nextBuffered !== undefined ? (this.holeSeen ?? w.now) : undefined;
    const lost = w.idle && w.buffer < littleSeconds && !w.sourceLost && this.holeSeen === undefined;
    this.idleSeen = lost ? (this.idleSeen ?? w.now) : undefined;
    if (w.standingSince === undefined) {
      this.stall = undefined;
      if (this.hasLostItsWay(w.now)) return 'reload';
      const far = w.behind !== null && w.behind > Math.max(maxBehindSeconds, w.segmentSeconds);
      return w.following && far && w.now - this.acted > pauseMs ? 'edge' : 'none';
    }
    if (this.stall?.since !== w.standingSince) {
      this.stall = { since: w.standingSince, from: w.standingSince, edge: w.edge };
    }
    if (w.sourceLost) {
      // The server itself says that media is missing: waiting is the cure.
      this.stall.from = w.now;
      this.stall.edge = w.edge;
    }
    if (w.now - this.acted < pauseMs) return 'none';
    const stood = w.now - this.stall.from;
    if (this.holeSeen !== undefined) {
      if (stood > restartAfterMs) return 'restart';
      return w.now - this.holeSeen > holeMs ? 'skip' : 'none';
    }
    if (w.sourceLost) return 'none';
    if (this.hasLostItsWay(w.now) && stood < edgeAfterMs) return 'reload';
    const alive = w.edge > this.stall.edge + movedSeconds;
    if (stood > (alive ? restartAfterMs : restartFrozenAfterMs)) return 'restart';
    return alive && stood > edgeAfterMs ? 'edge' : 'none';
  }

  private hasLostItsWay(now: number): boolean {
    return this.idleSeen !== undefined && now - this.idleSeen > idleMs && now - this.acted > pauseMs;
  }
}
