/** Each of the examples, run as its reader runs it (examples/run.mjs), against upstreams on this machine. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { expect, onTestFinished, test } from 'vitest';

import { exampleNames, startStage } from '../../examples/stage.mjs';
import { eventually } from '../support/calls.mjs';

import { root, typeErrors } from '../support/compiler.mjs';

/** Starting Node.js with a compiler takes its time where others want the cores as well. */
const AT_MOST_MS = 120_000;

/** @param {string[]} args @param {Record<string, string>} [env] */
function start(args, env = {}) {
  const child = spawn(process.execPath, args, {
    cwd: root,
    // A test runner's own settings are not for the child.
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const which of /** @type {const} */ (['stdout', 'stderr'])) {
    child[which].setEncoding('utf8').on('data', (text) => (output[which] += text));
  }
  const ended = once(child, 'close');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, output, ended };
}

/** @param {string} name What it printed, line by line. */
async function run(name) {
  const { output, ended } = start([fileURLToPath(new URL('../../examples/run.mjs', import.meta.url)), name]);
  const [code] = await ended;
  expect({ code, stderr: output.stderr }).toEqual({ code: 0, stderr: '' });
  return output.stdout.trimEnd().split('\n');
}

const COUNTED = '1, 2, 3, 4, 5, 6, 7, 8, 9, 10';

/** @type {Record<string, (string | RegExp)[]>} */
const printed = {
  plain: [COUNTED, 'served by the fallback, gpt-5.4-mini', '- gpt-5.4: server_error', '- gpt-5.4-mini: ok'],
  streaming: [COUNTED, 'served by the fallback, gpt-5.4-mini', '- gpt-5.4: timeout', '- gpt-5.4-mini: ok'],
  tools: [
    'tool: get_weather({"city":"Oslo"})',
    'fallback: gpt-5.4 (server_error) -> gpt-5.4-mini',
    'The tool said: Oslo: rain, 7 degrees.',
  ],
  'fallback-client': [COUNTED, '- gpt-5.4 (openai): server_error', '- mistral-large (client): ok'],
  chain: [
    'Oslo: gpt-5.4 server_error -> gpt-5.4-mini rate_limit -> mistral-large ok',
    'Lima: gpt-5.4 server_error -> gpt-5.4-mini rate_limit -> mistral-large ok',
    'Rome: gpt-5.4 circuit_open -> gpt-5.4-mini circuit_open -> mistral-large ok',
  ],
  'local-servers': [COUNTED, '- vllm Qwen/Qwen3-32B: server_error', '- ollama qwen3:8b: ok'],
};

for (const [name, lines] of Object.entries(printed)) {
  test(`the example \`${name}\` prints its result`, { timeout: AT_MOST_MS }, async () => {
    expect(await run(name)).toEqual(lines);
  });
}

/**
 * What an example of single vendors prints, and what each of them got.
 * @param {string} name
 */
async function runAndWatch(name) {
  const stage = await startStage(name);
  onTestFinished(() => stage.close());
  const { output, ended } = start(['--import', 'tsx', `examples/${name}.mts`], stage.env);
  const [code] = await ended;
  expect({ code, stderr: output.stderr }).toEqual({ code: 0, stderr: '' });
  const got = (/** @type {import('../../examples/stage.mjs').Place} */ place) =>
    stage.upstreams[place].requests.map(({ path, headers, body }) => ({ path, headers, model: body.model, body }));
  return { lines: output.stdout.trimEnd().split('\n'), got };
}

test('the example `azure` sends a token to the v1 API, a key to the deployment', { timeout: AT_MOST_MS }, async () => {
  const { lines, got } = await runAndWatch('azure');
  expect(lines).toEqual([COUNTED, '- azure gpt-5.4: server_error', '- deployments my-gpt-5.4: ok']);
  const [v1, deployment] = got('provider');
  expect(v1).toMatchObject({
    path: '/openai/v1/chat/completions',
    headers: { authorization: 'Bearer no-token-of-entra' },
  });
  expect(v1?.headers).not.toHaveProperty('api-key');
  expect(deployment).toMatchObject({
    path: '/openai/deployments/my-gpt-5.4/chat/completions?api-version=2024-10-21',
    headers: { 'api-key': 'no-key-of-azure' },
  });
  expect(deployment?.headers).not.toHaveProperty('authorization');
});

test('the example `wandb` asks for the artifact under the old name', { timeout: AT_MOST_MS }, async () => {
  const { lines, got } = await runAndWatch('wandb');
  const artifact = 'wandb-artifact:///my-team/my-project/my-ft:latest';
  expect(lines).toEqual([`Count to 10: wandb ${artifact}`, 'Count again: openai gpt-5.4-mini']);
  const [request] = got('provider');
  expect(request).toMatchObject({
    model: artifact,
    headers: { authorization: 'Bearer no-key-of-wandb', 'openai-project': 'my-team/my-project' },
  });
  expect(got('openai').map(({ path, model }) => `${path} ${model}`)).toEqual(['/v1/chat/completions gpt-5.4-mini']);
});

