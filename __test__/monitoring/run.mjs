/**
 * What monitoring tools record of our calls, compared with what they record of plain `openai`'s in the same process. Installs the
 * tools into this folder, copies the built package beside them as npm would, and exits 1 where anything differs.
 *
 * Run: npm run test:monitoring [-- sentry10 datadog mocks …]
 */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const NEW_RELIC = {
  NEW_RELIC_APP_NAME: 'test',
  NEW_RELIC_LICENSE_KEY: 'a'.repeat(40),
  NEW_RELIC_LOG_ENABLED: 'false',
  NEW_RELIC_NO_CONFIG_FILE: 'true',
  NEW_RELIC_AI_MONITORING_ENABLED: 'true',
  NEW_RELIC_SERVERLESS_MODE_ENABLED: 'true',
};

/** Each tool, with the environment that its documentation asks for. @type {Record<string, Record<string, string>>} */
const TOOLS = {
  opentelemetry: {},
  traceloop: {},
  openinference: {},
  sentry10: {},
  sentry11: {},
  datadog: { DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false', DD_REMOTE_CONFIGURATION_ENABLED: 'false' },
  newrelic: NEW_RELIC,
};

/** How a tool is loaded where it is not by one flag. @type {Record<string, string[]>} */
const FLAGS = { 'newrelic.mjs': ['--import', 'newrelic/esm-loader.mjs', '--require', './tools/newrelic.cjs'] };

/** New Relic knows the files of the CommonJS build of `openai` only: with ES modules it sees nothing of plain `openai` either. */
const BLIND = new Set(['newrelic.mjs']);

/** What differs from call to call, or says which transport it was. */
const VARIES =
  /(^|[._-])(id|.*_id|duration|timestamp|start|time|appName|span_id|trace_id|ratelimit.*|endpoint|baseURL)$|duration|timestamp|time_to_first_token|error\.stack|^_dd|^sentry\.(sample|trace|span)|processid|^process_id|runtime-id|response\.headers/i;

function install() {
  if (!existsSync(join(HERE, 'node_modules', 'openai'))) {
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: HERE, stdio: 'inherit' });
  }
  const target = join(HERE, 'node_modules', 'openpipe-native');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const addons = readdirSync(ROOT).filter((name) => name.endsWith('.node'));
  for (const name of [...files, ...addons, 'package.json']) {
    cpSync(join(ROOT, name), join(target, name), { recursive: true });
  }
}

const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const chunk = (delta, more = {}) => ({
  ...{ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o-2024' },
  choices: [{ index: 0, delta, finish_reason: null }],
  ...more,
});

/** The answers of the upstream, by path. @type {Record<string, (body: any) => any>} */
const ANSWERS = {
  '/v1/chat/completions': () => ({
    ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'gpt-4o-2024', usage },
    choices: [{ index: 0, message: { role: 'assistant', content: '1 2 3', refusal: null }, finish_reason: 'stop' }],
  }),
  '/v1/responses': () => ({
    ...{ id: 'resp_1', object: 'response', created_at: 1, status: 'completed', model: 'gpt-4o-2024', error: null },
    output: [
      {
        ...{ id: 'msg_1', type: 'message', role: 'assistant', status: 'completed' },
        content: [{ type: 'output_text', text: '1 2 3', annotations: [] }],
      },
    ],
    usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
  }),
  '/v1/embeddings': () => ({
    ...{ object: 'list', model: 'text-embedding-3-small', usage: { prompt_tokens: 1, total_tokens: 1 } },
    data: [{ object: 'embedding', index: 0, embedding: [0.5, 0.25] }],
  }),
};

const upstream = createServer(async (request, response) => {
  let text = '';
  for await (const part of request) text += part;
  const body = JSON.parse(text || '{}');
  if (body.model === 'failing') {
    response.writeHead(418, { 'content-type': 'application/json' });
    response.end('{"error":{"message":"a teapot"}}');
  } else if (body.stream) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const last = chunk({}, { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    const events = [chunk({ role: 'assistant', content: '1' }), chunk({ content: ' 2 3' }), last];
    events.push(chunk({}, { choices: [], usage }));
    response.end(`${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`);
  } else {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(ANSWERS[/** @type {string} */ (request.url)]?.(body) ?? {}));
  }
});

