// An Engine plays one stream into one video element: hls.js, or the browser's own HLS.

/** A quality that the viewer can choose. */
export interface Quality {
  index: number;
  label: string;
}

/** What an engine knows at one moment. Seconds and bit/s; null where it cannot tell. */
export interface Reading {
  protocol: string; // "LL-HLS", "HLS"
  edgeLatency: number | null; // distance of the playhead from the live edge
  dateLatency: number | null; // now minus EXT-X-PROGRAM-DATE-TIME at the playhead
  target: number | null;
  measuredBPS: number;
  declaredBPS: number;
  qualities: Quality[]; // best first
  quality: number; // index of the one that plays, -1 if unknown
  auto: boolean;
  live: boolean; // false once the playlist says that nothing follows
  sourceLost: boolean; // the newest media is marked missing: the encoder is gone
  edge: number; // end of the newest media listed, on the playhead's timeline
  segmentSeconds: number; // target duration, 0 if unknown
  idle: boolean; // nothing is being loaded although the playlist lists more than is buffered
}

/** A trouble, as told to the player and kept for whoever looks for the cause. */
export interface Trouble {
  type: string;
  details: string;
  fatal: boolean;
}

export interface EngineEvents {
  trouble(t: Trouble): void;
  /** The engine has given up and must be replaced. Called at most once. */
  lost(reason: string): void;
  ended(): void;
}

export interface Engine {
  read(now: number): Reading;
  choose(quality: number): void; // -1: automatic
  toLiveEdge(): void;
  reload(): void; // forget what was being loaded, go on from the playhead
  stalled(now: number): void; // the viewer sees an interruption
  destroy(): void;
}
