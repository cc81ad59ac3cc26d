/** Custom clients and the process: its end, its threads, its memory. Each scene runs in a separate process. */

import { describe, expect, vi } from 'vitest';

import { runProgram } from '../support/programs.mjs';
import { test } from '../support/upstreams.mjs';
import { FAILING } from '../support/custom-clients.mjs';

/** @import { Fixtures } from '../support/upstreams.mjs' */

/** A program that hangs is killed before (support/programs.mjs), which shows what it had printed. */
vi.setConfig({ testTimeout: 60_000 });

const MIB = 1024 * 1024;

describe.concurrent('the process ends well', () => {
  test('only where no rejection was left unhandled: these scenes would show one', async ({ serve }) => {
    const run = await scene(serve, 'an unhandled rejection, which must be seen');

    expect(run.code).toBe(1);
    expect(run.stderr).toContain('nobody handles this');
    expect(run.stdout).not.toContain('done');
  });

  for (const [name, said] of /** @type {[string, string][]} */ ([
    ['a completion that is rejected late', 'APIConnectionTimeoutError\n'],
    ['a stream that is rejected late', 'APIConnectionTimeoutError\n'],
    ['a stream that is opened late and cannot be closed', 'APIConnectionTimeoutError\n'],
    ['a response that is rejected', ''],
    ['a call that is aborted before its client rejects', 'APIUserAbortError\n'],
    ['a stream that is left while its client is busy', ''],
    ['a client that hangs, and then the end', 'APIConnectionTimeoutError\n'],
    ['a client that nothing else waits for', 'waited for\n'],
    ['a stream that nothing else waits for', 'waited for\n'],
    ['a stream that is dropped', ''],
    ['a call that nobody awaits', ''],
    ['an error in the client that is thrown later', "seen: the user's own\n"],
  ])) {
    test(`after ${name}`, async ({ serve }) => {
      const run = await scene(serve, name);

      expect(run).toMatchObject({ code: 0, signal: null, stdout: `${said}done\n`, stderr: '' });
    });
  }

  for (const name of [
    'process.exit with a call in flight',
    'process.exit in the client',
    'process.exit in the middle of a stream',
  ]) {
    test(`by ${name}`, async ({ serve }) => {
      const run = await scene(serve, name);

      expect(run).toMatchObject({ code: 7, signal: null, stdout: 'done\n', stderr: '' });
    });
  }
});

describe.concurrent('a client in a worker thread', () => {
  for (const [name, said] of /** @type {[string, string][]} */ ([
    ['answers', 'from a worker / from a worker (exit 0)\n'],
    ['throws', 'in the client (exit 0)\n'],
    ['exits', 'exit 3\n'],
    ['hangs', 'exit 1\nexit 1\nexit 1\nfrom a worker / from a worker\n'],
    ['streams', 'exit 1\nexit 1\nexit 1\nfrom a worker / from a worker\n'],
    ['blocks', 'exit 1\nexit 1\nexit 1\nfrom a worker / from a worker\n'],
  ])) {
    test(`${name}, and the process goes on`, async ({ serve }) => {
      const run = await runProgram('custom-clients/programs/workers', [name, (await serve(FAILING)).url]);

      expect(run).toMatchObject({ code: 0, signal: null, stdout: `${said}done\n`, stderr: '' });
    });
  }

  test('answers next to others, each to its own thread', async ({ serve }) => {
    const run = await runProgram('custom-clients/programs/workers', ['many', (await serve(FAILING)).url]);
    const [line, last] = run.stdout.split('\n');
    const both = 'from a worker / from a worker';

    expect(run).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(JSON.parse(line ?? '')).toEqual([both, ...Array.from({ length: 4 }, () => [both, 0])]);
    expect(last).toBe('done');
  });
});

describe.concurrent('nothing grows', { timeout: 60_000 }, () => {
  for (const [name, heap, rss] of /** @type {[string, number, number][]} */ ([
    ['clients that are made and dropped', 1, 20],
    ['calls that fall back', 1, 20],
    ['calls that fail', 1, 20],
  ])) {
    test(`with ${name}`, async ({ serve }) => {
      const told = await memory(serve, name);
      const [, warm, ...later] = told.after;
      const last = later.at(-1);

      expect(told.watched).toBeGreaterThan(90);
      expect(told.alive).toBe(0);
      expect(told.listeners ?? 0).toBe(0);
      expect(last.heapUsed - warm.heapUsed).toBeLessThan(heap * MIB);
      expect(last.rss - warm.rss).toBeLessThan(rss * MIB);
    });
  }

  test('with streams that are dropped unread: their connections are closed', async ({ serve }) => {
    const outcomes = await memory(serve, 'streams that are dropped unread');

    expect(Object.keys(outcomes)).toHaveLength(6);
    expect(new Set(Object.values(outcomes))).toEqual(new Set(['broken off']));
  });

  test('with a generator whose stream is dropped unread: the client’s signal is aborted', async ({ serve }) => {
    expect(await memory(serve, 'a generator whose stream is dropped unread')).toEqual({ aborted: true });
  });
});

/** @param {Fixtures['serve']} serve @param {string} name */
async function scene(serve, name) {
  return runProgram('custom-clients/programs/scenes', [name, (await serve(FAILING)).url]);
}

/** @param {Fixtures['serve']} serve @param {string} name */
async function memory(serve, name) {
  const { url } = await serve(FAILING);
  const run = await runProgram('custom-clients/programs/memory', [name, url], {
    flags: ['--expose-gc'],
    atMost: 55_000,
  });
  expect(run).toMatchObject({ code: 0, signal: null, stderr: '' });
  return JSON.parse(run.stdout);
}
