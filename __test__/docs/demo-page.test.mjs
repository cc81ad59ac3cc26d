/** The demo's page, in a headless Chromium. */

import { expect, onTestFinished, test } from 'vitest';

import { chromiumPath, openPage } from '../../demo/web/chromium.mjs';
import { serveDemo } from '../../demo/web/server.mjs';

/** A browser and five processes start, where others want the cores as well. */
const AT_MOST_MS = 180_000;
const SOON_MS = 60_000;

const needed = chromiumPath ? '' : ' (skipped: no Chromium is installed; apt-get install chromium, or set CHROMIUM)';

async function open() {
  const demo = await serveDemo();
  onTestFinished(() => demo.close());
  const page = await openPage(demo.url, { width: 1280, height: 900 });
  onTestFinished(() => page.close());
  return { demo, page };
}

/** @param {string} lane @param {string} figure */
const figure = (lane, figure) =>
  `Number.parseInt(document.querySelector('[data-lane=${lane}] [data-figure=${figure}]').textContent)`;

test.skipIf(!chromiumPath)(
  `in an outage of the primary only openai’s calls fail${needed}`,
  { timeout: AT_MOST_MS },
  async () => {
    const { demo, page } = await open();
    expect(await page.eventually(`${figure('openpipe-native', 'answered')} > 5`, SOON_MS)).toBe(true);

    await page.evaluate(`(() => {
    const slider = document.getElementById('failures');
    slider.value = 100;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
  })()`);
    expect(await page.eventually(`${figure('openai', 'failed')} > 5`, SOON_MS)).toBe(true);
    expect(await page.eventually(`${figure('openpipe', 'answered')} > 5`, SOON_MS)).toBe(true);
    expect(await page.evaluate(figure('openpipe-native', 'failed'))).toBe(0);
    expect(await page.eventually(`document.querySelectorAll('#attempts .by-fallback').length > 3`, SOON_MS)).toBe(true);
    expect(await page.eventually(`document.querySelector('#circuits .is-open') !== null`, SOON_MS)).toBe(true);
    expect(await page.evaluate(`document.querySelector('[data-lane=openai] [data-figure=p99]').textContent`)).toMatch(
      /\d m?s|\ds/,
    );

    expect(page.errors).toEqual([]);
    expect(page.requests.filter((url) => !url.startsWith(demo.url) && !url.startsWith('data:'))).toEqual([]);
  },
);

test('the page’s server refuses what another site’s page sends', async () => {
  const demo = await serveDemo();
  onTestFinished(() => demo.close());
  const send = (/** @type {Record<string, string>} */ headers) =>
    fetch(`${demo.url}settings`, { method: 'POST', body: '{"failures": 100}', headers });

  expect((await send({ origin: 'http://elsewhere.example' })).status).toBe(403);
  expect((await send({})).status).toBe(204);
});
