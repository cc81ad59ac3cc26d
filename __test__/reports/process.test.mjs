/** A process that has nothing else to do waits for its reports, but not for long, and not against its will (contract.md, section 7). */

import { describe, expect, vi } from 'vitest';

import { runProgram } from '../support/programs.mjs';
import { test } from '../support/upstreams.mjs';
import { NOWHERE, TAKES } from '../support/reporting.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */
/** @import { Fixtures } from '../support/upstreams.mjs' */

/** A program that hangs is killed before (support/programs.mjs), which shows what it had printed. */
vi.setConfig({ testTimeout: 60_000 });

/** So long it waits, in milliseconds. */
const PATIENCE = 5_000;
/** What a busy machine may take to end a process. */
const EXIT_MS = 3_000;
/** Longer than a process takes to end that waits for nothing. */
const DELAY = 1_200;
/** @type {Behaviour} */
const SLOW = { ...TAKES, delayMs: DELAY };
/** @type {Behaviour} */
const SILENT = { kind: 'silence' };

/**
 * Runs a scene to its end; `waited` is for how long the process lived on when its own work was done.
 * @param {Fixtures['serve']} serve @param {string} scene @param {Behaviour | 'refused'} [reports] @param {Record<string, string>} [env]
 */
async function run(serve, scene, reports = SLOW, env = {}) {
  const upstream = await serve(({ body }) =>
    body?.model === 'endless' ? { kind: 'answer', content: 'word '.repeat(500), deltas: 500, paceMs: 20 } : undefined,
  );
  const openpipe = await serve(({ path }) => (path.endsWith('/report') && reports !== 'refused' ? reports : undefined));
  const url = reports === 'refused' ? NOWHERE : openpipe.url;
  const { exitedAt, ...ended } = await runProgram('reports/programs/exit', [scene, upstream.url, url], { env });
  const doneAt = Number(/done at (\d+)\n$/.exec(ended.stdout)?.[1]);
  const arrived = openpipe.requests.filter(({ path }) => path.endsWith('/report'));
  return { ...ended, waited: exitedAt - doneAt, arrived };
}

