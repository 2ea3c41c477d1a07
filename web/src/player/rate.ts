interface Piece {
  bytes: number;
  seconds: number;
}

/** RateMeter tells the bit rate of the media that came in, over its last windowSeconds seconds of media, per track. */
export class RateMeter {
  private readonly tracks = new Map<string, Piece[]>();

  constructor(private readonly windowSeconds: number) {}

  add(track: string, bytes: number, seconds: number): void {
    if (!(bytes > 0) || !(seconds > 0)) return;
    const pieces = this.tracks.get(track) ?? [];
    pieces.push({ bytes, seconds });
    let held = pieces.reduce((sum, p) => sum + p.seconds, 0);
    while (pieces.length > 1 && held - pieces[0]!.seconds >= this.windowSeconds) held -= pieces.shift()!.seconds;
    this.tracks.set(track, pieces);
  }

  /** bps returns the sum over the tracks, in bit/s; 0 before anything came. */
  bps(): number {
    let sum = 0;
    for (const pieces of this.tracks.values()) {
      const bytes = pieces.reduce((n, p) => n + p.bytes, 0);
      const seconds = pieces.reduce((n, p) => n + p.seconds, 0);
      sum += (bytes * 8) / seconds;
    }
    return Math.round(sum);
  }
}
