import { signal } from '@preact/signals';
import { Backoff, sleep } from './backoff';
import type { Engine, EngineEvents, Reading, Trouble } from './engine';
import { FrameMeter } from './frames';
import * as native from './native';
import { probe } from './probe';
import { StallMeter } from './stalls';
import { chooseLatency, emptySnapshot, stateOf, type Phase, type Snapshot } from './state';
import { Watchdog } from './watchdog';

const tickMs = 100;
const ticksPerSnapshot = 2;
const keptErrors = 20;

// A viewer this near the target, in seconds, follows the live edge (again).
const nearSeconds = 1;

type StartEngine = (video: HTMLVideoElement, url: string, events: EngineEvents) => Engine;
type Outcome = 'lost' | 'ended';

/**
 * Player keeps one stream on one video element for as long as the page is open:
 * it waits for the stream, plays it, and finds it again after whatever trouble.
 * An engine that has given up stays attached until there is something new to
 * show, so that its buffer is played out and its last picture stays in view.
 */
export class Player {
  /** The player's state, renewed five times a second. */
  readonly snapshot;

  private readonly stalls = new StallMeter();
  private readonly frames = new FrameMeter();
  private readonly watchdog = new Watchdog();
  private phase: Phase = 'loading';
  private engine: Engine | undefined;
  private reading: Reading | undefined;
  private finish: (outcome: Outcome) => void = () => undefined; // ends the engine's play
  private shown = false; // this engine has shown a picture
  private following = true; // of the live edge
  private quality = -1; // the viewer's choice, kept over new starts
  private stallsSeen = 0;
  private foundAt = 0; // these two are of performance.now
  private attachedAt = 0;
  private startupSeconds: number | null = null;
  private starts = 0;
  private errors: Snapshot['errors'] = [];
  private errorCount = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    stream: string,
    private readonly url: string,
  ) {
    this.snapshot = signal<Snapshot>(emptySnapshot(stream));
  }

  /** run works until stop is aborted. */
  async run(stop: AbortSignal): Promise<void> {
    let ticks = 0;
    const timer = setInterval(() => this.tick(performance.now(), ++ticks), tickMs);
    try {
      const start = await loadEngine(this.video, stop);
      if (!start) {
        this.phase = 'unsupported';
        return;
      }
      let last: Outcome | undefined;
      while (!stop.aborted) {
        await this.find(last, stop);
        if (!stop.aborted) last = await this.play(start, stop);
      }
    } finally {
      if (stop.aborted) {
        clearInterval(timer);
        this.engine?.destroy();
      }
    }
  }

  togglePause(): void {
    if (!this.video.paused) {
      this.following = false;
      this.video.pause();
    } else {
      void this.video.play().catch(() => undefined);
    }
  }

  toLiveEdge(): void {
    this.following = true;
    this.engine?.toLiveEdge();
    void this.video.play().catch(() => undefined);
  }

  /** choose sets the quality by its index, -1 for automatic. */
  choose(quality: number): void {
    this.quality = quality;
    this.engine?.choose(quality);
  }

  // find returns when there is a live stream to play.
  private async find(last: Outcome | undefined, stop: AbortSignal): Promise<void> {
    const backoff = new Backoff(last === 'lost' ? 300 : 1000, 2000);
    if (last === 'lost') this.phase = 'reconnecting';
    if (last === 'ended') this.phase = 'ended';
    while (!stop.aborted) {
      const found = await probe(this.url, stop);
      if (found === 'live') {
        this.foundAt = performance.now();
        return;
      }
      if (found === 'unreachable') {
        if (this.phase !== 'ended') this.phase = 'reconnecting';
      } else if (this.phase !== 'ended') {
        this.phase = found === 'ended' ? 'ended' : 'waiting';
      }
      await sleep(backoff.next(), stop);
    }
  }

  // play runs a new engine until it gives up or the stream ends.
  private play(start: StartEngine, stop: AbortSignal): Promise<Outcome> {
    const playing = new Promise<Outcome>((resolve) => {
      this.finish = resolve;
      stop.addEventListener('abort', () => resolve('ended'), { once: true });
    });
    const paused = this.shown && this.video.paused && !this.video.ended && !this.following;
    this.engine?.destroy();
    this.stalls.rebase();
    this.shown = false;
    this.starts++;
    this.attachedAt = performance.now();
    const { finish } = this;
    this.engine = start(this.video, this.url, {
      trouble: (t) => this.note(t),
      lost: () => finish('lost'),
      ended: () => finish('ended'),
    });
    if (this.quality >= 0) this.engine.choose(this.quality);
    this.phase = 'attached';
    if (!paused) {
      this.following = true;
      void this.video.play().catch((err: DOMException) => {
        // AbortError only says that a newer engine has taken the element over.
        if (err.name === 'NotAllowedError') this.note({ type: 'autoplay', details: err.name, fatal: false });
      });
    }
    return playing;
  }

  private note(t: Trouble): void {
    this.errorCount++;
    this.errors = [...this.errors, { at: Date.now(), ...t }].slice(-keptErrors);
  }

  private tick(now: number, ticks: number): void {
    const { video } = this;
    if (this.phase === 'attached' && !this.shown && video.currentTime > 0 && video.readyState >= 2 && !video.seeking && !video.paused) {
      this.shown = true;
      this.startupSeconds ??= (now - this.foundAt) / 1000;
    }
    const began = this.starts > 0 && this.startupSeconds !== null;
    this.stalls.sample({
      now,
      time: video.currentTime,
      expected: began && !video.paused && (this.phase === 'attached' || this.phase === 'reconnecting'),
      seeking: video.seeking,
      starved: video.readyState < 3,
    });
    if (this.stalls.count > this.stallsSeen) {
      this.stallsSeen = this.stalls.count;
      this.engine?.stalled(now);
    }
    if (ticks % ticksPerSnapshot === 0) {
      this.reading = this.engine?.read(now);
      this.frames.sample(now, shownFrames(video));
      this.mend(now);
      this.snapshot.value = this.look(now);
    }
  }

  private mend(now: number): void {
    const { reading, video } = this;
    if (this.phase !== 'attached' || !reading || video.paused) return;
    // Each engine gets its own time, however long the viewer has waited before.
    const since = this.shown ? this.stalls.since : this.attachedAt;
    const standing = since === undefined ? undefined : Math.max(since, this.attachedAt);
    const behind = reading.edgeLatency !== null && reading.target !== null ? reading.edgeLatency - reading.target : null;
    if (behind !== null && behind < nearSeconds && standing === undefined) this.following = true;
    // The last media before the end may be missing: nothing more will come.
    if (!reading.live && standing !== undefined && now - standing > 2000) return this.finish('ended');
    const remedy = this.watchdog.look({
      now,
      standingSince: standing,
      sourceLost: reading.sourceLost,
      edge: reading.edge,
      nextBuffered: nextBuffered(video),
      idle: reading.idle,
      buffer: bufferedAhead(video),
      following: this.following,
      behind,
      segmentSeconds: reading.segmentSeconds,
    });
    if (remedy === 'none') return;
    if (remedy === 'reload') this.engine?.reload();
    if (remedy === 'skip') video.currentTime = (nextBuffered(video) ?? video.currentTime) + 0.05;
    if (remedy === 'edge') this.engine?.toLiveEdge();
    if (remedy === 'restart') this.finish('lost');
    this.note({ type: 'watchdog', details: remedy, fatal: remedy === 'restart' });
  }

  private look(now: number): Snapshot {
    const { reading, video } = this;
    const quality = video.getVideoPlaybackQuality?.();
    const state = stateOf(this.phase, {
      paused: video.paused,
      shown: this.shown,
      standing: this.stalls.since !== undefined,
      sourceLost: reading?.sourceLost ?? false,
    });
    return {
      stream: this.snapshot.peek().stream,
      state,
      protocol: reading?.protocol ?? '',
      latency: chooseLatency(reading?.dateLatency ?? null, reading?.edgeLatency ?? null),
      edgeLatency: reading?.edgeLatency ?? null,
      target: reading?.target ?? null,
      following: this.following,
      buffer: bufferedAhead(video),
      stalls: this.stalls.count,
      stalledSeconds: this.stalls.seconds(now),
      droppedFrames: quality?.droppedVideoFrames ?? 0,
      totalFrames: quality?.totalVideoFrames ?? 0,
      bitrate: reading?.measuredBPS ?? 0,
      levelBitrate: reading?.declaredBPS ?? 0,
      width: video.videoWidth,
      height: video.videoHeight,
      fps: this.frames.fps(),
      playbackRate: video.playbackRate,
      currentTime: video.currentTime,
      startupSeconds: this.startupSeconds,
      starts: this.starts,
      errors: this.errors,
      errorCount: this.errorCount,
      qualities: reading?.qualities ?? [],
      quality: reading?.quality ?? -1,
      auto: reading?.auto ?? true,
    };
  }
}

