// The clock strip burnt into a test picture: 34 square cells along the top left
// edge, each a fortieth of the width (even): white, black, then 32 bits, most
// significant first, of the wall clock's milliseconds when the frame was made.

export const cells = 34;
const modulus = 2 ** 32;

/** cellSide returns the side of one cell, in pixels, in a picture of that width. */
export function cellSide(width) {
  return Math.floor(width / 40 / 2) * 2;
}

/**
 * sampleInPage runs in the page: the player's own figures, the playhead, and
 * the mean luma of the middle of each cell, null where no picture is.
 */
export function sampleInPage(cells) {
  const video = document.querySelector('video');
  const now = Date.now();
  let lumas = null;
  let readAt = now;
  if (video && video.readyState >= 2 && video.videoWidth > 0) {
    const side = Math.floor(video.videoWidth / 40 / 2) * 2;
    const canvas = (window.clockCanvas ??= new OffscreenCanvas(1, 1));
    canvas.width = side * cells;
    canvas.height = side;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(video, 0, 0, canvas.width, side, 0, 0, canvas.width, side);
    readAt = Date.now();
    const { data } = context.getImageData(0, 0, canvas.width, side);
    const quarter = side / 4;
    lumas = [];
    for (let cell = 0; cell < cells; cell++) {
      let sum = 0;
      let n = 0;
      for (let y = Math.ceil(quarter); y < side - quarter; y++) {
        for (let x = cell * side + Math.ceil(quarter); x < (cell + 1) * side - quarter; x++) {
          const i = (y * canvas.width + x) * 4;
          sum += 0.2126 * data[i] + 0.7152 * data[i + 1] + 0.0722 * data[i + 2];
          n++;
        }
      }
      lumas.push(sum / n);
    }
  }
  const player = window.headrace ? { ...window.headrace } : null;
  return {
    now: readAt,
    lumas,
    player,
    video: video && {
      currentTime: video.currentTime,
      paused: video.paused,
      readyState: video.readyState,
      width: video.videoWidth,
      height: video.videoHeight,
      dropped: video.getVideoPlaybackQuality().droppedVideoFrames,
      error: video.error?.message ?? null,
    },
  };
}

/** pictureLatency returns the age of the picture in ms, null if it shows no clock. */
export function pictureLatency({ lumas, now }) {
  if (!lumas) return null;
  const bits = lumas.map((luma) => (luma >= 128 ? 1 : 0));
  if (bits[0] !== 1 || bits[1] !== 0) return null;
  const value = bits.slice(2).reduce((n, bit) => n * 2 + bit, 0);
  const age = (((now % modulus) - value) % modulus + modulus) % modulus;
  // A clock a little ahead of ours reads as an age just below the modulus.
  return age > modulus / 2 ? age - modulus : age;
}
