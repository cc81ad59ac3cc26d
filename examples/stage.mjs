/** The mock upstreams of the examples: on this machine, with the faults that each example is about. */

import { startUpstream } from '../demo/upstream.mjs';

/** @import { Behaviour, LoggedRequest, Upstream } from '../demo/upstream.mjs' */
/** @typedef {'server' | 'openai' | 'provider'} Place */
/** @typedef {(request: LoggedRequest, count: number) => Behaviour} Doing `count`: which completion it is, from 1. */

const COUNTING = '1, 2, 3, 4, 5, 6, 7, 8, 9, 10';
/** @type {Behaviour} */
const counts = { kind: 'answer', content: COUNTING };
/** @type {Behaviour} */
const fails = { kind: 'status', status: 500 };

/** Whether a request is for the primary's model. */
const isFirst = (/** @type {LoggedRequest} */ { body }) => body.model === 'gpt-5.4';

/** What each example's upstreams do. An upstream that is not named counts to 10. @type {Record<string, Partial<Record<Place, Doing>>>} */
const scenes = {
  plain: { openai: (request) => (isFirst(request) ? fails : counts) },
  streaming: {
    openai: (request) => (isFirst(request) ? { ...counts, fault: { after: 'role', how: 'stall' } } : counts),
  },
  tools: {
    openai: (request, count) => {
      if (!isFirst(request))
        return { kind: 'answer', content: `The tool said: ${request.body.messages.at(-1).content}.` };
      return count === 1 ? asksForTool('get_weather', { city: 'Oslo' }) : fails;
    },
  },
  'fallback-client': { openai: () => fails },
  chain: { openai: (request) => ({ kind: 'status', status: isFirst(request) ? 503 : 429 }) },
  azure: { provider: ({ path }) => (path.startsWith('/openai/v1/') ? fails : counts) },
  wandb: { provider: (_request, count) => (count === 1 ? counts : fails) },
  'local-servers': { server: () => fails },
  openrouter: { openai: () => fails },
  regions: { provider: () => fails },
  express: {
    openai: ({ body }) => {
      // For a reader that disconnects in the middle of the stream.
      const stalls = body.messages.at(-1).content === 'Stall';
      return { ...counts, deltas: 10, paceMs: 200, ...(stalls && { fault: { after: 3, how: 'stall' } }) };
    },
  },
  opentelemetry: { openai: (request) => (isFirst(request) ? fails : counts) },
};

export const exampleNames = Object.keys(scenes);

/**
 * @typedef {object} Stage
 * @property {Record<Place, Upstream>} upstreams
 * @property {Record<string, string>} env Their URLs, and a key for each.
 * @property {() => Promise<void>} close
 */

/** Starts the upstreams of an example. @param {string} example @returns {Promise<Stage>} */
export async function startStage(example) {
  const scene = scenes[example];
  if (!scene) throw new Error(`there is no example "${example}": ${exampleNames.join(', ')}`);
  const open = (/** @type {Place} */ place) => startUpstream({ name: place, behaviour: behaving(scene[place]) });
  const [server, openai, provider] = await Promise.all([open('server'), open('openai'), open('provider')]);
  const upstreams = { server, openai, provider };
  return {
    upstreams,
    env: {
      ...Object.fromEntries(
        Object.entries(upstreams).flatMap(([place, { url }]) => [
          [`${place.toUpperCase()}_BASE_URL`, url],
          [`${place.toUpperCase()}_API_KEY`, `no-key-of-${place}`],
        ]),
      ),
      ...otherNames(upstreams),
    },
    close: async () => void (await Promise.all(Object.values(upstreams).map((upstream) => upstream.close()))),
  };
}

/** The same servers by the variables that the examples of single vendors read. @param {Record<Place, Upstream>} upstreams */
function otherNames({ server, openai, provider }) {
  const origin = (/** @type {Upstream} */ { url }) => new URL(url).origin;
  return {
    OPENPIPE_API_KEY: '', // so that no report of an example leaves the machine
    AZURE_OPENAI_ENDPOINT: origin(provider),
    AZURE_OPENAI_API_KEY: 'no-key-of-azure',
    AZURE_ENTRA_TOKEN: 'no-token-of-entra',
    WANDB_BASE_URL: provider.url,
    WANDB_API_KEY: 'no-key-of-wandb',
    VLLM_URL: server.url,
    OLLAMA_URL: provider.url,
    OPENROUTER_BASE_URL: provider.url,
    OPENROUTER_API_KEY: 'no-key-of-openrouter',
    EAST_ENDPOINT: origin(provider),
    EAST_KEY: 'no-key-of-east',
    WEST_ENDPOINT: origin(openai),
    WEST_KEY: 'no-key-of-west',
  };
}

/** @param {Doing} [doing] @returns {(request: LoggedRequest) => Behaviour | undefined} */
function behaving(doing = () => counts) {
  let count = 0;
  return (request) => (/\/chat\/completions(\?|$)/.test(request.path) ? doing(request, ++count) : undefined);
}

/** @param {string} name @param {object} args @returns {Behaviour} */
function asksForTool(name, args) {
  const call = { id: 'call_1', type: 'function', function: { name, arguments: JSON.stringify(args) } };
  const message = { role: 'assistant', content: null, refusal: null, tool_calls: [call] };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: 'tool_calls' }];
  const json = { id: 'chatcmpl-1', object: 'chat.completion', created: 0, model: 'gpt-5.4', choices };
  return { kind: 'status', status: 200, body: { json } };
}
