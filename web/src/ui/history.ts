import { effect, signal } from '@preact/signals';
import type { Player } from '../player/player';

/** One point of the sparkline; latency is null where nothing was playing. */
export interface Point {
  at: number; // ms, of performance.now
  latency: number | null;
  standing: boolean;
}

export const historySeconds = 60;
const everyMs = 480; // a little less than every second snapshot takes

/** recordHistory keeps the last minute of the player's latency. */
export function recordHistory(player: Player) {
  const history = signal<Point[]>([]);
  effect(() => {
    const { state, latency } = player.snapshot.value;
    const at = performance.now();
    const points = history.peek();
    const last = points[points.length - 1];
    if (last && at - last.at < everyMs) return;
    const standing = state === 'buffering' || state === 'no-signal' || state === 'reconnecting';
    const point = { at, latency: state === 'playing' ? latency : null, standing };
    history.value = [...points.filter((p) => at - p.at <= historySeconds * 1000), point];
  });
  return history;
}
