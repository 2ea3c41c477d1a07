import { signal } from '@preact/signals';

// Safari on the iPhone lets only the video itself fill the screen.
type AppleVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void };

/** Screen is what the viewer does with the video element that is not about the stream: sound, size, place. */
export class Screen {
  readonly muted;
  readonly volume;
  readonly paused;
  readonly full = signal(false);
  /** True until the viewer has chosen about the sound. */
  readonly soundUntouched = signal(true);
  readonly canFloat: boolean;

  constructor(
    private readonly video: AppleVideo,
    private readonly root: HTMLElement,
  ) {
    this.muted = signal(video.muted);
    this.volume = signal(video.volume);
    this.paused = signal(video.paused);
    this.canFloat = document.pictureInPictureEnabled === true;
    video.addEventListener('volumechange', () => {
      this.muted.value = video.muted;
      this.volume.value = video.volume;
    });
    for (const event of ['play', 'pause', 'emptied']) {
      video.addEventListener(event, () => (this.paused.value = video.paused));
    }
    document.addEventListener('fullscreenchange', () => (this.full.value = document.fullscreenElement !== null));
  }

  toggleMute(): void {
    this.soundUntouched.value = false;
    const silent = this.video.muted || this.video.volume === 0;
    if (silent && this.video.volume === 0) this.video.volume = 0.5;
    this.video.muted = !silent;
  }

  setVolume(volume: number): void {
    this.soundUntouched.value = false;
    this.video.volume = Math.min(1, Math.max(0, volume));
    this.video.muted = this.video.volume === 0;
  }

  /** louder changes the volume by step, from silence where the sound is off. */
  louder(step: number): void {
    this.setVolume((this.video.muted ? 0 : this.video.volume) + step);
  }

  toggleFull(): void {
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (document.fullscreenEnabled) void this.root.requestFullscreen().catch(() => undefined);
    else this.video.webkitEnterFullscreen?.();
  }

  toggleFloat(): void {
    const change = document.pictureInPictureElement ? document.exitPictureInPicture() : this.video.requestPictureInPicture();
    void change.catch(() => undefined);
  }
}
