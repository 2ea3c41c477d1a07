/**
 * Backoff yields how long to wait before the next attempt: it grows by half
 * from firstMs to maxMs, each time less up to a fifth, so that viewers who lost
 * the same server do not come back in one moment.
 */
export class Backoff {
  private nextMs: number;

  constructor(
    private readonly firstMs: number,
    private readonly maxMs: number,
    private readonly random: () => number = Math.random,
  ) {
    this.nextMs = firstMs;
  }

  next(): number {
    const ms = this.nextMs;
    this.nextMs = Math.min(ms * 1.5, this.maxMs);
    return ms * (1 - 0.2 * this.random());
  }

  reset(): void {
    this.nextMs = this.firstMs;
  }
}

/** sleep waits ms milliseconds, or less if signal is aborted first. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
