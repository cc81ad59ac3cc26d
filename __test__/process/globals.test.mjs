/** Globals of Node.js that a program replaces (timers, `Promise`) do not change how calls run. Each test runs in its own process. */

import { describe, expect } from 'vitest';

import { startUpstream } from '../../demo/upstream.mjs';
import { runProgram } from '../support/programs.mjs';
import { test } from '../support/upstreams.mjs';

describe.concurrent('where timers were mocked before the package was loaded', () => {
  test('the process stays alive for a call until its answer', async ({ serve }) => {
    const upstream = await serve(() => undefined);
    const run = await runProgram('process/programs/mocked-timers', [`${upstream.url}/v1`]);

    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/\w/);
  });

  test('a custom client’s stream is read', async ({ serve }) => {
    const upstream = await serve(() => ({ kind: 'status', status: 418 }));
    const run = await runProgram('process/programs/mocked-timers', [`${upstream.url}/v1`, 'custom']);

    expect(run).toMatchObject({ code: 0, stdout: 'custom\n' });
  });
});

describe.concurrent('another global `Promise`', () => {
  test.each(['subclass', 'zone'])('of the kind "%s" changes nothing', async (kind) => {
    const upstream = await startUpstream();
    const run = await runProgram('process/programs/another-promise', [upstream.url, kind]);
    await upstream.close();

    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(run.stdout).toMatch(/^(200 .+\n.+\n){2}$/);
  });
});
