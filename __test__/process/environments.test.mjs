/** Threads, processes and contexts that share the addon and end while it is in use. Each scene runs in a separate process. */

import { describe, expect } from 'vitest';

import { countsDescriptors } from '../support/process.mjs';
import { eventually } from '../support/calls.mjs';
import { runProgram } from '../support/programs.mjs';
import { test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */
/** @import { Fixtures } from '../support/upstreams.mjs' */

const MIB = 1024 * 1024;
const AT_MOST = 110_000;

/** @param {{ path: string, body?: any }} request @returns {Behaviour | undefined} */
const behaviour = ({ path, body }) => {
  if (path.endsWith('/report')) return { kind: 'silence' };
  if (body?.model !== 'endless') return undefined;
  return { kind: 'answer', content: 'word '.repeat(2_000), deltas: 2_000, paceMs: 5 };
};

/** What a program that ended well has to say. @param {Fixtures['serve']} serve @param {string} program @param {string} [scene] */
async function told(serve, program, scene) {
  const upstream = await serve(behaviour);
  const args = [...(scene ? [scene] : []), upstream.url];
  const { code, signal, stdout, stderr } = await runProgram(`process/programs/${program}`, args, {
    flags: ['--expose-gc'],
    atMost: AT_MOST,
  });
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  expect(await eventually(() => upstream.connections === 0)).toBe(true);
  return JSON.parse(stdout);
}

describe.concurrent('worker threads', { timeout: AT_MOST + 10_000 }, () => {
  for (const [scene, right] of /** @type {[string, unknown][]} */ ([
    ['terminate 7 times in the middle of a request and of a stream', 10],
    ['terminate 7 times in the middle of a report', 10],
    ['terminate 7 times while the addon is loaded and first called', 10],
    ['terminate 8 at once, while the main thread calls', [200, 10]],
    ['8 at once', [...Array(9).fill(20), ...Array(8).fill(0)]],
    ['out of memory', ['ERR_WORKER_OUT_OF_MEMORY', 10]],
  ])) {
    test(`${scene}: every answer is right, and the process goes on`, async ({ serve }) => {
      expect(await told(serve, 'threads', scene)).toEqual(right);
    });
  }

  test('that load the addon and end, nine times, leave no memory or threads behind', async ({ serve }) => {
    const rounds = await told(serve, 'threads', 'load and unload');
    const [first, last] = rounds;

    // Of 6 workers more. A runtime that stays would be two threads each, a pool some descriptors.
    if (countsDescriptors) {
      expect(last.threads).toBeLessThanOrEqual(first.threads + 1);
      expect(last.open).toBeLessThanOrEqual(first.open + 2);
    }
    expect(last.heapUsed - first.heapUsed).toBeLessThan(2 * MIB);
    expect(last.rss - first.rss).toBeLessThan(40 * MIB);
  });
});

describe.concurrent('contexts of `vm`', { timeout: AT_MOST }, () => {
  test('make calls of their own, with objects of their own classes', async ({ serve }) => {
    const all = await told(serve, 'contexts', 'ten contexts at once');

    expect(all).toHaveLength(10);
    for (const [number, each] of all.entries()) {
      const text = `Answered by upstream, with the model context-${number}.`;
      const seen = ['server_error', 'server_error', 'bad_request'];
      expect(each).toEqual({ text, streamed: text, seen, own: 'of f', refused: 'TypeError' });
    }
  });

  test('can be garbage-collected', async ({ serve }) => {
    expect(await told(serve, 'contexts', 'contexts that are dropped')).toEqual({ made: 20, left: 0 });
  });

  test('the addon can be loaded again and again in one thread', async ({ serve }) => {
    expect(await told(serve, 'contexts', 'loaded again and again')).toBe(true);
  });
});

test('each process of a cluster answers its own requests, and killing one affects no other', async ({ serve }) => {
  expect(await told(serve, 'clustered')).toMatchObject({ own: 2, right: 60, ends: ['SIGKILL', 0, 0] });
});

test('a process without free descriptors fails its calls, and works again when some are free', async ({ serve }) => {
  const { outcomes, causes, after } = await told(serve, 'scarce');

  expect(outcomes).toContain('APIConnectionError');
  expect(outcomes.every((/** @type {string} */ each) => ['APIConnectionError', 'an answer'].includes(each))).toBe(true);
  expect(causes.join()).toMatch(/EMFILE|too many open files/i);
  expect(after).toBe(1);
});
