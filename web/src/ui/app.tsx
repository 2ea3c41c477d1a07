import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Player } from '../player/player';
import { Controls } from './controls';
import { recordHistory } from './history';
import * as icon from './icons';
import { listenToKeys } from './keys';
import { Notice } from './notice';
import { Screen } from './screen';
import { Stats } from './stats';

// The controls leave the picture this long after the viewer's last move, in ms.
const restMs = 2800;

// Where there is room over or beneath the picture, the figures are open from the start.
const roomForStats = '(min-width: 900px) and (min-height: 560px), (orientation: portrait) and (min-height: 700px)';

interface Props {
  player: Player;
  video: HTMLVideoElement;
}

/** App is the whole player page. */
export function App({ player, video }: Props) {
  const stage = useRef<HTMLDivElement>(null);
  const screen = useMemo(() => new Screen(video, document.documentElement), [video]);
  const history = useMemo(() => recordHistory(player), [player]);
  const statsOpen = useSignal(matchMedia(roomForStats).matches);
  const resting = useSignal(false);

  useEffect(() => {
    stage.current?.prepend(video);
  }, [video]);
  useEffect(() => listenToKeys(player, screen, () => (statsOpen.value = !statsOpen.value)), [player, screen]);
  useEffect(() => watchRest((rest) => (resting.value = rest)), []);

  const s = player.snapshot.value;
  const rest = resting.value && s.state === 'playing';
  return (
    <div class={`page ${rest ? 'rest' : ''} ${statsOpen.value ? 'with-stats' : ''}`}>
      <header>
        <span class="stream" title={s.stream}>
          {s.stream}
        </span>
        <span class="brand">Headrace</span>
      </header>
      <main class="stage" ref={stage} onDblClick={(event) => event.target === video && screen.toggleFull()}>
        <Notice player={player} />
        {screen.soundUntouched.value && screen.muted.value && s.state === 'playing' && (
          <button type="button" class="sound" onClick={() => screen.toggleMute()}>
            <icon.Muted />
            Tap for sound
          </button>
        )}
      </main>
      <Controls player={player} screen={screen} statsOpen={statsOpen} />
      {statsOpen.value && <Stats s={s} history={history} />}
    </div>
  );
}

// watchRest tells when the viewer has stopped moving, and when not any more.
function watchRest(tell: (rest: boolean) => void): () => void {
  let timer = 0;
  const wake = () => {
    tell(false);
    clearTimeout(timer);
    timer = window.setTimeout(() => tell(true), restMs);
  };
  const events = ['pointermove', 'pointerdown', 'keydown', 'focusin'];
  for (const event of events) document.addEventListener(event, wake, { passive: true });
  wake();
  return () => {
    clearTimeout(timer);
    for (const event of events) document.removeEventListener(event, wake);
  };
}
