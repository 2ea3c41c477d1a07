// How much each interruption adds to the target latency, how much all of them
// may, and how long it takes for one to be forgiven.
const stepSeconds = 0.5;
const maxSteps = 4;
const forgiveMs = 30_000;

/**
 * LatencyTarget is the distance from the live edge to aim at: what the server
 * advises (PART-HOLD-BACK), and some more for a while on a network that has
 * just interrupted play.
 */
export class LatencyTarget {
  private steps = 0;
  private changed = 0;

  stalled(now: number): void {
    this.steps = Math.min(this.steps + 1, maxSteps);
    this.changed = now;
  }

  /** seconds returns the target, advised being the server's advice in seconds. */
  seconds(advised: number, now: number): number {
    while (this.steps > 0 && now - this.changed >= forgiveMs) {
      this.steps--;
      this.changed += forgiveMs;
    }
    return advised + this.steps * stepSeconds;
  }
}
