/** Runs the cases of smoke.mjs, each in a separate process, against an upstream in this one. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

import { startUpstream } from '../../demo/upstream.mjs';

/** @import { Behaviour, LoggedRequest, Upstream } from '../../demo/upstream.mjs' */

/** A runtime as a command: `bun smoke.mjs` is `['bun']`, `deno run -A smoke.mjs` is `['deno', 'run', '-A']`. */
/** @typedef {string[]} Command */

/** How long a case may take, its exit included; most take well under a second. */
const AT_MOST_MS = 45_000;
/** How long after its end a process may still be there. */
const EXIT_WITHIN_MS = 10_000;

/** The exit codes that are not 0. @type {Record<string, number>} */
const EXIT_CODES = { 'process.exit in the middle of calls': 3 };

/** The cases of smoke.mjs, in its order. */
export const CASES = namesOfCases();

/**
 * @param {Command} command
 * @param {string} program smoke.mjs, where the packages are that it imports.
 * @param {string} name
 * @returns {Promise<string | undefined>} what went wrong
 */
export async function runCase([executable = '', ...flags], program, name) {
  const upstream = await startUpstream({ behaviour });
  try {
    const child = spawn(executable, [...flags, program, name, upstream.url], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: AT_MOST_MS,
      killSignal: 'SIGKILL',
    });
    const output = { stdout: '', stderr: '' };
    let passedAt = Infinity;
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output.stdout += text;
      if (/^passed$/m.test(output.stdout)) passedAt = Math.min(passedAt, Date.now());
    });
    child.stderr.setEncoding('utf8').on('data', (text) => (output.stderr += text));
    const [code, signal] = await once(child, 'close');
    const took = Date.now() - passedAt;
    return verdict(name, { code, signal, took, ...output }, upstream);
  } finally {
    await upstream.close();
  }
}

/**
 * @param {string} name
 * @param {{ code: number | null, signal: string | null, took: number, stdout: string, stderr: string }} ran
 * @param {Upstream} upstream
 */
function verdict(name, { code, signal, took, stdout, stderr }, upstream) {
  if (took === -Infinity) return `it did not pass (exit ${signal ?? code}):\n${stdout}${stderr}`.trim();
  if (signal) return `it passed, and then did not end by itself (${signal})`;
  if (code !== (EXIT_CODES[name] ?? 0)) return `it passed, and then ended with ${code}:\n${stderr}`.trim();
  if (took > EXIT_WITHIN_MS) return `it passed, and ended only ${took} ms later`;
  if (name === 'a call that nobody awaits' && !stdout.includes('answered Hello'))
    return 'the process did not wait for it';
  if (name === 'reports at a natural exit' && reportsOf(name, upstream) !== 1) return 'its report did not arrive';
  return undefined;
}

/** @param {string} name @param {Upstream} upstream */
function reportsOf(name, { requests }) {
  return requests.filter(({ path, body }) => path.endsWith('/report') && body?.tags?.case === name).length;
}

/** @param {LoggedRequest} request @returns {Behaviour | undefined} `undefined`: what the model's name says. */
function behaviour({ path, body }) {
  if (path.endsWith('/report')) return { kind: 'status', status: 200, body: { json: { status: 'ok' } } };
  switch (String(body?.model).replace('openpipe:', '')) {
    case 'good':
      return { kind: 'answer', content: 'Hello', deltas: 2 };
    case 'later':
      return { kind: 'answer', content: 'Hello', delayMs: 500 };
    case 'stalls':
      return { kind: 'answer', content: 'Hello!', deltas: 2, fault: { after: 1, how: 'stall' } };
    case 'dies':
      return { kind: 'answer', fault: { after: 'role', how: 'reset' } };
    case 'json':
      return { kind: 'answer', content: '{"answer":42}' };
    case 'tools':
      return body.messages.at(-1).role === 'tool'
        ? { kind: 'answer', content: `It is ${body.messages.at(-1).content}` }
        : { kind: 'status', status: 200, body: { json: TOOL_CALL } };
    default:
      return undefined;
  }
}

const TOOL_CALL = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'tools',
  choices: [
    {
      index: 0,
      finish_reason: 'tool_calls',
      message: {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call-1', type: 'function', function: { name: 'weather', arguments: '{"city":"Bern"}' } }],
      },
    },
  ],
};

/** The cases are read from the text: smoke.mjs runs when it is imported. */
function namesOfCases() {
  const text = readFileSync(new URL('./smoke.mjs', import.meta.url), 'utf8');
  const table = /^const cases = \{$(.*?)^\};$/ms.exec(text)?.[1] ?? '';
  return [...table.matchAll(/^  async (?:'([^']+)'|(\w+))\(\) \{$/gm)].map(
    ([, quoted, plain]) => quoted ?? plain ?? '',
  );
}

/** A test runner's own settings, and the developer's keys, are not for the child. */
function environment() {
  const { PATH = '', HOME, TMPDIR, SystemRoot, USERPROFILE, LOCALAPPDATA } = process.env;
  return { PATH, HOME, TMPDIR, SystemRoot, USERPROFILE, LOCALAPPDATA };
}
