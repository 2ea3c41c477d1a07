import { effect } from '@preact/signals';
import { render } from 'preact';
import { Player } from './player/player';
import { masterURL, streamFromPath } from './stream';
import type { Snapshot } from './player/state';
import { App } from './ui/app';

declare global {
  interface Window {
    /** The player's state, for tests and for the curious; renewed five times a second. */
    headrace: Snapshot;
  }
}

const stream = streamFromPath(location.pathname);
document.title = stream ? `${stream} · Headrace` : 'Headrace';

const video = document.createElement('video');
video.playsInline = true;
video.muted = true; // browsers let a page start by itself only without sound
video.autoplay = true;
video.preload = 'auto';
video.setAttribute('aria-label', `Live video: ${stream}`);

const player = new Player(video, stream, masterURL(stream));
effect(() => {
  window.headrace = player.snapshot.value;
});
void player.run(new AbortController().signal);

const root = document.getElementById('app');
if (root) render(<App player={player} video={video} />, root);
