/** Runs one situation with one peer in a separate process, and prints the measurements. Arguments: peer, URL, situation, seconds. */

import { performance } from 'node:perf_hooks';

import { PEERS, SILENCE } from './peers.mjs';

/** @typedef {import('./situations.mjs').Situation} Situation */

const [name = '', url = '', json = '', seconds = '1'] = process.argv.slice(2);
const make = PEERS[name];
if (!make) throw new Error(`there is no peer ${name}`);
/** @type {Situation} */
const situation = JSON.parse(json);
const { atOnce = 1, bytes = 400, delayMs = 0, events: eventsEach = 200, paceMs = 0, isBlocked = false } = situation;
const isTyped = situation.isTyped ?? false;
const stream = `${isTyped ? 'typed' : 'stream'}-${eventsEach}-${paceMs}`;
const peer = make(url, { completion: `completion-${bytes}-${delayMs}`, stream, isTyped });
const time = Number(seconds) * 1000;
// The direct call of the addon does not keep the process alive by itself.
setInterval(() => {}, 60_000);

/** Does something over and over, so many at once, for a while. @param {number} atOnce @param {number} time @param {() => Promise<unknown>} work */
async function repeat(atOnce, time, work) {
  /** @type {number[]} */
  const latencies = [];
  const until = performance.now() + time;
  const one = async () => {
    do {
      const start = performance.now();
      await work();
      latencies.push(performance.now() - start);
    } while (performance.now() < until);
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

async function completions() {
  await repeat(atOnce, time / 3, peer.complete);
  const { result, loop, cpu, wall } = await measured(() => repeat(atOnce, time, peer.complete));
  return {
    'requests/s': (result.length / wall) * 1000,
    'p50 ms': quantile(result, 0.5),
    'p99 ms': quantile(result, 0.99),
    'loop µs': (loop / result.length) * 1000,
    'cpu µs': (cpu / result.length) * 1000,
    'rss MB': process.memoryUsage().rss / 1e6,
  };
}

async function streams() {
  const stream = /** @type {NonNullable<typeof peer.stream>} */ (peer.stream);
  let events = 0;
  let isWarm = false;
  /** @type {number[]} */
  const firsts = [];
  const one = async () => {
    const start = performance.now();
    let isFirst = true;
    await stream(() => {
      if (isFirst && isWarm) firsts.push(performance.now() - start);
      isFirst = false;
      events += 1;
    });
  };
  // Warm-up: compiles the code and opens the connections.
  await (paceMs > 0 ? one() : repeat(atOnce, time / 3, one));
  isWarm = true;
  events = 0;
  // Paced streams all begin at the same time and run to their end.
  const { loop, cpu, wall } = await measured(() => repeat(atOnce, paceMs > 0 ? 0 : time, one));
  firsts.sort((a, b) => a - b);
  return {
    'events/s': (events / wall) * 1000,
    'first event ms, p50': quantile(firsts, 0.5),
    'loop µs/event': (loop / events) * 1000,
    'cpu µs/event': (cpu / events) * 1000,
    'rss MB': process.memoryUsage().rss / 1e6,
  };
}

async function failOver() {
  const failOver = /** @type {NonNullable<typeof peer.failOver>} */ (peer.failOver);
  await repeat(1, time / 3, () => failOver(false));
  const latencies = await repeat(1, time, () => failOver(false));
  return { 'p50 ms': quantile(latencies, 0.5), 'p99 ms': quantile(latencies, 0.99) };
}

/** How late the fallback's request arrived, by the upstream's clock. */
async function lateness() {
  const late = [];
  const failOver = /** @type {NonNullable<typeof peer.failOver>} */ (peer.failOver);
  const rounds = time < 1000 ? 4 : 20;
  // Peers that take seconds for each run it fewer times.
  const until = performance.now() + Math.max(time * 5, 1);
  await failOver(true);
  for (let round = 0; round < rounds && (round < 4 || performance.now() < until); round += 1) {
    await fetch(`${url}/arrivals`).then((response) => response.json());
    const call = failOver(true);
    // The primary's request must be sent before the thread is blocked: JavaScript clients send it on that thread.
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (isBlocked) for (const until = Date.now() + SILENCE * 3; Date.now() < until;);
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
  const kept = await Promise.all(Array.from({ length: atOnce }, open));
  if (kept.length !== atOnce) throw new Error('a stream was lost');
  return { 'MB for 1000 streams': (process.memoryUsage().rss - before) / 1e3 / atOnce };
}

const result = await { completions, streams, failOver, lateness, memory }[situation.work]();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