// loadEngine fetches hls.js where the browser can use it, for as long as that takes.
async function loadEngine(video: HTMLVideoElement, stop: AbortSignal): Promise<StartEngine | undefined> {
  if ('MediaSource' in window || 'ManagedMediaSource' in window) {
    const backoff = new Backoff(1000, 5000);
    while (!stop.aborted) {
      try {
        const hls = await import('./hls');
        if (hls.isSupported()) return hls.start;
        break;
      } catch {
        await sleep(backoff.next(), stop);
      }
    }
  }
  return native.isSupported(video) ? native.start : undefined;
}

function shownFrames(video: HTMLVideoElement): number {
  const quality = video.getVideoPlaybackQuality?.();
  return quality ? quality.totalVideoFrames - quality.droppedVideoFrames : 0;
}

function bufferedAhead(video: HTMLVideoElement): number {
  const { buffered, currentTime } = video;
  for (let i = 0; i < buffered.length; i++) {
    if (currentTime >= buffered.start(i) - 0.1 && currentTime <= buffered.end(i)) return buffered.end(i) - currentTime;
  }
  return 0;
}

function nextBuffered(video: HTMLVideoElement): number | undefined {
  const { buffered, currentTime } = video;
  for (let i = 0; i < buffered.length; i++) {
    if (buffered.start(i) > currentTime) return buffered.start(i);
  }
  return undefined;
}
