import type { Quality } from './engine';

/**
 * What the viewer sees:
 *
 *   loading       a live stream is found, its first picture is not there yet
 *   waiting       there is no such stream now
 *   playing
 *   paused        by the viewer, or because the browser wants a gesture first
 *   buffering     the picture stands: too little data
 *   no-signal     the picture stands: the server says that the encoder is gone
 *   reconnecting  the server does not answer
 *   ended         the stream has said that it is over
 *   unsupported   this browser plays no HLS at all
 */
export type State =
  | 'loading'
  | 'waiting'
  | 'playing'
  | 'paused'
  | 'buffering'
  | 'no-signal'
  | 'reconnecting'
  | 'ended'
  | 'unsupported';

/** What the supervisor is busy with; the state follows from it and the playhead. */
export type Phase = 'loading' | 'waiting' | 'reconnecting' | 'attached' | 'ended' | 'unsupported';

export interface Error {
  at: number; // ms since the Unix epoch
  type: string;
  details: string;
  fatal: boolean;
}

/** The player at one moment. Seconds, bit/s and pixels; null where it cannot be told. */
export interface Snapshot {
  stream: string;
  state: State;
  protocol: string;
  latency: number | null; // of the playhead, by the stream's wall clock where it has one
  edgeLatency: number | null; // of the playhead, from the live edge
  target: number | null; // for edgeLatency
  following: boolean; // near the live edge, and kept there
  buffer: number;
  stalls: number;
  stalledSeconds: number;
  droppedFrames: number;
  totalFrames: number;
  bitrate: number; // measured
  levelBitrate: number; // declared
  width: number;
  height: number;
  fps: number;
  playbackRate: number;
  currentTime: number;
  startupSeconds: number | null; // from finding a live stream to its first picture
  starts: number; // engines started: 1 unless something had to be begun again
  errors: Error[]; // the last ones, oldest first
  errorCount: number;
  qualities: Quality[];
  quality: number;
  auto: boolean;
}

export function emptySnapshot(stream: string): Snapshot {
  return {
    stream,
    state: 'loading',
    protocol: '',
    latency: null,
    edgeLatency: null,
    target: null,
    following: true,
    buffer: 0,
    stalls: 0,
    stalledSeconds: 0,
    droppedFrames: 0,
    totalFrames: 0,
    bitrate: 0,
    levelBitrate: 0,
    width: 0,
    height: 0,
    fps: 0,
    playbackRate: 1,
    currentTime: 0,
    startupSeconds: null,
    starts: 0,
    errors: [],
    errorCount: 0,
    qualities: [],
    quality: -1,
    auto: true,
  };
}

/** What stateOf needs to know besides the phase. */
export interface Playhead {
  paused: boolean;
  shown: boolean; // a picture has been seen since the phase began
  standing: boolean; // a stall is open
  sourceLost: boolean;
}

export function stateOf(phase: Phase, p: Playhead): State {
  switch (phase) {
    case 'waiting':
    case 'ended':
    case 'unsupported':
      return phase;
    case 'loading':
      return 'loading';
    case 'reconnecting':
      // What is buffered still plays.
      return p.standing || !p.shown ? 'reconnecting' : 'playing';
    case 'attached':
      if (p.paused) return 'paused';
      if (!p.shown) return p.sourceLost ? 'no-signal' : 'loading';
      if (p.standing) return p.sourceLost ? 'no-signal' : 'buffering';
      return 'playing';
  }
}

// A clock that is wrong shows as a latency below that of the live edge, or absurdly far above it.
const clockSlackSeconds = 0.5;
const maxBehindEdgeSeconds = 30;

/** chooseLatency prefers the wall clock of the stream, unless the viewer's own clock is clearly off. */
export function chooseLatency(date: number | null, edge: number | null): number | null {
  if (date === null) return edge;
  if (edge === null) return date >= 0 ? date : null;
  return date < edge - clockSlackSeconds || date > edge + maxBehindEdgeSeconds ? edge : date;
}
