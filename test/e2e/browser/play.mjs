// node play.mjs URL --seconds N [--screenshot FILE] [--viewport WxH] [--touch] [--verbose]
//
// Opens a player page in Chromium, watches it, and prints one line of JSON: see
// summarise in watch.mjs. Exit status 1 if nothing was ever played, 2 on wrong use.
import { parseArgs } from 'node:util';
import { launch } from './browser.mjs';
import { summarise, watch } from './watch.mjs';

const usage = 'usage: node play.mjs URL --seconds N [--screenshot FILE] [--viewport WxH] [--touch] [--verbose]';

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '10' },
      screenshot: { type: 'string' },
      viewport: { type: 'string', default: '1440x900' },
      touch: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
    },
  });
  const size = /^(\d+)x(\d+)$/.exec(values.viewport);
  const seconds = Number(values.seconds);
  if (positionals.length !== 1 || !size || !(seconds > 0)) throw new Error(usage);
  return { ...values, url: positionals[0], seconds, width: Number(size[1]), height: Number(size[2]) };
}

async function main() {
  let o;
  try {
    o = options();
  } catch (err) {
    console.error(err.message);
    return 2;
  }
  const { page, close } = await launch(o);
  try {
    const complaints = []; // what the page wrote to its console as an error
    page.on('pageerror', (err) => complaints.push(String(err)));
    page.on('console', (message) => {
      if (o.verbose) console.error(message.text());
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
    });
    await page.goto(o.url, { waitUntil: 'domcontentloaded' });
    const samples = await watch(page, { seconds: o.seconds });
    if (o.screenshot) await page.screenshot({ path: o.screenshot });
    const summary = { url: o.url, ...summarise(samples), complaints: complaints.slice(0, 20) };
    console.log(JSON.stringify(summary));
    return summary.started ? 0 : 1;
  } finally {
    await close();
  }
}

process.exitCode = await main();
