// The player page against every mishap of a live stream. Each case starts a
// stand-in origin, an encoder and a browser of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from './browser.mjs';
import { Origin } from './origin.mjs';
import { summarise, watch } from './watch.mjs';

const inState = (state) => (s) => s.player?.state === state;

// scene runs act with an origin and a page on the stream; SHOTS names a folder for pictures.
function scene(name, act, { loads: wantLoads = 1 } = {}) {
  test(name, async (t) => {
    const origin = new Origin();
    await origin.listen();
    const { page, close } = await launch({ width: 1280, height: 720 });
    const complaints = [];
    page.on('pageerror', (err) => complaints.push(String(err)));
    let loads = 0;
    page.on('domcontentloaded', () => loads++);
    const until = async (state, seconds = 15) => {
      const samples = await watch(page, { seconds, enough: inState(state) });
      assert.equal(samples.at(-1).player?.state, state, `after ${seconds} s, states: ${summarise(samples).states}, errors: ${JSON.stringify(samples.at(-1).player?.errors)}`);
      return samples;
    };
    const shot = async (file) => {
      if (!process.env.SHOTS) return;
      await page.emulateMedia({ reducedMotion: 'reduce' }); // not in the middle of a fade
      await page.screenshot({ path: `${process.env.SHOTS}/${file}.png` });
    };
    try {
      await act({ origin, page, until, shot });
      const end = await page.evaluate(() => window.headrace);
      t.diagnostic(`starts ${end.starts}, stalls ${end.stalls}, ${end.stalledSeconds.toFixed(1)} s, errors: ${end.errors.map((e) => e.details)}`);
      assert.deepEqual(complaints, [], 'script errors');
      assert.equal(loads, wantLoads, 'page loads');
    } finally {
      await close();
      await origin.close();
    }
  });
}

// near the live edge again, by the picture's own clock
async function plays(page, { seconds = 5, within = 3 } = {}) {
  const sum = summarise(await watch(page, { seconds }));
  assert.ok(sum.progress > seconds * 0.8, `played ${sum.progress} of ${seconds} s: ${JSON.stringify(sum)}`);
  assert.ok(sum.latency?.p50 < within, `latency ${JSON.stringify(sum.latency)}, want below ${within} s`);
  return sum;
}

scene('waits for a stream that is not there, and starts by itself', async ({ origin, page, until, shot }) => {
  await page.goto(origin.url);
  await until('waiting');
  await shot('waiting');
  origin.begin();
  await until('playing');
  const sum = await plays(page, { within: 2.5 });
  assert.equal(sum.protocol, 'LL-HLS');
  assert.equal(sum.stalls, 0);
  assert.equal(sum.starts, 1);
});

scene('keeps the advised latency without interruption', async ({ origin, page, until }) => {
  origin.begin();
  await page.goto(origin.url);
  await until('playing');
  const sum = await plays(page, { seconds: 15, within: 2.3 });
  assert.equal(sum.target, 1.5); // PART-HOLD-BACK
  assert.equal(sum.stalls, 0);
  assert.ok(Math.abs(sum.latency.p50 - sum.latencyToldByPlayer.p50) < 0.4, 'the player tells another latency than the picture');
});

// recovers waits for a stretch of clean play near the live edge. A busy machine
// starves the encoder too, so the first stretch need not be the one.
async function recovers(page, { within = 30 } = {}) {
  const end = Date.now() + within * 1000;
  for (;;) {
    try {
      return await plays(page);
    } catch (err) {
      if (Date.now() > end) throw err;
    }
  }
}

for (const silence of [0.2, 2, 20]) {
  scene(`survives an encoder that is gone for ${silence} s`, async ({ origin, page, until, shot }) => {
    origin.begin();
    await page.goto(origin.url);
    await until('playing');
    await plays(page, { seconds: 3 });
    await origin.disconnect();
    if (silence > 5) {
      await until('no-signal', silence / 2);
      await shot('no-signal');
    }
    await watch(page, { seconds: silence });
    origin.connect();
    await until('playing');
    await recovers(page);
  });
}

scene('survives a server that restarts', async ({ origin, page, until, shot }) => {
  origin.begin();
  await page.goto(origin.url);
  await until('playing');
  await origin.hangUp();
  await until('reconnecting');
  await shot('reconnecting');
  await watch(page, { seconds: 10 });
  await origin.listen();
  await until('playing');
  await recovers(page);
});

scene('survives a server that forgets the stream and gets it again', async ({ origin, page, until }) => {
  origin.begin();
  await page.goto(origin.url);
  await until('playing');
  await origin.disconnect();
  origin.forget();
  await until('waiting');
  origin.begin();
  await until('playing');
  await recovers(page);
});

scene('shows the end, and starts with the next programme', async ({ origin, page, until, shot }) => {
  origin.begin();
  await page.goto(origin.url);
  await until('playing');
  await plays(page, { seconds: 3 });
  await origin.end();
  await until('ended');
  await shot('ended');
  origin.forget();
  const over = summarise(await watch(page, { seconds: 3 }));
  assert.deepEqual(over.states, ['ended']);
  origin.begin();
  await until('playing');
  await recovers(page);
});

scene('shows the end of a stream that has ended before', async ({ origin, page, until }) => {
  origin.begin();
  await page.goto(origin.url);
  await until('playing');
  await origin.end();
  await page.goto('about:blank');
  await page.goto(origin.url);
  await until('ended');
}, { loads: 3 });

scene('pauses, stays behind, and goes back to the live edge', async ({ origin, page, until }) => {
  origin.begin();
  await page.goto(origin.url);
  await until('playing');
  await page.keyboard.press('k');
  await until('paused');
  await watch(page, { seconds: 6 });
  await page.keyboard.press('k');
  await until('playing');
  const behind = summarise(await watch(page, { seconds: 2 }));
  assert.ok(behind.latency.p50 > 5, `behind by ${behind.latency.p50} s, want more than 5 s`);
  assert.equal(behind.stalls, 0, 'a pause is no stall');
  await page.keyboard.press('l');
  await watch(page, { seconds: 1 });
  await plays(page, { seconds: 3 });
});

scene('offers the qualities, and keeps the choice over a new start', async ({ origin, page, until }) => {
  origin.begin();
  const variant = (height, bandwidth, name) =>
    `#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth},RESOLUTION=${(height * 16) / 9}x${height},FRAME-RATE=30.000,CODECS="avc1.42c01e"\nv/media.m3u8?${name}\n`;
  await page.route('**/master.m3u8', async (route) => {
    const res = await route.fetch().catch(() => undefined);
    if (!res?.ok()) return route.abort().catch(() => {});
    return route.fulfill({ response: res, body: `#EXTM3U\n${variant(360, 1700000, 'low')}${variant(720, 2500000, 'high')}` });
  });
  await page.goto(origin.url);
  await until('playing');
  const choice = page.getByLabel('Quality');
  assert.deepEqual((await choice.locator('option').allTextContents()).slice(1), ['720p', '360p']);
  await choice.selectOption('360p');
  await watch(page, { seconds: 10, enough: (s) => !s.player.auto && s.player.quality === 0 });
  await origin.hangUp();
  await until('reconnecting');
  await origin.listen();
  await until('playing');
  const samples = await watch(page, { seconds: 10, enough: (s) => s.player.starts === 2 && s.player.quality === 0 });
  assert.equal(samples.at(-1).player.auto, false, 'the choice is forgotten');
  assert.equal(samples.at(-1).player.quality, 0);
  await page.unrouteAll({ behavior: 'ignoreErrors' });
});
