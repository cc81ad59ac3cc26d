/**
 * `npm run soak`: mixed traffic at a steady rate, half of it with faults, for 10 minutes or as long as `--minutes` says, at
 * `--rate` calls a second. Prints a line of figures every 10 s. Fails if an answer is wrong, missing or never comes, and
 * where memory or descriptors grow.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';

import OpenAI from 'openpipe-native';

import { descriptorsDownTo, openDescriptors, settledMemory, threads } from '../support/process.mjs';
import { callWrong, newClient, planOf } from './traffic.mjs';
import { startUpstreamProcess } from './upstream-process.mjs';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, rate: { type: 'string', default: '120' } },
});
const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
if (!(minutes > 0) || !(rate > 0)) throw new RangeError('`--minutes` and `--rate` must be positive numbers');

const MIB = 1024 * 1024;
const LINE_MS = 10_000;
/** How often calls are started. */
const TICK_MS = 50;
/** No call here takes so long, on any machine. */
const HUNG_MS = 90_000;
/** What may be more at the end than in the beginning. */
const MORE_HEAP = 4 * MIB;
const MORE_RSS = 40 * MIB;

const upstream = await startUpstreamProcess();
const openai = newClient(upstream.url);

/**
 * What the calls are like, in turn; each tells what was wrong.
 * @type {((name: string, number: number) => Promise<string | undefined>)[]}
 */
const kinds = [
  (name, number) => callWrong(openai, name, planOf(number, false)),
  (name, number) => callWrong(openai, name, planOf(number, true)),
  (name, number) => callWrong(openai, name, planOf(2 * number + 1, false)),
  (name, number) => callWrong(openai, name, planOf(2 * number + 1, true)),
  // A client for each call, as people do.
  (name, number) => callWrong(newClient(upstream.url), name, planOf(number, number % 2 === 0)),
  // What dies in the middle is answered whole where it was held.
  (name) =>
    callWrong(openai, name, {
      ...{ stream: true, primary: 'dies-mid-stream', hangs: false },
      openpipe: { holdUntil: 'finish' },
    }),
  // And where it was not, its reader hears of it.
  (name) => failsWith(OpenAI.APIConnectionError, () => readAll(name, 'openpipe:dies-mid-stream')),
  // No target has an answer.
  (name) => failsWith(OpenAI.InternalServerError, () => complete(name, 'openpipe:reset', { model: 'status-500' })),
  (name) => failsWith(OpenAI.APIUserAbortError, () => abort(name)),
  (name) => leave(name),
];

/** @param {string} user @param {string} model @param {any} fallback @param {AbortSignal} [signal] */
function complete(user, model, fallback, signal) {
  return openai.chat.completions.create(
    { model, user, messages: [], openpipe: { fallback } },
    { signal, maxRetries: 0 },
  );
}

/** @param {string} user @param {string} model */
async function readAll(user, model) {
  for await (const _ of await openai.chat.completions.create({ model, user, messages: [], stream: true }));
}

/** @param {string} name */
async function abort(name) {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 40);
  await complete(name, 'openpipe:silence', { model: 'ok-too' }, controller.signal);
}

/** Reads the first event of an endless stream. @param {string} user */
async function leave(user) {
  const body = { model: 'openpipe:stalls-mid-stream', user, messages: [], stream: /** @type {const} */ (true) };
  for await (const chunk of await openai.chat.completions.create(body)) {
    if (chunk.choices[0]?.delta.content) return undefined;
  }
  return 'a stream that stalls has ended';
}

/** @param {new (...args: any[]) => Error} expected @param {() => Promise<unknown>} call */
async function failsWith(expected, call) {
  try {
    await call();
  } catch (error) {
    return error instanceof expected ? undefined : `${error}, not ${expected.name}`;
  }
  return `an answer, not ${expected.name}`;
}

const loopDelay = monitorEventLoopDelay({ resolution: 10 });
/** @type {string[]} */
const wrong = [];
/** Those that are under way, and since when. @type {Map<string, number>} */
const open = new Map();
/** @type {{ heapUsed: number, rss: number }[]} */
const samples = [];
let calls = 0;
let started = 0;

