import type { ComponentChildren } from 'preact';
import type { Player } from '../player/player';
import * as icon from './icons';

interface Props {
  player: Player;
}

/** Notice says over the picture why it does not move. */
export function Notice({ player }: Props) {
  const { state, stream, starts } = player.snapshot.value;
  return (
    <div class={`notice ${state}`}>
      <div role="status">{text(state, stream, starts > 0)}</div>
      {state === 'paused' && (
        <button type="button" class="big" aria-label="Play" onClick={() => player.togglePause()}>
          <icon.Play />
        </button>
      )}
    </div>
  );
}

function text(state: string, stream: string, played: boolean) {
  switch (state) {
    case 'loading':
    case 'buffering':
      return (
        <>
          <span class="spinner" aria-hidden="true" />
          <span class="hidden">{state === 'loading' ? 'Starting' : 'Buffering'}</span>
        </>
      );
    case 'waiting':
      return (
        <Message title={played ? 'Waiting for the stream to return' : 'Waiting for the stream'}>
          <b>{stream}</b> is not on air {played ? 'any more' : 'yet'}. It starts here by itself.
        </Message>
      );
    case 'no-signal':
      return <Message title="Signal lost">The encoder has gone silent. The picture returns by itself.</Message>;
    case 'reconnecting':
      return <Message title="Reconnecting">The server does not answer. The picture returns by itself.</Message>;
    case 'ended':
      return (
        <Message title="The stream has ended">
          When <b>{stream}</b> goes on air again, it starts here by itself.
        </Message>
      );
    case 'unsupported':
      return <Message title="This browser cannot play the stream">It has neither Media Source Extensions nor HLS.</Message>;
    default:
      return null;
  }
}

function Message({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <>
      <icon.Waves />
      <strong>{title}</strong>
      <p>{children}</p>
    </>
  );
}
