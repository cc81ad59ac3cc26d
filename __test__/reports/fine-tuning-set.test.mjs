/** A file of reports becomes a fine-tuning set by the script that the docs show. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'vitest';

import { MESSAGES } from '../support/calls.mjs';
import { runProgram } from '../support/programs.mjs';
import { callToItsEnd } from '../support/reporting.mjs';
import { FALLBACK, PRIMARY, test } from '../support/upstreams.mjs';

test('a fine-tuning set has the attempt of each call that answered, streams too', async ({ stage }) => {
  const folder = mkdtempSync(join(tmpdir(), 'openpipe-set-'));
  try {
    const file = join(folder, 'reports.jsonl');
    const { openai } = await stage({
      primary: { kind: 'status', status: 503 },
      openpipe: { logRequest: true, reports: { file }, fallback: { model: FALLBACK } },
    });
    for (const stream of [false, true]) await callToItsEnd(openai, { model: PRIMARY, messages: MESSAGES, stream });
    await openai.flush();

    const { code, stdout, stderr } = await runProgram('../examples/fine-tuning-set', [file]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const examples = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(examples).toEqual(
      Array(2).fill({ messages: [...MESSAGES, { role: 'assistant', content: expect.stringMatching(/\S/) }] }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
