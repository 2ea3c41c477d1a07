// A test programme with a burnt-in clock, from ffmpeg, as fragmented MP4: one fragment a part.
import { spawn } from 'node:child_process';
import { cellSide, cells } from './clock.mjs';

export const partSeconds = 0.5;
export const partsPerSegment = 4;
const fps = 30;

/** clockFilter returns the ffmpeg filters that burn the clock strip (clock.mjs) into a picture of that width. */
export function clockFilter(width) {
  const side = cellSide(width);
  const box = (cell, more) => `drawbox=x=${cell * side}:y=0:w=${side}:h=${side}:color=white:t=fill${more}`;
  const filters = [
    'setpts=RTCTIME/(TB*1000000)',
    `drawbox=x=0:y=0:w=${cells * side}:h=${side}:color=black:t=fill`,
    box(0, ''),
  ];
  for (let bit = 0; bit < 32; bit++) {
    filters.push(box(2 + bit, `:enable='gte(mod(floor(t*1000)/pow(2\\,${31 - bit})\\,2)\\,1)'`));
  }
  filters.push(`setpts=N/(${fps}*TB)`);
  return filters.join(',');
}

/**
 * startEncoder runs ffmpeg; onInit gets the initialisation segment, onPart each
 * fragment. The returned function stops it and resolves when it has gone.
 */
export function startEncoder({ width = 640, height = 360, onInit, onPart }) {
  const child = spawn(
    'ffmpeg',
    [
      ...['-hide_banner', '-loglevel', 'error', '-nostdin', '-re', '-f', 'lavfi'],
      ...['-i', `testsrc2=size=${width}x${height}:rate=${fps}`, '-vf', clockFilter(width), '-pix_fmt', 'yuv420p'],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-b:v', '1500k'],
      ...['-g', `${fps * partSeconds * partsPerSegment}`, '-keyint_min', '30', '-sc_threshold', '0'],
      ...['-f', 'mp4', '-movflags', '+empty_moov+default_base_moof', '-frag_duration', `${partSeconds * 1e6}`],
      ...['-flush_packets', '1', 'pipe:1'],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const gone = new Promise((resolve) => child.on('close', resolve));
  const boxes = [];
  let pending = Buffer.alloc(0);
  child.stdout.on('data', (data) => {
    pending = Buffer.concat([pending, data]);
    while (pending.length >= 8 && pending.length >= pending.readUInt32BE(0)) {
      const size = pending.readUInt32BE(0);
      const type = pending.toString('latin1', 4, 8);
      boxes.push(pending.subarray(0, size));
      pending = pending.subarray(size);
      if (type === 'moov') onInit(Buffer.concat(boxes.splice(0)));
      if (type === 'mdat') onPart(Buffer.concat(boxes.splice(0)));
    }
  });
  return async () => {
    child.kill('SIGKILL');
    await gone;
  };
}