/** @param {string} tool @param {'mjs' | 'cjs'} kind @param {string} url */
async function run(tool, kind, url) {
  const flags = FLAGS[`${tool}.${kind}`] ?? [kind === 'mjs' ? '--import' : '--require', `./tools/${tool}.${kind}`];
  const child = spawn(process.execPath, [...flags, `program.${kind}`], {
    cwd: HERE,
    env: { PATH: process.env.PATH ?? '', UPSTREAM: url, ...TOOLS[tool] },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => (text += part));
  await once(child, 'close');
  const line = /^RESULT (.*)$/m.exec(text)?.[1];
  if (line === undefined) return [`did not come to its end: ${text.slice(-2_000)}`];
  return problemsOf(JSON.parse(line), BLIND.has(`${tool}.${kind}`));
}

/** What is compared of a span: numbers of the moment are compared by their presence. @param {any} value @returns {any} */
function comparable(value) {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, member]) => [name, VARIES.test(name) ? typeof member : comparable(member)]),
  );
}

/** @param {any} result @param {boolean} isBlind @returns {string[]} */
function problemsOf(result, isBlind) {
  const problems = [];
  for (const who of ['ours', 'derived', 'fetch']) {
    for (const [name, { value, spans }] of Object.entries(result.plain)) {
      const own = result[who][name];
      // Some tools break a call of plain `openai` (`parse` among them), and none of ours.
      if (String(value).startsWith('threw') && !String(own.value).startsWith('threw')) continue;
      if (!isDeepStrictEqual(own.value, value)) problems.push(`${who} ${name}: gave ${own.value}, not ${value}`);
      const [seen, expected] = [own.spans, spans].map(comparable);
      if (!isDeepStrictEqual(seen, expected)) {
        const lines = [seen, expected].map((all) => JSON.stringify(all, null, 1).split('\n'));
        const only = (/** @type {number} */ one, /** @type {number} */ other) =>
          lines[one]
            ?.filter((line) => !lines[other]?.includes(line))
            .join(' ')
            .slice(0, 600);
        problems.push(
          `${who} ${name}: ${seen.length} records, not ${expected.length}; only here: ${only(0, 1)}; only there: ${only(1, 0)}`,
        );
      }
    }
  }
  const isSeen = Object.values(result.plain).filter(({ spans }) => spans.length > 0).length >= 3;
  if (isSeen === isBlind) problems.push(`the tool sees ${isSeen ? 'something' : 'nothing'} of plain openai`);
  if (result.fallback.length !== result.plain.create.spans.length)
    problems.push(`a fallback is ${result.fallback.length} records`);
  if (!result.isInstance) problems.push('a client is no instance of the class');
  if (result.showsKey) problems.push('a client that is printed shows its key');
  if (result.methods.some((/** @type {string} */ type) => type !== 'function')) problems.push('a method is missing');
  if (result.flushed?.pending !== 0) problems.push('flush() did not settle');
  if (!/closed/.test(result.closed)) problems.push(`a closed client says ${result.closed}`);
  return problems;
}

/** msw and nock, under Node's own test runner. */
async function passesWithMocks() {
  const options = { cwd: HERE, stdio: /** @type {const} */ ('pipe'), timeout: 60_000 };
  const child = spawn(process.execPath, ['--test', 'mocks.mjs'], { ...options, env: { PATH: process.env.PATH ?? '' } });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => (text += part));
  const [code] = await once(child, 'close');
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'} msw and nock`);
  if (code !== 0) console.log(text.slice(-4_000));
  return code === 0;
}

install();
upstream.listen(0, '127.0.0.1');
await once(upstream, 'listening');
const url = `http://127.0.0.1:${/** @type {any} */ (upstream.address()).port}/v1`;
const chosen = process.argv.slice(2);
let failed = false;
for (const tool of chosen.length > 0 ? chosen.filter((name) => name in TOOLS) : Object.keys(TOOLS)) {
  for (const kind of /** @type {const} */ (['mjs', 'cjs'])) {
    const problems = await run(tool, kind, url);
    failed ||= problems.length > 0;
    console.log(`${problems.length > 0 ? 'FAIL' : 'ok  '} ${tool} ${kind === 'mjs' ? 'ESM' : 'CommonJS'}`);
    for (const problem of problems) console.log(`     ${problem}`);
  }
}
if (chosen.length === 0 || chosen.includes('mocks')) failed = !(await passesWithMocks()) || failed;
upstream.closeAllConnections();
upstream.close();
process.exitCode = failed ? 1 : 0;
