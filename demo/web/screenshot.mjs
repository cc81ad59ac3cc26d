/** Takes docs/images/demo.png for `npm run pictures`: the page after half a minute with faults. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

import { openPage } from './chromium.mjs';
import { serveDemo } from './server.mjs';

/** How long to wait until the window of the page's figures is full. */
const WATCHED_MS = 22_000;

/** @param {string} file @param {{ dark?: boolean, preset?: string }} [options] */
export async function takeScreenshot(file, { dark = false, preset = 'Some errors' } = {}) {
  const demo = await serveDemo();
  const page = await openPage(demo.url, { width: 1280, height: 1010, scale: 1.5, dark });
  try {
    await page.eventually('document.querySelectorAll("#presets button").length > 0', 20_000);
    await page.evaluate(
      `[...document.querySelectorAll('button')].find((b) => b.textContent === ${JSON.stringify(preset)}).click()`,
    );
    await sleep(WATCHED_MS);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, await page.screenshot());
  } finally {
    await page.close();
    await demo.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await takeScreenshot(process.argv[2] ?? 'docs/images/demo.png');
