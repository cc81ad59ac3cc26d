/**
 * The cost of calls with hostile bodies, in CPU time of all threads of this process: the minimum of a few runs. Arguments: the
 * base URL of an upstream, sizes. Prints `{ kind: [milliseconds for each size] }`.
 */

import OpenAI from 'openpipe-native';

const [baseURL, ...sizes] = process.argv.slice(2);
const openai = new OpenAI({
  apiKey: 'sk-0123456789',
  baseURL,
  maxRetries: 0,
  logLevel: 'off',
  openpipe: { apiKey: 'opk-0123456789', baseUrl: baseURL, logRequest: false },
});

/** @param {number} count @param {(n: number) => [string, unknown]} member */
const members = (count, member) => Object.fromEntries(Array.from({ length: count }, (_, n) => member(n)));
const escaped = (/** @type {number} */ n) => /** @type {[string, unknown]} */ ([`"\\a${n}`, n]);
const plain = (/** @type {number} */ n) => /** @type {[string, unknown]} */ ([`name${n}`, n]);

/** Calls of a size, with bodies as JSON that a gateway forwards. @type {Record<string, (size: number) => any>} */
const BODIES = {
  'unknown names': (size) => ({ openpipe: members(size, plain) }),
  'unknown names of a target': (size) => ({ openpipe: { fallback: { model: 'm', ...members(size, plain) } } }),
  'one long name': (size) => ({ openpipe: { ['x'.repeat(size * 10)]: 1 } }),
  'members and params': (size) => ({
    ...members(size, plain),
    openpipe: { fallback: { model: 'down', params: members(size, plain) } },
  }),
  'members and params with escapes': (size) => ({
    model: 'down',
    ...members(size, escaped),
    openpipe: { fallback: { model: 'm', params: members(size, escaped) } },
  }),
  'members to omit': (size) => ({
    model: 'down',
    ...members(size, plain),
    openpipe: { fallback: { model: 'm', omit: Array.from({ length: size }, (_, n) => `name${n}`) } },
  }),
  'tags': (size) => ({ openpipe: { tags: members(size, (n) => [`t${n}`, 'x']) } }),
  'criteria': (size) => ({ openpipe: { criteria: Array.from({ length: size }, (_, n) => `c${n}`) } }),
  'targets': (size) => ({ openpipe: { fallback: Array(size).fill({ model: 'm' }) } }),
  'statuses of `on`': (size) => ({ openpipe: { fallback: { model: 'm', on: Array(size).fill(500) } } }),
  'metadata': (size) => ({ metadata: members(size, escaped) }),
  'headers of the call': (size) => ({
    openpipe: { fallback: { model: 'm' } },
    options: { headers: members(size, plain) },
  }),
  'messages': (size) => ({ messages: Array(size).fill({ role: 'user', content: 'hi' }) }),
}; // prettier-ignore

/** @param {any} call The body's members, and `options` of the call. */
async function cost({ options, ...body }) {
  const before = process.cpuUsage();
  // Refused or answered: it is what that takes that counts.
  await openai.chat.completions.create({ model: 'm', messages: [], ...body }, options).catch(() => {});
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** @type {Record<string, number[]>} */
const costs = {};
await cost({});
for (const [kind, bodyOf] of Object.entries(BODIES)) {
  costs[kind] = [];
  for (const size of sizes.map(Number)) {
    const text = JSON.stringify(bodyOf(size));
    const all = [];
    // Of the small ones the first also costs their compilation.
    for (let n = 0; n < (size > 5_000 ? 1 : 3); n += 1) all.push(await cost(JSON.parse(text)));
    costs[kind].push(Math.min(...all));
  }
}
console.log(JSON.stringify(costs));
