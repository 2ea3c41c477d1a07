import Hls, { ErrorTypes, Events, type ErrorData, type HlsConfig, type Level, type LoadPolicy } from 'hls.js';
import type { Engine, EngineEvents, Quality, Reading } from './engine';
import { RateMeter } from './rate';
import { LatencyTarget } from './target';

// Media errors are mended in place this often within mediaErrorWindowMs; after that a new start is surer.
const maxMediaErrors = 3;
const mediaErrorWindowMs = 15_000;

// Gentle enough for music not to sound wrong.
const catchUpRate = 1.1;

// retrying is a load policy that bridges a short trouble (half a second to some
// four seconds). What lasts longer is for the player, which starts afresh. By
// itself hls.js does not retry when the connection is refused or on 404.
function retrying(maxTimeToFirstByteMs: number): LoadPolicy {
  const retry = {
    maxNumRetry: 4,
    retryDelayMs: 400,
    maxRetryDelayMs: 1600,
    shouldRetry: (config: { maxNumRetry: number } | null | undefined, count: number) => count < (config?.maxNumRetry ?? 0),
  };
  return { default: { maxTimeToFirstByteMs, maxLoadTimeMs: 20_000, timeoutRetry: retry, errorRetry: retry } };
}

const config: Partial<HlsConfig> = {
  lowLatencyMode: true,
  maxLiveSyncPlaybackRate: catchUpRate,
  liveSyncOnStallIncrease: 0, // LatencyTarget does that, and forgets again
  liveDurationInfinity: true,
  backBufferLength: 20,
  maxBufferLength: 20,
  abrEwmaDefaultEstimate: 3_000_000,
  enableWorker: false, // CMAF passes through: a worker would only add a copy
  enableInterstitialPlayback: false,
  emeEnabled: false,
  manifestLoadPolicy: {
    default: { maxTimeToFirstByteMs: 5000, maxLoadTimeMs: 10_000, timeoutRetry: null, errorRetry: null },
  },
  // A blocking reload may be held for three target durations (rfc8216bis, 6.2.5.2).
  playlistLoadPolicy: retrying(15_000),
  fragLoadPolicy: retrying(15_000),
};

export function isSupported(): boolean {
  return Hls.isSupported();
}

/** start plays the multivariant playlist at url into video. */
export function start(video: HTMLVideoElement, url: string, events: EngineEvents): Engine {
  return new HlsEngine(video, url, events);
}

class HlsEngine implements Engine {
  private readonly hls = new Hls(config);
  private readonly target = new LatencyTarget();
  private readonly rate = new RateMeter(6);
  private mediaErrors: number[] = []; // when, of performance.now
  private over = false;

  constructor(
    private readonly video: HTMLVideoElement,
    url: string,
    private readonly events: EngineEvents,
  ) {
    const { hls } = this;
    hls.on(Events.ERROR, (_, data) => this.onError(data));
    hls.on(Events.FRAG_BUFFERED, (_, { stats, frag, part, id }) => {
      this.rate.add(id, stats.total || stats.loaded, (part ?? frag).duration);
    });
    hls.on(Events.MEDIA_ENDED, () => this.finish());
    hls.loadSource(url);
    hls.attachMedia(video);
  }

  read(now: number): Reading {
    const { hls } = this;
    const details = hls.latestLevelDetails;
    const level = hls.levels[hls.currentLevel];
    const date = hls.playingDate;
    this.aim(now);
    return {
      protocol: details?.partList ? 'LL-HLS' : 'HLS',
      edgeLatency: details?.live && hls.latency > 0 ? hls.latency : null,
      dateLatency: details?.live && date ? (Date.now() - date.getTime()) / 1000 : null,
      target: hls.targetLatency,
      measuredBPS: this.rate.bps(),
      declaredBPS: level?.bitrate ?? 0,
      qualities: qualities(hls.levels),
      quality: hls.currentLevel,
      auto: hls.autoLevelEnabled,
      live: details?.live ?? true,
      sourceLost: this.newestIsGap(),
      edge: details?.edge ?? 0,
      segmentSeconds: details?.targetduration ?? 0,
      idle: this.idle(),
    };
  }

