/**
 * Rounds of many calls at once, half of whose primaries fail; prints the outcome as JSON. With --expose-gc. Arguments:
 * how many completions, streams, and rounds.
 */

import { descriptorsDownTo, openDescriptors, settledMemory } from '../support/process.mjs';
import { callWrong, newClient, planOf } from './traffic.mjs';
import { startUpstreamProcess } from './upstream-process.mjs';

const [completions = 0, streams = 0, rounds = 0] = process.argv.slice(2).map(Number);
const upstream = await startUpstreamProcess();
const openai = newClient(upstream.url);
/** @type {string[]} */
const wrong = [];
let fallbacks = 0;

/** @param {string} round @param {number} completions @param {number} streams */
async function play(round, completions, streams) {
  const calls = Array.from({ length: completions + streams }, (_, number) => {
    const stream = number >= completions;
    const plan = planOf(stream ? number - completions : number, stream);
    if (plan.primary !== 'ok') fallbacks += 1;
    return callWrong(openai, `${round}-${number}`, plan);
  });
  wrong.push(...(await Promise.all(calls)).filter((each) => each !== undefined));
  const { dropped, pending } = await openai.flush();
  if (dropped + pending > 0) wrong.push(`round ${round}: ${dropped} reports dropped, ${pending} pending`);
}

// One call of each kind creates what exists once per process: threads, epoll, certificates.
await play('warm', 24, 24);
// What is left is what a process with a client has.
await upstream.letGo();
await descriptorsDownTo(0, 3_000);
const before = openDescriptors();
const after = [];
for (let round = 0; round < rounds; round += 1) {
  await play(String(round), completions, streams);
  after.push(await settledMemory());
}
await upstream.letGo();
const descriptors = await descriptorsDownTo(before);
const { reports, open } = await upstream.counts();
await upstream.close();
console.log(
  JSON.stringify({
    wrong: wrong.length,
    some: wrong.slice(0, 10),
    before,
    descriptors,
    after,
    reports,
    fallbacks,
    open,
  }),
);
