import type { Signal } from '@preact/signals';
import type { Player } from '../player/player';
import type { Snapshot } from '../player/state';
import * as icon from './icons';
import type { Screen } from './screen';

interface Props {
  player: Player;
  screen: Screen;
  statsOpen: Signal<boolean>;
}

/** Controls is the bar beneath the picture. */
export function Controls({ player, screen, statsOpen }: Props) {
  const s = player.snapshot.value;
  const idle = s.state === 'waiting' || s.state === 'ended' || s.state === 'unsupported';
  const paused = screen.paused.value;
  return (
    <div class="controls" role="group" aria-label="Player controls">
      <button type="button" aria-label={paused ? 'Play' : 'Pause'} title={paused ? 'Play (k)' : 'Pause (k)'} disabled={idle} onClick={() => player.togglePause()}>
        {paused ? <icon.Play /> : <icon.Pause />}
      </button>
      <Volume screen={screen} />
      <LiveButton player={player} s={s} />
      <span class="spacer" />
      {s.qualities.length > 1 && <QualityChoice player={player} s={s} />}
      <button type="button" aria-label="Statistics" title="Statistics (i)" aria-pressed={statsOpen.value} onClick={() => (statsOpen.value = !statsOpen.value)}>
        <icon.Chart />
      </button>
      {screen.canFloat && (
        <button type="button" aria-label="Picture in picture" title="Picture in picture" disabled={idle} onClick={() => screen.toggleFloat()}>
          <icon.PictureInPicture />
        </button>
      )}
      <button type="button" aria-label={screen.full.value ? 'Leave full screen' : 'Full screen'} title="Full screen (f)" onClick={() => screen.toggleFull()}>
        {screen.full.value ? <icon.Shrink /> : <icon.Expand />}
      </button>
    </div>
  );
}

function Volume({ screen }: { screen: Screen }) {
  const silent = screen.muted.value || screen.volume.value === 0;
  const percent = silent ? 0 : Math.round(screen.volume.value * 100);
  return (
    <div class="volume">
      <button type="button" aria-label={silent ? 'Sound on' : 'Mute'} title={silent ? 'Sound on (m)' : 'Mute (m)'} onClick={() => screen.toggleMute()}>
        {silent ? <icon.Muted /> : <icon.Sound loud={percent > 50} />}
      </button>
      <input
        type="range"
        min="0"
        max="100"
        value={percent}
        style={{ '--filled': `${percent}%` }}
        aria-label="Volume"
        aria-valuetext={`${percent} %`}
        onInput={(event) => screen.setVolume(Number(event.currentTarget.value) / 100)}
      />
    </div>
  );
}

function LiveButton({ player, s }: { player: Player; s: Snapshot }) {
  const on = s.state === 'playing' && s.following;
  const offAir = s.state === 'waiting' || s.state === 'ended' || s.state === 'unsupported';
  const behind = !s.following && s.edgeLatency !== null && s.target !== null ? Math.round(s.edgeLatency - s.target) : 0;
  return (
    <button
      type="button"
      class={`live ${on ? 'on' : ''}`}
      disabled={offAir}
      aria-label={on ? 'Live: at the live edge' : 'Go to the live edge'}
      title="Go to the live edge (l)"
      onClick={() => player.toLiveEdge()}
    >
      <span class="dot" />
      Live
      {behind > 0 && <span class="behind">−{behind} s</span>}
    </button>
  );
}

function QualityChoice({ player, s }: { player: Player; s: Snapshot }) {
  const playing = s.qualities.find((q) => q.index === s.quality);
  return (
    <label class="quality">
      <span class="hidden">Quality</span>
      <select value={s.auto ? -1 : s.quality} onChange={(event) => player.choose(Number(event.currentTarget.value))}>
        <option value={-1}>Auto{s.auto && playing ? ` (${playing.label})` : ''}</option>
        {s.qualities.map((q) => (
          <option key={q.index} value={q.index}>
            {q.label}
          </option>
        ))}
      </select>
    </label>
  );
}
