/** The upstreams that the examples talk to: on this machine, with whatever each example is about. No key, no internet. */

import { startUpstream } from '../demo/upstream.mjs';

/** @import { Behaviour, LoggedRequest, Upstream } from '../demo/upstream.mjs' */
/** @typedef {'openpipe' | 'openai' | 'provider'} Place */
/** @typedef {(request: LoggedRequest, count: number) => Behaviour} Doing `count`: which completion it is, from 1. */

const COUNTING = '1, 2, 3, 4, 5, 6, 7, 8, 9, 10';
/** @type {Behaviour} */
const counts = { kind: 'answer', content: COUNTING };
/** @type {Behaviour} */
const fails = { kind: 'status', status: 500 };

/** What is the matter in each example; who is not named counts to 10. @type {Record<string, Partial<Record<Place, Doing>>>} */
const scenes = {
  plain: { openpipe: () => fails },
  streaming: { openpipe: () => ({ ...counts, fault: { after: 'role', how: 'stall' } }) },
  tools: {
    openpipe: (_request, count) => (count === 1 ? asksForTool('get_weather', { city: 'Oslo' }) : fails),
    openai: ({ body }) => ({ kind: 'answer', content: `The tool said: ${body.messages.at(-1).content}.` }),
  },
  'fallback-client': { openpipe: () => fails },
  chain: {
    openpipe: () => ({ kind: 'status', status: 503 }),
    openai: () => ({ kind: 'status', status: 429 }),
  },
  express: {
    openpipe: ({ body }) => {
      // For who wants to leave in the middle, however long that takes.
      const stalls = body.messages.at(-1).content === 'Stall';
      return { ...counts, deltas: 10, paceMs: 200, ...(stalls && { fault: { after: 3, how: 'stall' } }) };
    },
  },
  opentelemetry: { openpipe: () => fails },
};

export const exampleNames = Object.keys(scenes);

/**
 * @typedef {object} Stage
 * @property {Record<Place, Upstream>} upstreams
 * @property {Record<string, string>} env Where they are, and a key for each.
 * @property {() => Promise<void>} close
 */

/** Starts what an example needs. @param {string} example @returns {Promise<Stage>} */
export async function startStage(example) {
  const scene = scenes[example];
  if (!scene) throw new Error(`there is no example "${example}": ${exampleNames.join(', ')}`);
  const open = (/** @type {Place} */ place) => startUpstream({ name: place, behaviour: behaving(scene[place]) });
  const [openpipe, openai, provider] = await Promise.all([open('openpipe'), open('openai'), open('provider')]);
  const upstreams = { openpipe, openai, provider };
  return {
    upstreams,
    env: Object.fromEntries(
      Object.entries(upstreams).flatMap(([place, { url }]) => [
        [`${place.toUpperCase()}_BASE_URL`, url],
        [`${place.toUpperCase()}_API_KEY`, `no-key-of-${place}`],
      ]),
    ),
    close: async () => void (await Promise.all(Object.values(upstreams).map((upstream) => upstream.close()))),
  };
}

/** @param {Doing} [doing] @returns {(request: LoggedRequest) => Behaviour | undefined} */
function behaving(doing = () => counts) {
  let count = 0;
  return (request) => (request.path.endsWith('/chat/completions') ? doing(request, ++count) : undefined);
}

/** @param {string} name @param {object} args @returns {Behaviour} */
function asksForTool(name, args) {
  const call = { id: 'call_1', type: 'function', function: { name, arguments: JSON.stringify(args) } };
  const message = { role: 'assistant', content: null, refusal: null, tool_calls: [call] };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: 'tool_calls' }];
  const json = { id: 'chatcmpl-1', object: 'chat.completion', created: 0, model: 'my-ft-model', choices };
  return { kind: 'status', status: 200, body: { json } };
}
