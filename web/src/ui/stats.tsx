import type { Signal } from '@preact/signals';
import type { Snapshot } from '../player/state';
import { historySeconds, type Point } from './history';
import { Sparkline } from './sparkline';

interface Props {
  s: Snapshot;
  history: Signal<Point[]>;
}

// A latency this far above its target, in seconds, is worth a colour.
const lateSeconds = 1.5;

/** Stats shows how the stream does, in figures. */
export function Stats({ s, history }: Props) {
  const late = s.edgeLatency !== null && s.target !== null && s.edgeLatency - s.target > lateSeconds;
  return (
    <section class="stats" aria-label="Statistics">
      <div class={`latency ${late ? 'warn' : ''}`}>
        <div class="head">
          <span class="name">Latency</span>
          {s.target !== null && <span class="aim">target {s.target.toFixed(1)} s</span>}
        </div>
        <div class="value">
          {s.latency === null ? '–' : s.latency.toFixed(2)}
          {s.latency !== null && <small> s</small>}
          {s.state === 'playing' && s.playbackRate > 1 && <span class="rate">{s.playbackRate.toFixed(2)}×</span>}
        </div>
        <Sparkline points={history.value} target={s.target} />
        <div class="axis" aria-hidden="true">
          <span>−{historySeconds} s</span>
          <span>now</span>
        </div>
      </div>
      <dl class="chips">
        <Chip name="Buffer" value={`${s.buffer.toFixed(1)} s`} />
        <Chip name="Bit rate" value={mbps(s.bitrate || s.levelBitrate)} title={`measured ${mbps(s.bitrate)}, declared ${mbps(s.levelBitrate)}`} />
        <Chip name="Picture" value={s.height ? `${s.width}×${s.height}` : '–'} />
        <Chip name="Frames" value={s.fps ? `${s.fps.toFixed(0)} fps` : '–'} />
        <Chip name="Dropped" value={`${s.droppedFrames}`} warn={s.totalFrames > 0 && s.droppedFrames / s.totalFrames > 0.01} />
        <Chip name="Stalls" value={s.stalls ? `${s.stalls} · ${s.stalledSeconds.toFixed(1)} s` : '0'} warn={s.stalls > 0} />
        <Chip name="Start-up" value={s.startupSeconds === null ? '–' : `${s.startupSeconds.toFixed(2)} s`} />
        <Chip name="Protocol" value={s.protocol || '–'} />
      </dl>
    </section>
  );
}

function Chip({ name, value, title, warn }: { name: string; value: string; title?: string; warn?: boolean }) {
  return (
    <div class={`chip ${warn ? 'warn' : ''}`} title={title}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function mbps(bps: number): string {
  if (!bps) return '–';
  return bps < 1e6 ? `${Math.round(bps / 1e3)} kb/s` : `${(bps / 1e6).toFixed(2)} Mb/s`;
}
