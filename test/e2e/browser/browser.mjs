// Starts Debian's Chromium for a test, with nothing kept from before and nothing left behind.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const args = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
];

/** launch opens a browser with one page of the given size; close ends it and removes its profile. */
export async function launch({ width = 1440, height = 900, touch = false } = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'headrace-browser-'));
  let context;
  const close = async () => {
    await context?.close().catch(() => {});
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  try {
    context = await chromium.launchPersistentContext(profile, {
      executablePath,
      args,
      headless: true,
      viewport: { width, height },
      deviceScaleFactor: touch ? 2 : 1,
      hasTouch: touch,
      isMobile: touch,
    });
    const page = context.pages()[0] ?? (await context.newPage());
    return { page, close };
  } catch (err) {
    await close();
    throw err;
  }
}
