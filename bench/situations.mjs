/** The situations that are measured, and their peers. peers.mjs defines each peer, peer.mjs how each kind of work is measured. */

/**
 * @typedef {object} Situation
 * @property {string} name
 * @property {'completions' | 'streams' | 'failOver' | 'lateness' | 'memory'} work
 * @property {string[]} peers
 * @property {number} [atOnce] How many calls or streams are under way at once.
 * @property {number} [bytes] The size of a completion's content.
 * @property {number} [delayMs] Until a completion comes.
 * @property {number} [events] Of a stream.
 * @property {boolean} [isTyped] The stream is one of Responses, whose events are typed.
 * @property {number} [paceMs] Between two events of a stream; 0 is full speed.
 * @property {boolean} [isBlocked] The JavaScript thread is busy when the primary's time is up.
 * @property {boolean} [growth] One point of a curve: measured once, and not with `--quick`.
 */

export const OURS = 'openpipe-native';
const CLIENTS = ['openai 7', 'openpipe 1.0.0', 'ai sdk 6', 'undici', 'fetch'];
/** `createFetch`, called directly and by SDKs, each of which is also measured with its own `fetch`. */
const DOORS = ['createFetch', 'openai 7, createFetch', 'ai sdk 6, createFetch'];
const ALL = [OURS, 'floor', ...CLIENTS];

/** @type {(atOnce: number, bytes: number, peers: string[], name: string) => Situation} */
const completions = (atOnce, bytes, peers, name) => ({ name, work: 'completions', atOnce, bytes, peers });
/** @type {(atOnce: number, paceMs: number, name: string) => Situation} */
const streams = (atOnce, paceMs, name) => ({
  name,
  work: 'streams',
  atOnce,
  paceMs,
  events: 200,
  peers: [OURS, ...CLIENTS, ...DOORS],
});

const GROWING = [OURS, 'openai 7'];
/** @type {Situation[]} */
const growth = [
  ...[1, 8, 32, 128, 512, 2000].map((atOnce) => ({
    ...completions(atOnce, 400, GROWING, `growth: ${atOnce} completions at a time`),
    growth: true,
  })),
  ...[1, 10, 100, 1000, 5000].map((atOnce) => ({
    ...streams(atOnce, 100, `growth: ${atOnce} streams at a time, an event each 100 ms`),
    events: 50,
    peers: GROWING,
    growth: true,
  })),
];

/** @type {Situation[]} */
export const SITUATIONS = [
  completions(32, 400, [...ALL, ...DOORS, 'openpipe-native, reporting'], 'completions of 1 KB, 32 at a time'),
  completions(1, 400, [...ALL, ...DOORS], 'completions of 1 KB, one at a time'),
  completions(32, 32_000, ALL, 'completions of 32 KB, 32 at a time'),
  // At a rate at which no core is always busy: the cost of a report on a machine with spare CPU time.
  {
    ...completions(32, 400, [OURS, 'openpipe-native, reporting'], 'completions that take 20 ms, 32 at a time'),
    delayMs: 20,
  },
  streams(300, 20, 'streams, 300 at a time, an event each 20 ms'),
  streams(16, 20, 'streams, 16 at a time, an event each 20 ms'),
  // The cost of a stream's report: its events are merged while they pass.
  {
    ...streams(16, 0, 'streams at full speed, 16 at a time'),
    peers: [OURS, ...CLIENTS, ...DOORS, 'openpipe-native, reporting'],
  },
  streams(1, 0, 'streams at full speed, one at a time'),
  {
    ...streams(16, 0, 'typed events of Responses at full speed, 16 at a time'),
    isTyped: true,
    peers: [OURS, 'openai 7', 'openai 7, createFetch'],
  },
  { name: 'primary answers 500', work: 'failOver', peers: [OURS, 'openpipe 1.0.0', 'undici'] },
  { name: 'primary is silent', work: 'lateness', peers: [OURS, 'openpipe 1.0.0'] },
  { name: 'primary is silent, JavaScript is busy', work: 'lateness', isBlocked: true, peers: [OURS, 'openpipe 1.0.0'] },
  { name: '1000 open streams', work: 'memory', atOnce: 1000, peers: [OURS, 'openai 7'] },
  ...growth,
];