test('the example `openrouter` sends OpenRouter’s members to OpenRouter only', { timeout: AT_MOST_MS }, async () => {
  const { lines, got } = await runAndWatch('openrouter');
  expect(lines.slice(1)).toEqual(['- openai gpt-5.4: server_error', '- openrouter anthropic/claude-sonnet-4.5: ok']);
  const [direct] = got('openai');
  expect(direct?.headers).not.toHaveProperty('x-title');
  expect(direct?.body).not.toHaveProperty('provider');
  const [routed] = got('provider');
  expect(routed?.headers).toMatchObject({ 'x-title': 'My app', authorization: 'Bearer no-key-of-openrouter' });
  expect(routed?.body.provider).toEqual({ sort: 'throughput' });
});

test(
  'the example `regions` calls the second region at once when the first is down',
  { timeout: AT_MOST_MS },
  async () => {
    const { lines, got } = await runAndWatch('regions');
    expect(lines).toEqual([
      'Oslo: east server_error -> west ok',
      'Lima: east server_error -> west ok',
      'Rome: east circuit_open -> west ok',
      'east: circuit open',
      'west: circuit closed',
    ]);
    expect(got('provider').map(({ headers }) => headers['api-key'])).toEqual(['no-key-of-east', 'no-key-of-east']);
    expect(new Set(got('openai').map(({ headers }) => headers['api-key']))).toEqual(new Set(['no-key-of-west']));
  },
);

test(
  'the example `opentelemetry` prints the span of the call and those of its targets',
  { timeout: AT_MOST_MS },
  async () => {
    const lines = (await run('opentelemetry')).join('\n');
    expect(lines).toMatch(/^chat gpt-5.4 \{/);
    expect(lines).toContain("'gen_ai.response.model': 'gpt-5.4-mini'");
    expect(lines).toMatch(/^- ask gpt-5.4 \{[^}]*'error.type': 'server_error'/m);
    expect(lines).toMatch(/^- ask gpt-5.4-mini \{/m);
  },
);

test('the runner lists the examples when it is called without a name', { timeout: AT_MOST_MS }, async () => {
  const { output, ended } = start(['examples/run.mjs', 'no-such-example']);
  const [code] = await ended;
  expect(code).toBe(1);
  expect(output.stderr).toContain(exampleNames.join(' | '));
});

/** Starts the endpoint. @returns {Promise<{ url: string, output: { stdout: string }, stage: import('../../examples/stage.mjs').Stage, child: import('node:child_process').ChildProcess, ended: Promise<any[]> }>} */
async function startExpress() {
  const stage = await startStage('express');
  onTestFinished(() => stage.close());
  const { child, output, ended } = start(['--import', 'tsx', 'examples/express.mts'], { ...stage.env, PORT: '0' });
  await Promise.race([eventually(() => output.stdout.includes('\n'), AT_MOST_MS), ended]);
  const url = output.stdout.trim();
  expect(url, output.stderr).toMatch(/^http:/);
  return { url, output, stage, child, ended };
}

test('the example `express` streams to a browser, piece by piece', { timeout: AT_MOST_MS }, async () => {
  const { url, output, child, ended } = await startExpress();
  const page = await fetch(url);
  expect(await page.text()).toContain('<form>');

  const answer = await fetch(`${url}chat?question=Count`);
  const pieces = [];
  for await (const piece of /** @type {any} */ (answer.body)) pieces.push(new TextDecoder().decode(piece));
  expect(answer.headers.get('content-type')).toContain('text/plain');
  expect(pieces.join('')).toBe(COUNTED);
  expect(pieces.length).toBeGreaterThan(1);

  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(output.stdout).toContain('answered by the primary');
});

test(
  'the example `express` closes the upstream’s connection when the browser leaves',
  { timeout: AT_MOST_MS },
  async () => {
    const { url, output, stage } = await startExpress();
    const leaving = new AbortController();
    const answer = await fetch(`${url}chat?question=Stall`, { signal: leaving.signal });
    await /** @type {any} */ (answer.body).getReader().read();
    leaving.abort();

    const request = await stage.upstreams.openai.arrival(1);
    expect(await request.closed).toBe('broken off');
    expect(await eventually(() => output.stdout.includes('the browser left'), 20_000)).toBe(true);
  },
);

test('every example is run by one of these tests', () => {
  const watched = ['azure', 'wandb', 'openrouter', 'regions', 'express', 'opentelemetry'];
  expect([...Object.keys(printed), ...watched].sort()).toEqual([...exampleNames].sort());
  const files = readdirSync(`${root}examples`).filter((file) => file.endsWith('.mts') && !file.startsWith('openpipe-'));
  expect(files.map((file) => file.slice(0, -4)).sort()).toEqual([...exampleNames].sort());
});

test('every example compiles as TypeScript', { timeout: AT_MOST_MS }, () => {
  const files = readdirSync(`${root}examples`).filter((file) => file.endsWith('.mts'));
  const errors = typeErrors(
    {},
    [...files, 'express.d.ts'].map((file) => `examples/${file}`),
  );
  expect(Object.fromEntries([...errors].filter(([, output]) => output.length > 0))).toEqual({});
  expect(errors.size).toBe(files.length + 1);
});
