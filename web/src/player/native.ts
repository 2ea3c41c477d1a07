import type { Engine, EngineEvents, Reading } from './engine';

// getStartDate is Safari's: the EXT-X-PROGRAM-DATE-TIME of media time 0.
type AppleVideo = HTMLVideoElement & { getStartDate?: () => Date };

export function isSupported(video: HTMLVideoElement): boolean {
  return video.canPlayType('application/vnd.apple.mpegurl') !== '';
}

/** start lets the browser itself play the multivariant playlist at url. */
export function start(video: HTMLVideoElement, url: string, events: EngineEvents): Engine {
  return new NativeEngine(video, url, events);
}

class NativeEngine implements Engine {
  private readonly listening = new AbortController();

  constructor(
    private readonly video: AppleVideo,
    url: string,
    events: EngineEvents,
  ) {
    const { signal } = this.listening;
    video.addEventListener('ended', () => events.ended(), { signal, once: true });
    video.addEventListener(
      'error',
      () => {
        const details = `MediaError ${video.error?.code ?? 0}`;
        events.trouble({ type: 'native', details, fatal: true });
        events.lost(details);
      },
      { signal, once: true },
    );
    video.src = url;
  }

  read(): Reading {
    const edge = this.edge();
    const start = this.video.getStartDate?.().getTime() ?? NaN;
    const date = start + this.video.currentTime * 1000;
    return {
      protocol: 'HLS',
      edgeLatency: edge > 0 ? Math.max(0, edge - this.video.currentTime) : null,
      dateLatency: Number.isFinite(date) ? (Date.now() - date) / 1000 : null,
      target: null,
      measuredBPS: 0,
      declaredBPS: 0,
      qualities: [],
      quality: -1,
      auto: true,
      live: !Number.isFinite(this.video.duration),
      sourceLost: false,
      edge,
      segmentSeconds: 0,
      idle: false,
    };
  }

  choose(): void {}

  toLiveEdge(): void {
    const edge = this.edge();
    if (edge > this.video.currentTime) this.video.currentTime = edge;
  }

  reload(): void {}

  stalled(): void {}

  destroy(): void {
    this.listening.abort();
    this.video.removeAttribute('src');
    this.video.load();
  }

  private edge(): number {
    const { seekable } = this.video;
    return seekable.length ? seekable.end(seekable.length - 1) : 0;
  }
}