function startCall() {
  const number = calls++;
  const name = `soak-${number}`;
  const kind = kinds[number % kinds.length];
  open.set(name, performance.now());
  void kind?.(name, Math.floor(number / kinds.length))
    .catch((error) => `${error}`)
    .then((what) => {
      open.delete(name);
      if (what !== undefined) wrong.push(`${name}: ${what}`);
    });
}

/** @returns {string[]} */
function hung() {
  const now = performance.now();
  return [...open].filter(([, since]) => now - since > HUNG_MS).map(([name]) => name);
}

async function tell() {
  const memory = await settledMemory();
  samples.push(memory);
  const mebibytes = (/** @type {number} */ bytes) => `${(bytes / MIB).toFixed(1)} MiB`;
  console.log(
    [
      `${Math.round((performance.now() - started) / 1000)} s`,
      `${calls} calls, ${open.size} open, ${wrong.length} wrong, ${hung().length} hung`,
      `rss ${mebibytes(memory.rss)}, heap ${mebibytes(memory.heapUsed)}`,
      `${openDescriptors()} descriptors, ${threads()} threads`,
      `loop delay p99 ${(loopDelay.percentile(99) / 1e6).toFixed(1)} ms, max ${(loopDelay.max / 1e6).toFixed(1)} ms`,
    ].join(' · '),
  );
  loopDelay.reset();
}

/** The middle one. @param {number[]} numbers */
function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;
}

/** Whether there was more at the end than in the beginning. @param {'heapUsed' | 'rss'} what @param {number} more */
function checkGrowth(what, more) {
  // What is made once, and what the allocator keeps, is there after the first quarter.
  const quarter = Math.ceil(samples.length / 4);
  const early = median(samples.slice(quarter, 2 * quarter).map((sample) => sample[what]));
  const late = median(samples.slice(-quarter).map((sample) => sample[what]));
  if (late - early > more) wrong.push(`${what} grew from ${early} to ${late}`);
}

// One call of each kind first, then idle connections are closed: this is the baseline of a process with a client.
await Promise.all(kinds.map((kind, number) => kind(`warm-${number}`, number)));
await openai.flush();
await upstream.letGo();
await descriptorsDownTo(0, 3_000);
const before = openDescriptors();
console.log(`${minutes} minutes at ${rate} calls a second; ${before} descriptors, ${threads()} threads when idle`);
loopDelay.enable();

started = performance.now();
let nextLine = started + LINE_MS;
while (performance.now() < started + minutes * 60_000) {
  // What a busy machine made late is made up for, so that the rate is steady.
  const due = ((performance.now() - started) / 1000) * rate;
  while (calls < due) startCall();
  await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  if (performance.now() >= nextLine) {
    nextLine += LINE_MS;
    await tell();
    if (hung().length > 0) break;
  }
}
const patience = performance.now() + HUNG_MS;
while (open.size > 0 && performance.now() < patience) await new Promise((resolve) => setTimeout(resolve, 50));
for (const name of open.keys()) wrong.push(`${name}: hung`);

const { dropped, pending } = await openai.flush();
if (dropped + pending > 0) wrong.push(`${dropped} reports dropped, ${pending} pending`);
await upstream.letGo();
const descriptors = await descriptorsDownTo(before);
if (descriptors > before) wrong.push(`${descriptors} descriptors are open, and there were ${before}`);
const counts = await upstream.counts();
if (counts.open > 0) wrong.push(`${counts.open} requests were left open at the upstream`);
await tell();
if (samples.length >= 8) {
  checkGrowth('heapUsed', MORE_HEAP);
  checkGrowth('rss', MORE_RSS);
}
await upstream.close();

for (const each of wrong.slice(0, 20)) console.error(each);
console.log(
  `${calls} calls, ${counts.reports} reports: ${wrong.length === 0 ? 'all is well' : `${wrong.length} faults`}`,
);
// A call that hangs would keep the process alive.
process.exit(wrong.length === 0 ? 0 : 1);
