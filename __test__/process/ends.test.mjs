/** A process can end in any way and during any work without a crash or a delay. Each scene runs in a separate process. */

import { describe, expect } from 'vitest';

import { eventually } from '../support/calls.mjs';
import { runProgram } from '../support/programs.mjs';
import { test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */
/** @import { Fixtures } from '../support/upstreams.mjs' */

/** What a busy machine may take to end a process. What holds one up, the patience with reports, does so for five seconds. */
const EXIT_MS = 4_000;
/** @type {Behaviour} */
const SILENT = { kind: 'silence' };

/** What the models' names say: the upstream's own behaviours. */
const byModel = () => undefined;

/**
 * @param {Fixtures['serve']} serve @param {string} scene
 * @param {{ reports?: Behaviour, on?: (stdout: string, child: import('node:child_process').ChildProcess) => void }} [more]
 */
async function run(serve, scene, { reports, on } = {}) {
  const upstream = await serve(byModel);
  const openpipe = await serve(({ path }) => (path.endsWith('/report') ? reports : undefined));
  const ended = await runProgram('process/programs/ends', [scene, upstream.url, openpipe.url], { on });
  const { exitedAt, code, signal, stdout, stderr } = ended;
  const waited = exitedAt - Number(/done at (\d+)\n$/.exec(stdout)?.[1]);
  // The end of a process closes its descriptors.
  expect(await eventually(() => upstream.connections + openpipe.connections === 0)).toBe(true);
  return { code, signal, stdout: stdout.replace(/done at \d+\n$/, ''), stderr, waited, openpipe };
}

describe.concurrent('a process ends by itself soon after', () => {
  for (const scene of [
    'through fetch',
    'a JavaScript client that answers',
    'many clients that are closed',
    'a flush of nothing',
    'a report that was waited for',
    'streams that were left in every way',
  ]) {
    test(scene, async ({ serve }) => {
      const { waited, ...ended } = await run(serve, scene);

      expect(ended).toMatchObject({ code: 0, signal: null, stdout: '', stderr: '' });
      expect(waited).toBeLessThan(EXIT_MS);
    });
  }
});

describe.concurrent('`process.exit()` ends it at once, with its code:', () => {
  for (const scene of [
    'exit with everything under way',
    'exit in onFallback',
    'exit in a JavaScript client',
    'exit, and a call when it is too late',
    'exit while a name is looked up',
    'exit in the same tick as the first call',
    'exit while reports are on their way',
  ]) {
    test(scene, async ({ serve }) => {
      for (let turn = 0; turn < 3; turn += 1) {
        const { waited, ...ended } = await run(serve, scene, { reports: SILENT });

        expect(ended).toMatchObject({ code: 3, signal: null, stdout: '', stderr: '' });
        expect(waited).toBeLessThan(EXIT_MS);
      }
    });
  }
});

describe.concurrent('an unplanned end is Node.js’s own:', () => {
  for (const [scene, said] of /** @type {[string, RegExp][]} */ ([
    ['an exception with everything under way', /Error: nobody catches this/],
    ['a rejection that nobody handles', /BadRequestError: 400/],
    ['a rejection of a stream that nobody handles', /APIConnectionError/],
  ])) {
    test(scene, async ({ serve }) => {
      const { code, signal, stderr } = await run(serve, scene);

      expect({ code, signal }).toEqual({ code: 1, signal: null });
      expect(stderr).toMatch(said);
      expect(stderr).not.toMatch(/panicked|FATAL|Segmentation/);
    });
  }

  for (const [scene, said] of /** @type {[string, string][]} */ ([
    ['exceptions that are caught, and calls that go on', 'caught\n'],
    ['a message to those who watch that throws', 'caught 2\n'],
  ])) {
    test(scene, async ({ serve }) => {
      expect(await run(serve, scene)).toMatchObject({ code: 0, signal: null, stdout: said, stderr: '' });
    });
  }
});

describe.concurrent('a signal ends it at once:', () => {
  for (const name of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) {
    test(name, async ({ serve }) => {
      const { waited, ...ended } = await run(serve, 'wait with everything under way', {
        on: (stdout, child) => void (stdout.endsWith('\n') && child.kill(name)),
      });

      expect(ended).toMatchObject({ code: null, signal: name, stdout: '', stderr: '' });
      expect(waited).toBeLessThan(EXIT_MS);
    });
  }

  test('a signal with a handler lets the queued reports be delivered', async ({ serve }) => {
    let told = false;
    const { waited, openpipe, ...ended } = await run(serve, 'stop in order', {
      reports: { kind: 'status', status: 200, body: { json: {} }, delayMs: 500 },
      on(stdout, child) {
        if (told || !stdout.includes('ready')) return;
        told = true;
        child.kill('SIGTERM');
      },
    });

    expect(ended).toMatchObject({ code: 0, signal: null, stdout: 'ready\n', stderr: '' });
    expect(waited).toBeLessThan(EXIT_MS);
    const reports = openpipe.requests.filter(({ path }) => path.endsWith('/report'));
    expect(reports.map(({ outcome }) => outcome)).toEqual(['answered', 'answered']);
  });
});