  choose(quality: number): void {
    const { hls } = this;
    if (hls.levels.length === 0) hls.once(Events.MANIFEST_PARSED, () => this.choose(quality));
    else if (quality < hls.levels.length) hls.nextLevel = quality;
  }

  toLiveEdge(): void {
    const position = this.hls.liveSyncPosition;
    if (position !== null && position > this.video.currentTime) this.video.currentTime = position;
  }

  // hls.js 1.7 loses its way where it has loaded a segment whole and then turns to
  // parts (after the seek over a gap): it waits for that segment's parts, which it
  // will never load, until they leave the playlist. Marked as gaps, they are passed over.
  reload(): void {
    const { hls } = this;
    const end = hls.mainForwardBufferInfo?.end ?? 0;
    const had = hls.latestLevelDetails?.partList?.filter((part) => !part.loaded && !part.gap && part.end <= end + 0.05) ?? [];
    for (const part of had) part.gap = true;
    if (had.length > 0) return;
    hls.stopLoad();
    hls.startLoad(this.video.currentTime);
  }

  stalled(now: number): void {
    if (!this.newestIsGap()) this.target.stalled(now);
  }

  destroy(): void {
    this.over = true;
    this.hls.destroy();
  }

  // aim sets the target latency when it has changed.
  private aim(now: number): void {
    const details = this.hls.latestLevelDetails;
    if (!details) return;
    const advised = details.partHoldBack || details.holdBack || 3 * details.targetduration;
    const target = this.target.seconds(advised, now);
    if (this.hls.targetLatency !== target) this.hls.targetLatency = target;
  }

  private idle(): boolean {
    const details = this.hls.latestLevelDetails;
    const ahead = this.hls.mainForwardBufferInfo;
    if (!details?.live || !ahead || this.hls.inFlightFragments.main.state !== 'IDLE') return false;
    return details.edge - ahead.end > 0.9 * (details.partTarget || details.targetduration);
  }

  private newestIsGap(): boolean {
    const details = this.hls.latestLevelDetails;
    if (!details?.live) return false;
    const parts = details.partList;
    const part = parts?.[parts.length - 1];
    const segment = details.fragments[details.fragments.length - 1];
    if (part && part.fragment.sn > (segment?.sn ?? -1)) return part.gap;
    return segment?.tagList.some(([tag]) => tag === 'GAP') ?? false;
  }

  private onError(data: ErrorData): void {
    this.events.trouble({ type: data.type, details: data.details, fatal: data.fatal });
    if (!data.fatal || this.over) return;
    if (data.type === ErrorTypes.MEDIA_ERROR && this.mayMend()) {
      this.hls.recoverMediaError();
      this.video.play().catch(() => undefined);
      return;
    }
    this.over = true;
    this.events.lost(data.details);
  }

  private mayMend(): boolean {
    const now = performance.now();
    this.mediaErrors = this.mediaErrors.filter((at) => now - at < mediaErrorWindowMs);
    this.mediaErrors.push(now);
    return this.mediaErrors.length <= maxMediaErrors;
  }

  private finish(): void {
    if (this.over) return;
    this.over = true;
    this.events.ended();
  }
}

function qualities(levels: Level[]): Quality[] {
  const rows = levels.map((level, index) => ({ index, level }));
  rows.sort((a, b) => b.level.height - a.level.height || b.level.bitrate - a.level.bitrate);
  return rows.map(({ index, level }) => {
    const mbps = `${(level.bitrate / 1e6).toFixed(1)} Mb/s`;
    const twin = rows.some((r) => r.index !== index && r.level.height === level.height);
    if (!level.height) return { index, label: mbps };
    const fast = level.frameRate > 31 ? Math.round(level.frameRate) : '';
    return { index, label: `${level.height}p${fast}${twin ? ` · ${mbps}` : ''}` };
  });
}
