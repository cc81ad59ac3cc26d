/**
 * `npm run demo`: real calls through the real client, to upstreams on this machine that misbehave.
 * `npm run demo -- --live`: a few of them to the real endpoints.
 */

import { parseArgs } from 'node:util';

import { runLive } from './live.mjs';
import { runSituation } from './run-situation.mjs';
import { situations } from './situations.mjs';
import { printSummary, say } from './timeline.mjs';

const USAGE = `npm run demo                        upstreams on this machine; no key, no internet
npm run demo -- --live [options]    the real endpoints, with the keys of the environment
  --model NAME      the primary (default: openpipe:$OPENPIPE_MODEL, else gpt-4o-mini)
  --fallback NAME   the fallback (default: gpt-4o-mini)`;

/** Whatever keeps this process alive longer is a fault. */
const AT_MOST_MS = { local: 25_000, live: 180_000 };

const { values: flags } = parseArgs({
  options: {
    live: { type: 'boolean', default: false },
    model: { type: 'string' },
    fallback: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (flags.help) {
  say(USAGE);
} else {
  exitAfter(flags.live ? AT_MOST_MS.live : AT_MOST_MS.local);
  process.exitCode = flags.live ? await runLive(flags) : await runLocal();
}

/** @returns {Promise<number>} The exit code. */
async function runLocal() {
  say('A primary that misbehaves and a healthy fallback, both on this machine.');
  const start = performance.now();
  let kept = 0;
  for (const [index, situation] of situations.entries()) if (await runSituation(situation, index + 1)) kept += 1;
  printSummary(kept, situations.length, performance.now() - start);
  return kept === situations.length ? 0 : 1;
}

/**
 * The process ends by itself when nothing is pending; this only catches what does not end.
 *
 * @param {number} ms
 */
function exitAfter(ms) {
  const timer = setTimeout(() => {
    say(`\nStill running after ${ms / 1000} s: something did not end.`);
    process.exit(1);
  }, ms);
  timer.unref();
}
