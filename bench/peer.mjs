/** One peer in a process of its own: does one situation and tells what it took. */

import { performance } from 'node:perf_hooks';

import { PEERS, SILENCE } from './peers.mjs';

const [name = '', url = '', situation = '', seconds = '1'] = process.argv.slice(2);
const make = PEERS[name];
if (!make) throw new Error(`there is no peer ${name}`);
const peer = make(url);
// The floor holds no process by itself.
setInterval(() => {}, 60_000);

/** Does something over and over, so many at once, for a while. @param {number} atOnce @param {number} time @param {() => Promise<unknown>} work */
async function repeat(atOnce, time, work) {
  /** @type {number[]} */
  const latencies = [];
  const until = performance.now() + time * 1000;
  const one = async () => {
    while (performance.now() < until) {
      const start = performance.now();
      await work();
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return latencies.sort((a, b) => a - b);
}

/** What the JavaScript thread and the process spent on some work. @template T @param {() => Promise<T>} work */
async function measured(work) {
  const before = { loop: performance.eventLoopUtilization(), cpu: process.cpuUsage(), at: performance.now() };
  const result = await work();
  const loop = performance.eventLoopUtilization(before.loop).active;
  const cpu = process.cpuUsage(before.cpu);
  return { result, loop, cpu: (cpu.user + cpu.system) / 1000, wall: performance.now() - before.at };
}

/** @param {number[]} sorted @param {number} share */
const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;

/** @param {number} atOnce */
async function completions(atOnce) {
  await repeat(atOnce, Number(seconds) / 3, peer.complete);
  const { result, loop, cpu, wall } = await measured(() => repeat(atOnce, Number(seconds), peer.complete));
  return {
    'requests/s': (result.length / wall) * 1000,
    'p50 ms': quantile(result, 0.5),
    'p99 ms': quantile(result, 0.99),
    'loop µs': (loop / result.length) * 1000,
    'cpu µs': (cpu / result.length) * 1000,
  };
}

/** @param {number} atOnce @param {number} rounds */
async function streams(atOnce, rounds) {
  const stream = /** @type {NonNullable<typeof peer.stream>} */ (peer.stream);
  let events = 0;
  const all = () => Promise.all(Array.from({ length: atOnce }, () => stream(() => (events += 1))));
  await stream(() => {});
  const { loop, cpu, wall } = await measured(async () => {
    for (let round = 0; round < rounds; round += 1) await all();
  });
  return {
    'events/s': (events / wall) * 1000,
    'loop µs/event': (loop / events) * 1000,
    'cpu µs/event': (cpu / events) * 1000,
  };
}

async function failOver() {
  const failOver = /** @type {NonNullable<typeof peer.failOver>} */ (peer.failOver);
  await repeat(1, Number(seconds) / 3, () => failOver(false));
  const latencies = await repeat(1, Number(seconds), () => failOver(false));
  return { 'p50 ms': quantile(latencies, 0.5), 'p99 ms': quantile(latencies, 0.99) };
}

/** How long after its time the fallback's request came, by the upstream's clock. @param {boolean} blocked */
async function lateness(blocked) {
  const late = [];
  for (let round = 0; round < 8; round += 1) {
    await fetch(`${url}/arrivals`).then((response) => response.json());
    const call = /** @type {NonNullable<typeof peer.failOver>} */ (peer.failOver)(true);
    // The primary's request has to be on its way before the thread is blocked: JavaScript clients send it from there.
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (blocked) for (const until = Date.now() + SILENCE * 3; Date.now() < until;);
    await call;
    const arrivals = await fetch(`${url}/arrivals`).then((response) => response.json());
    late.push(arrivals.at(-1)[1] - arrivals[0][1] - SILENCE);
  }
  late.sort((a, b) => a - b);
  return { 'late ms, p50': quantile(late, 0.5), 'late ms, p95': quantile(late, 0.95) };
}

async function memory() {
  const open = /** @type {NonNullable<typeof peer.open>} */ (peer.open);
  await open();
  const before = process.memoryUsage().rss;
  const kept = await Promise.all(Array.from({ length: 1000 }, open));
  return { 'MB for 1000 open streams': (process.memoryUsage().rss - before) / 1e6, kept: kept.length };
}

/** @type {Record<string, () => Promise<Record<string, number>>>} */
const SITUATIONS = {
  'completions, 32 at a time': () => completions(32),
  'completions, one at a time': () => completions(1),
  'streams at full speed, 16 at a time': () => streams(16, Math.ceil(Number(seconds) * 15)),
  'streams, 300 at a time, an event each 20 ms': () => streams(300, 1),
  'primary answers 500': failOver,
  'primary is silent': () => lateness(false),
  'primary is silent, JavaScript is busy': () => lateness(true),
  '1000 open streams': memory,
};

const run = SITUATIONS[situation];
if (!run) throw new Error(`there is no situation ${situation}`);
const result = await run();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
