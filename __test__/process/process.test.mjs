/** Processes and threads: what keeps them alive, how they end, what they leak. Each scene runs in a separate process. */

import { describe, expect, vi } from 'vitest';

import { eventually } from '../support/calls.mjs';
import { runProgram } from '../support/programs.mjs';
import { test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

/** A program that hangs is killed before (support/programs.mjs), which shows what it had printed. */
vi.setConfig({ testTimeout: 60_000 });

/** What a busy machine may take to end a process. What holds one alive here would do so for seconds at least. */
const EXIT_MS = 1_500;

/** By the models' names. @param {{ body?: any }} request @returns {Behaviour | undefined} */
const byModel = ({ body }) =>
  body?.model === 'endless' ? { kind: 'answer', content: 'word '.repeat(2_000), deltas: 2_000, paceMs: 5 } : undefined;

describe('a process ends by itself soon after', () => {
  for (const [scene, output] of /** @type {[string, RegExp][]} */ ([
    ['a completion', /Answered by upstream, with the model ok\./],
    ['a stream', /Answered by upstream, with the model ok\./],
    ['a stream that is broken off', /^/],
    ['a stream that is done, on a connection that stays open', /^/],
    ['a call that falls back', /^fallback/],
    ['a call that fails', /^400/],
    ['a call that is aborted', /^Request was aborted/],
    ['no call', /^/],
    ['a client that is kept, idle', /^/],
  ])) {
    test.concurrent(scene, async ({ serve }) => {
      const upstream = await serve(byModel);
      const { code, signal, stdout, stderr, exitedAt } = await runProgram('process/programs/life', [
        scene,
        upstream.url,
      ]);

      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      expect(stdout).toMatch(output);
      const doneAt = Number(/done at (\d+)/.exec(stdout)?.[1]);
      expect(exitedAt - doneAt).toBeLessThan(EXIT_MS);
      if (scene === 'no call') expect(upstream.requests).toEqual([]);
    });
  }
});

describe('a process is kept alive by', () => {
  for (const [scene, output] of /** @type {[string, string][]} */ ([
    ['a call that nobody awaits', 'Answered by upstream, with the model slow.'],
    ['a stream that is waited for', 'Answered by upstream, with the model slow.'],
    ['a timeout that is waited for', 'APIConnectionTimeoutError'],
  ])) {
    test.concurrent(scene, async ({ serve }) => {
      const upstream = await serve(byModel);
      const { code, signal, stdout, stderr } = await runProgram('process/programs/life', [scene, upstream.url]);

      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      expect(stdout.trim()).toBe(output);
    });
  }
});

describe('`process.exit()` ends it with its code, and without a crash:', () => {
  for (const scene of [
    'exit at once',
    'exit in the middle of a request',
    'exit in the middle of a stream',
    'exit as the answer comes',
  ]) {
    test.concurrent(scene, async ({ serve }) => {
      const upstream = await serve(byModel);
      for (let turn = 0; turn < 3; turn += 1) {
        const { code, signal, stderr } = await runProgram('process/programs/life', [scene, upstream.url]);
        expect({ code, signal, stderr }).toEqual({ code: 3, signal: null, stderr: '' });
      }
      expect(await eventually(() => upstream.connections === 0)).toBe(true);
    });
  }
});

describe('an unplanned end is Node.js’s own:', () => {
  for (const scene of ['an uncaught exception', 'an exception in a callback']) {
    test.concurrent(scene, async ({ serve }) => {
      const upstream = await serve(byModel);
      const { code, signal, stderr } = await runProgram('process/programs/life', [scene, upstream.url]);
      expect({ code, signal }).toEqual({ code: 1, signal: null });
      expect(stderr).toContain('nobody catches this');
      expect(stderr).not.toMatch(/panicked|fatal|Segmentation/i);
    });
  }

  test.concurrent('a signal', async ({ serve }) => {
    const upstream = await serve(byModel);
    const { code, signal, stderr } = await runProgram('process/programs/life', ['a signal', upstream.url]);
    expect({ code, signal, stderr }).toEqual({ code: null, signal: 'SIGTERM', stderr: '' });
  });
});

describe('threads:', () => {
  for (const [scene, output] of /** @type {[string, string][]} */ ([
    ['workers one after the other, and none in main', '[20,20,20,20,20,20]'],
    ['a worker that exits in the middle', 'exited with 5\n3'],
  ])) {
    test.concurrent(scene, { timeout: 60_000 }, async ({ serve }) => {
      const upstream = await serve(byModel);
      const { code, signal, stdout, stderr } = await runProgram('process/programs/worker-threads', [
        scene,
        upstream.url,
      ]);

      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
      expect(stdout.trim()).toBe(output);
      expect(await eventually(() => upstream.connections === 0)).toBe(true);
    });
  }

  test.concurrent('a worker that is terminated closes the connections of its calls', async ({ serve }) => {
    const upstream = await serve(byModel);
    const run = runProgram('process/programs/worker-threads', ['terminate in the middle of one stream', upstream.url]);
    let ended = false;
    void run.then(() => (ended = true));
    // The first one was the main thread's.
    const request = await upstream.arrival(2);
    expect(await request.closed).toBe('broken off');
    expect(ended).toBe(false);
    expect((await run).code).toBe(0);
    expect(request.eventsSent).toBeLessThan(1_000);
  });

  test.concurrent('a worker that is terminated closes the connection of a request of the API', async ({ serve }) => {
    const upstream = await serve(({ body }) => (body?.model === 'silence' ? { kind: 'silence' } : undefined));
    const run = runProgram('process/programs/worker-threads', ['terminate in a request of the API', upstream.url]);
    let ended = false;
    void run.then(() => (ended = true));
    const request = await upstream.arrival(2);
    expect(await request.closed).toBe('broken off');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(ended, 'the main thread is there still').toBe(false);
    expect((await run).code).toBe(0);
  });
});

describe('what is left over:', () => {
  test.concurrent('no listener of a thousand aborts, and no warning', async ({ serve }) => {
    const upstream = await serve(byModel);
    const { code, stdout, stderr } = await runProgram('process/programs/life', ['a thousand aborts', upstream.url]);

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^aborted 1000, listeners 0\n/);
  });

  test.concurrent('nothing of a stream that is dropped: its connection is closed', async ({ serve }) => {
    const upstream = await serve(byModel);
    const run = runProgram('process/programs/life', ['a stream that is dropped', upstream.url], {
      flags: ['--expose-gc'],
    });
    // While the process lives: its end closes everything.
    let ended = false;
    void run.then(() => (ended = true));
    for (const number of [1, 2, 3]) expect(await (await upstream.arrival(number)).closed).toBe('broken off');
    expect(ended).toBe(false);
    const { code, stdout, stderr } = await run;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe('dropped\nlisteners 0\n');
  });

  test.concurrent('but a stream that is being read is not dropped', async ({ serve }) => {
    const upstream = await serve(byModel);
    const run = await runProgram('process/programs/life', ['a stream that is read slowly', upstream.url], {
      flags: ['--expose-gc'],
    });
    expect(run.stdout.trim()).toBe('Answered by upstream, with the model slow.');
  });

  test.concurrent('of a signal its effect on a stream, whatever refers to the stream', async ({ serve }) => {
    const upstream = await serve(byModel);
    const scene = 'streams that are aborted while they are read';
    const { code, stdout, stderr } = await runProgram('process/programs/life', [scene, upstream.url], {
      flags: ['--expose-gc'],
    });

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n').slice(0, 3).sort()).toEqual(['body DOMException', 'for await ended', 'iterator ended']);
    for (const number of [1, 2, 3]) expect(await (await upstream.arrival(number)).closed).toBe('broken off');
  });

  test('a kept completion does not keep its text in memory', async ({ serve }) => {
    const upstream = await serve(() => ({ kind: 'answer', content: 'x'.repeat(100_000) }));
    const { code, stdout } = await runProgram('process/programs/life', ['completions that are kept', upstream.url], {
      flags: ['--expose-gc'],
    });

    expect(code).toBe(0);
    expect(Number(/^(-?\d+) bytes each, 140 kept/.exec(stdout)?.[1])).toBeLessThan(30_000);
  });

  test('nothing of a dropped completion, also before the next full garbage collection', async ({ serve }) => {
    const upstream = await serve(() => ({ kind: 'answer', content: 'x'.repeat(10_000) }));
    const { code, stdout } = await runProgram('process/programs/life', ['completions that are let go', upstream.url], {
      flags: ['--expose-gc'],
    });

    expect(code).toBe(0);
    expect(Number(/^(-?\d+) bytes each/.exec(stdout)?.[1])).toBeLessThan(5_000);
  });

  test('no memory of many clients, and few connections', async ({ serve }) => {
    const upstream = await serve(byModel);
    const { code, stdout } = await runProgram('process/programs/life', ['many clients', upstream.url], {
      flags: ['--expose-gc'],
    });

    expect(code).toBe(0);
    const { heap, rss } = JSON.parse(stdout.split('\n')[0] ?? '');
    // Of 300 clients more: a client that stays would be some 20 kB of heap.
    expect(heap).toBeLessThan(3_000_000);
    expect(rss).toBeLessThan(60_000_000);
    expect(upstream.totalConnections).toBeLessThan(10);
  });
});
