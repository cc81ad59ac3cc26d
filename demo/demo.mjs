/**
 * `npm run demo`: real calls through the real client, to upstreams on this machine that misbehave.
 * `npm run demo -- --web`: the same on a page with sliders. `npm run demo -- --live`: a few calls to real endpoints.
 */

import { parseArgs } from 'node:util';

import { say } from './terminal.mjs';

const USAGE = `npm run demo [-- options]           upstreams on this machine; no key, no internet
  --only WHAT       one situation, by number, id or a word of its title; may be repeated
  --fast            gives up hanging calls of the other clients after 5 s instead of 30 s
npm run demo -- --web [--port N]    a page on 127.0.0.1 with sliders
npm run demo -- --live [options]    the real endpoints, with the keys of the environment
  --model NAME      the primary (default: openpipe:$OPENPIPE_MODEL, else gpt-5.4-mini)
  --fallback NAME   the fallback (default: gpt-5.4-mini)`;

/** A process that runs longer is ended: a call hangs. */
const AT_MOST_MS = { local: 90_000, live: 180_000 };

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    fast: { type: 'boolean', default: false },
    web: { type: 'boolean', default: false },
    port: { type: 'string', default: '0' },
    live: { type: 'boolean', default: false },
    model: { type: 'string' },
    fallback: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (flags.help) {
  say(USAGE);
} else if (flags.web) {
  const { serveDemo } = await import('./web/server.mjs');
  const { url } = await serveDemo({ port: Number(flags.port) });
  say(`The demo is at ${url} (Ctrl+C ends it).`);
} else if (flags.live) {
  exitAfter(AT_MOST_MS.live);
  const { runLive } = await import('./live.mjs');
  process.exitCode = await runLive(flags);
} else {
  exitAfter(AT_MOST_MS.local);
  const { runLocal } = await import('./local.mjs');
  process.exitCode = await runLocal(flags);
}

/** @param {number} ms */
function exitAfter(ms) {
  const timer = setTimeout(() => {
    say(`\nStill running after ${ms / 1000} s: something did not end.`);
    process.exit(1);
  }, ms);
  timer.unref();
}
