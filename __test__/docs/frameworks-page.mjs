/**
 * Runs the code of docs/frameworks.md that says, in a comment before it, what becomes of it. Its first model fails, and the answers
 * are the fallback's. `run`: what it prints. `ask`: what its server answers. `call POST`: what the function answers that it exports.
 * `in frameworks`: with the packages of __test__/frameworks.
 */

import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { expect } from 'vitest';

import { closedPort } from '../../demo/upstream.mjs';
import { root } from '../support/compiler.mjs';
import { textOf } from '../support/markdown.mjs';
import { saying } from '../support/sdk-api.mjs';
import { test } from '../support/upstreams.mjs';

export const PAGE = 'docs/frameworks.md';

/** What a model says that is asked for text, and for JSON. */
const SAID = 'It is 42.';
const JSON_SAID = '{"n":42}';

const QUESTION = `{ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"question":"Double 21."}' }`;

/** The code that is appended to a page's code, by how it is run. @type {Record<string, string>} */
const AFTER = {
  run: '',
  // A server may say that it listens before it does.
  ask: `
for (let tries = 0; ; tries += 1) {
  const answered = await fetch(\`http://127.0.0.1:\${process.env.PORT}/ask\`, ${QUESTION}).catch((error) => error);
  if (answered instanceof Error && tries < 100) { await new Promise((resolve) => setTimeout(resolve, 20)); continue; }
  console.log(await answered.text());
  break;
}
process.exit();`,
  'call POST': `
console.log(await (await POST(new Request('http://127.0.0.1/ask', ${QUESTION}))).text());`,
};

/**
 * @typedef {object} Block
 * @property {string} heading
 * @property {keyof typeof AFTER} how
 * @property {boolean} inFrameworks
 * @property {string} printed
 * @property {string} code
 */

/** @returns {Block[]} */
export function blocksOfPage() {
  const pattern =
    /^##+ (?<title>.+)$|^<!-- (?<how>run|ask|call POST)(?<inFrameworks> in frameworks)?: (?<printed>.+) -->\n\n```[jt]s\n(?<code>[^]*?)^```$/gm;
  let heading = '';
  /** @type {Block[]} */
  const blocks = [];
  for (const { groups = {} } of textOf(PAGE).matchAll(pattern)) {
    heading = groups['title'] ?? heading;
    const { how, inFrameworks, printed = '', code = '' } = groups;
    if (how) blocks.push({ heading, how, inFrameworks: Boolean(inFrameworks), printed, code });
  }
  return blocks;
}

/** A test of a block. @param {Block} block @param {string} folder Where its packages are. */
export function testBlock({ heading, how, printed, code }, folder) {
  const [, tool = ''] = /from '(langsmith|braintrust)/.exec(code) ?? [];
  test(`has code that runs: ${heading} ${tool}`.trim(), { timeout: 60_000 }, async ({ serve }) => {
    const upstream = await serve((request) =>
      request.body?.model === 'gpt-5.4'
        ? { kind: 'status', status: 500 }
        : saying({ role: 'assistant', content: request.body?.response_format ? JSON_SAID : SAID }, 'stop')(request),
    );
    const env = {
      PATH: process.env['PATH'],
      OPENAI_API_KEY: 'sk-docs',
      OPENAI_BASE_URL: upstream.url,
      PORT: String(await closedPort()),
      // What is recorded goes nowhere.
      LANGFUSE_PUBLIC_KEY: 'pk-docs',
      LANGFUSE_SECRET_KEY: 'sk-docs',
      LANGFUSE_BASEURL: upstream.url,
    };
    // Decorators are no JavaScript yet; nothing else here needs to be compiled.
    const isCompiled = /^\s*@\w+\(/m.test(code);
    const text = code + AFTER[how];
    const file = join(folder, `page-${process.pid}-${upstream.port}.mts`);
    if (isCompiled) writeFileSync(file, text);
    const given = isCompiled ? ['--import', 'tsx', file] : ['--input-type=module', '-e', text];
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, given, { cwd: folder, env });
      expect(stdout.trim()).toBe(printed);
      expect(stderr).toBe('');
    } finally {
      rmSync(file, { force: true });
    }
    const models = upstream.requests.filter(({ body }) => body?.model).map(({ body }) => body.model);
    expect(models).toEqual(['gpt-5.4', 'gpt-5.4-mini']);
  });
}

export { root };