describe.concurrent('a process that has nothing else to do delivers the report of', () => {
  for (const [scene, count, more] of /** @type {[string, number, any?][]} */ ([
    ['a completion', 1],
    ['a call that nobody awaits', 1],
    ['a stream', 1],
    ['a stream that is left early', 1, { errorMessage: expect.stringContaining('left') }],
    ['a stream that is aborted unread', 1, { errorMessage: expect.stringContaining('left') }],
    ['a stream that fails', 1, { errorMessage: expect.any(String) }],
    ['a call that fails', 1, { statusCode: 400 }],
    ['a client that is closed', 1],
    ['a worker', 1],
  ])) {
    test(scene, async ({ serve }) => {
      const { code, signal, stderr, waited, arrived } = await run(serve, scene);

      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      expect(arrived.map(({ outcome }) => outcome)).toEqual(Array(count).fill('answered'));
      for (const { body } of arrived) expect(body).toMatchObject(more ?? { statusCode: 200 });
      expect(waited).toBeGreaterThan(DELAY - 300);
      expect(waited).toBeLessThan(DELAY + EXIT_MS);
    });
  }

  for (const [scene, count] of /** @type {[string, number][]} */ ([
    ['a hundred calls', 100],
    ['three workers and the main thread', 301],
  ])) {
    test(scene, async ({ serve }) => {
      const { code, signal, stderr, arrived } = await run(serve, scene, { ...TAKES, delayMs: 50 });
      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      expect(arrived).toHaveLength(count);
      expect(arrived.every(({ outcome }) => outcome === 'answered')).toBe(true);
    });
  }

  test('a stream that is dropped early, every time', async ({ serve }) => {
    for (let turn = 0; turn < 4; turn += 1) {
      const { code, arrived } = await run(serve, 'a stream that is left early', TAKES);
      expect([code, arrived.length]).toEqual([0, 1]);
    }
  });

  for (const scene of ['a last call, made when all else is done', 'a call after the wait for another']) {
    test(scene, async ({ serve }) => {
      const { code, stderr, arrived } = await run(serve, scene, { ...TAKES, delayMs: 300 });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(arrived.map(({ body, outcome }) => [body.reqPayload.user, outcome])).toEqual([
        [undefined, 'answered'],
        ['the last one', 'answered'],
      ]);
    });
  }

  test('a completion, with `fetch`', async ({ serve }) => {
    const { code, stderr, waited, arrived } = await run(serve, 'a completion', SLOW, { OPENPIPE_TRANSPORT: 'fetch' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(arrived.map(({ outcome }) => outcome)).toEqual(['answered']);
    expect(waited).toBeGreaterThan(DELAY - 300);
  });
});

test.concurrent("a process waits for a request of OpenPipe's own API", async ({ serve }) => {
  const { code, stderr, stdout, waited, arrived } = await run(serve, "a request of OpenPipe's own API");
  expect({ code, stderr, outcomes: arrived.map(({ outcome }) => outcome) }).toEqual({
    ...{ code: 0, stderr: '', outcomes: ['answered'] },
  });
  expect(stdout).toMatch(/^ok\n/);
  expect(waited).toBeLessThan(EXIT_MS);
});

describe.concurrent('a process whose reports cannot be delivered ends after five seconds:', () => {
  for (const [name, scene, reports, env] of /** @type {[string, string, Behaviour | 'refused', any?][]} */ ([
    ['an endpoint that never answers', 'a completion', SILENT],
    ['one that never answers, and a hundred calls', 'a hundred calls', SILENT],
    ['one that is unreachable', 'a completion', 'refused'],
    ['one that is overloaded', 'a stream', { kind: 'status', status: 503 }],
    ['one that never answers, and a worker', 'a worker', SILENT],
    // The try of the second is under way when the first is tried again.
    [
      'one that never answers, two calls, and `fetch`',
      'two calls, two seconds apart',
      SILENT,
      { OPENPIPE_TRANSPORT: 'fetch' },
    ],
    [
      'one that never answers, a hundred calls, and `fetch`',
      'a hundred calls',
      SILENT,
      { OPENPIPE_TRANSPORT: 'fetch' },
    ],
  ])) {
    test(name, async ({ serve }) => {
      const { code, signal, stderr, waited, arrived } = await run(serve, scene, reports, env);

      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      if (reports !== 'refused') expect(arrived.length).toBeGreaterThan(0);
      expect(waited).toBeGreaterThan(PATIENCE - 500);
      expect(waited).toBeLessThan(PATIENCE + EXIT_MS);
    });
  }
});

describe.concurrent('a process ends at once', () => {
  for (const scene of ['a call that OpenPipe serves', 'a call that is not to be logged', 'no call']) {
    test(`without reports: ${scene}`, async ({ serve }) => {
      const { code, stderr, waited, arrived } = await run(serve, scene, SILENT);
      expect({ code, stderr, arrived }).toEqual({ code: 0, stderr: '', arrived: [] });
      expect(waited).toBeLessThan(EXIT_MS);
    });
  }

  test('where the report is refused', async ({ serve }) => {
    const { code, waited, arrived } = await run(serve, 'a completion', { kind: 'status', status: 403 });
    expect([code, arrived.length]).toEqual([0, 1]);
    expect(waited).toBeLessThan(EXIT_MS);
  });

  for (const [scene, code, stderr] of /** @type {[string, number, any][]} */ ([
    ['process.exit() after a call', 3, ''],
    ['process.exit() while it waits for the report', 3, ''],
    ['process.exit() while reportingFinished is awaited', 3, ''],
    ['process.exit() in a worker', 3, ''],
    ['an uncaught exception', 1, expect.stringContaining('nobody catches this')],
    ['a worker that is terminated', 0, ''],
  ])) {
    test(`when it calls \`process.exit()\`: ${scene}`, async ({ serve }) => {
      const ended = await run(serve, scene, SILENT);
      expect(ended).toMatchObject({ code, signal: null, stderr });
      expect(ended.waited).toBeLessThan(EXIT_MS);
    });
  }
});
