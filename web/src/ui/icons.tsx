import type { ComponentChildren } from 'preact';

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const Play = () => (
  <Icon>
    <path class="solid" d="M8 5.6v12.8a.8.8 0 0 0 1.2.7l10.2-6.4a.8.8 0 0 0 0-1.4L9.2 4.9a.8.8 0 0 0-1.2.7Z" />
  </Icon>
);

export const Pause = () => (
  <Icon>
    <rect class="solid" x="6.5" y="5" width="3.8" height="14" rx="1.2" />
    <rect class="solid" x="13.7" y="5" width="3.8" height="14" rx="1.2" />
  </Icon>
);

const Speaker = () => <path class="solid" d="M4 9.5v5h3.3l4.2 3.7a.6.6 0 0 0 1-.5V6.3a.6.6 0 0 0-1-.5L7.3 9.5Z" />;

export const Sound = ({ loud }: { loud: boolean }) => (
  <Icon>
    <Speaker />
    <path d="M15.5 9.2a4 4 0 0 1 0 5.6" />
    {loud && <path d="M17.9 6.8a7.4 7.4 0 0 1 0 10.4" />}
  </Icon>
);

export const Muted = () => (
  <Icon>
    <Speaker />
    <path d="m16 9.7 4.6 4.6m0-4.6L16 14.3" />
  </Icon>
);

export const Chart = () => (
  <Icon>
    <path d="M4 15.5h3.2l2.6-7.5 4 10 2.6-6H20" />
  </Icon>
);

export const PictureInPicture = () => (
  <Icon>
    <rect x="3.5" y="5" width="17" height="14" rx="2.2" />
    <rect class="solid" x="11.8" y="11.3" width="6.5" height="5.2" rx="1" />
  </Icon>
);

export const Expand = () => (
  <Icon>
    <path d="M4.5 9V5.7c0-.7.5-1.2 1.2-1.2H9m6 0h3.3c.7 0 1.2.5 1.2 1.2V9m0 6v3.3c0 .7-.5 1.2-1.2 1.2H15m-6 0H5.7c-.7 0-1.2-.5-1.2-1.2V15" />
  </Icon>
);

export const Shrink = () => (
  <Icon>
    <path d="M9 4.5V8c0 .6-.4 1-1 1H4.5m15 0H16c-.6 0-1-.4-1-1V4.5m0 15V16c0-.6.4-1 1-1h3.5m-15 0H8c.6 0 1 .4 1 1v3.5" />
  </Icon>
);

export const Waves = () => (
  <svg class="waves" viewBox="0 0 64 48" aria-hidden="true" focusable="false">
    <path d="M6 12c8.7-8 17.3-8 26 0s17.3 8 26 0" />
    <path d="M6 25c8.7-8 17.3-8 26 0s17.3 8 26 0" />
    <path d="M6 38c8.7-8 17.3-8 26 0s17.3 8 26 0" />
  </svg>
);
