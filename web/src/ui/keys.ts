import type { Player } from '../player/player';
import type { Screen } from './screen';

/** listenToKeys binds the keyboard to the player, and returns how to end that. */
export function listenToKeys(player: Player, screen: Screen, toggleStats: () => void): () => void {
  const bindings: Record<string, () => void> = {
    ' ': () => player.togglePause(),
    k: () => player.togglePause(),
    m: () => screen.toggleMute(),
    f: () => screen.toggleFull(),
    l: () => player.toLiveEdge(),
    i: toggleStats,
    ArrowUp: () => screen.louder(0.05),
    ArrowDown: () => screen.louder(-0.05),
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement;
    // A control that has the focus keeps the keys that it has a use for.
    if (target.closest('select, input')) return;
    if (event.key === ' ' && target.closest('button')) return;
    const act = bindings[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    if (!event.repeat || event.key.startsWith('Arrow')) act();
  };
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}
