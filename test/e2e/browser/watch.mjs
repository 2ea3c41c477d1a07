// Watches a page that plays a stream: samples it four times a second, and sums up.
import { cells, pictureLatency, sampleInPage } from './clock.mjs';

const everyMs = 250;

/** watch samples page for that many seconds, or until enough(sample) says so, and returns the samples. */
export async function watch(page, { seconds, enough = () => false }) {
  const samples = [];
  const end = Date.now() + seconds * 1000;
  for (let due = Date.now(); Date.now() < end; due += everyMs) {
    const sample = await page.evaluate(sampleInPage, cells);
    sample.pictureMs = pictureLatency(sample);
    delete sample.lumas;
    samples.push(sample);
    if (enough(sample)) break;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due + everyMs - Date.now())));
  }
  return samples;
}

/** summarise turns samples into what a test asks about. Seconds, unless the name says otherwise. */
export function summarise(samples) {
  const last = samples[samples.length - 1];
  const player = last?.player ?? null;
  const moving = samples.filter((s, i) => i > 0 && s.video && samples[i - 1].video && s.video.currentTime > samples[i - 1].video.currentTime);
  const first = moving[0];
  // A picture that stands is not late, it is stalled: only moving ones are counted.
  const pictures = moving.flatMap((s) => (s.pictureMs === null ? [] : [s.pictureMs / 1000]));
  const told = moving.flatMap((s) => (s.player?.latency == null ? [] : [s.player.latency]));
  const states = [];
  for (const s of samples) if (s.player && s.player.state !== states[states.length - 1]) states.push(s.player.state);
  return {
    started: moving.length > 0,
    samples: samples.length,
    seconds: samples.length ? round((last.now - samples[0].now) / 1000) : 0,
    startAfter: first ? round((first.now - samples[0].now) / 1000) : null,
    states,
    latency: spread(pictures),
    latencyToldByPlayer: spread(told),
    target: player?.target ?? null,
    protocol: player?.protocol ?? null,
    stalls: player?.stalls ?? null,
    stalledSeconds: player ? round(player.stalledSeconds) : null,
    starts: player?.starts ?? null,
    droppedFrames: last?.video?.dropped ?? null,
    totalFrames: player?.totalFrames ?? null,
    bitrate: player?.bitrate ?? null,
    width: last?.video?.width ?? 0,
    height: last?.video?.height ?? 0,
    progress: progress(samples),
    errorCount: player?.errorCount ?? null,
    errors: player?.errors ?? [],
  };
}

// progress is how far the playhead moved by playing: jumps and new beginnings do not count.
function progress(samples) {
  let sum = 0;
  for (let i = 1; i < samples.length; i++) {
    const [a, b] = [samples[i - 1], samples[i]];
    if (!a.video || !b.video) continue;
    const moved = b.video.currentTime - a.video.currentTime;
    if (moved > 0 && moved <= ((b.now - a.now) / 1000) * 1.25 + 0.1) sum += moved;
  }
  return round(sum);
}

function spread(values) {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (q) => round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]);
  return { n: sorted.length, min: at(0), p50: at(0.5), p95: at(0.95), max: at(1) };
}

function round(x) {
  return Math.round(x * 1000) / 1000;
}
