/** The code of docs/frameworks.md that says what it prints, run: its first model fails, and the fallback's answers. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { describe, expect } from 'vitest';

import { root } from '../support/compiler.mjs';
import { textOf } from '../support/markdown.mjs';
import { saying } from '../support/sdk-api.mjs';
import { test } from '../support/upstreams.mjs';

const PAGE = 'docs/frameworks.md';
const blocks = [...textOf(PAGE).matchAll(/^## (.+)$|^<!-- run: (.+) -->\n\n```[jt]s\n([^]*?)^```$/gm)];

describe(PAGE, () => {
  let heading = '';
  let count = 0;
  for (const [, title, printed, code = ''] of blocks) {
    heading = title ?? heading;
    if (printed === undefined) continue;
    count += 1;
    test(`has code that runs: ${heading}`, { timeout: 60_000 }, async ({ serve }) => {
      const upstream = await serve((request) =>
        request.body?.model === 'gpt-5.4'
          ? { kind: 'status', status: 500 }
          : saying({ role: 'assistant', content: 'It is 42.' }, 'stop')(request),
      );
      const env = { PATH: process.env['PATH'], OPENAI_API_KEY: 'sk-docs', OPENAI_BASE_URL: upstream.url };
      const node = promisify(execFile);
      // None of it has types of its own, so Node.js runs it as it is.
      const { stdout, stderr } = await node(process.execPath, ['--input-type=module', '-e', code], { cwd: root, env });
      expect(stdout.trim()).toBe(printed);
      expect(stderr).toBe('');
      expect(upstream.requests.map((request) => request.body.model)).toEqual(['gpt-5.4', 'gpt-5.4-mini']);
    });
  }

  test('has code that runs for each SDK', () => {
    expect(count).toBe(4);
  });
});
