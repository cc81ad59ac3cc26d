/**
 * The compared clients: each sends the same body to the same upstream, as its documentation says.
 *
 * @typedef {object} Peer
 * @property {() => Promise<unknown>} complete One chat completion.
 * @property {(onEvent: () => void) => Promise<void>} [stream] One stream, read to its end.
 * @property {() => Promise<unknown>} [open] One stream, opened and read to its first event; it stays open.
 * @property {(silent: boolean) => Promise<unknown>} [failOver] A primary that answers 500 (or nothing), then the fallback.
 */

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

const MESSAGES = [
  { role: 'system', content: 'You are a helpful assistant.' },
  { role: 'user', content: 'Count to 10, and tell me of foxes and dogs meanwhile.' },
];
const BODY = { model: 'gpt-4-turbo', messages: MESSAGES, temperature: 0 };
const STREAM_BODY = { ...BODY, stream: true };
const TYPED_BODY = { model: 'gpt-4-turbo', input: MESSAGES, temperature: 0, stream: true };
const FINE_TUNED = {
  ...BODY,
  model: 'openpipe:ft',
  openpipe: { fallback: { model: 'gpt-4-turbo' }, logRequest: false },
};

/** The timeout of a silent primary, in milliseconds. */
export const SILENCE = 300;

/**
 * The paths of the upstream that answer with a completion and with a stream; `isTyped`: one of Responses.
 * @typedef {{ completion: string, stream: string, isTyped: boolean }} Paths
 */

/** @param {any} OpenAI @param {string} url @param {Paths} paths @param {{ openpipe?: boolean, reports?: boolean, fetch?: any }} [options] @returns {Peer} */
function sdkPeer(OpenAI, url, paths, { openpipe = true, reports = false, fetch } = {}) {
  const client = (/** @type {string} */ path, primary = '500') =>
    new OpenAI({
      apiKey: 'sk-bench',
      baseURL: `${url}/${path}/v1`,
      ...(fetch ? { fetch } : {}),
      ...(openpipe ? { openpipe: { apiKey: 'op-bench', baseUrl: `${url}/${primary}/v1` } } : {}),
    });
  // Only the variants with reports send reports.
  const quiet = openpipe && !reports ? { openpipe: { logRequest: false } } : {};
  const [body, streamBody, typedBody] = [BODY, STREAM_BODY, TYPED_BODY].map((each) => ({ ...each, ...quiet }));
  // The server of the reports answers 200.
  const completions = client(paths.completion, reports ? 'completion-10' : '500');
  const silent = client(paths.completion, 'silence');
  const streams = client(paths.stream);
  const open = client('stream-100000-1000');
  return {
    complete: () => completions.chat.completions.create(body),
    async stream(onEvent) {
      const stream = paths.isTyped ? streams.responses.create(typedBody) : streams.chat.completions.create(streamBody);
      for await (const _ of await stream) onEvent();
    },
    async open() {
      const stream = await open.chat.completions.create(streamBody);
      const iterator = stream[Symbol.asyncIterator]();
      await iterator.next();
      return iterator;
    },
    failOver: (isSilent) =>
      (isSilent ? silent : completions).chat.completions.create(
        FINE_TUNED,
        isSilent ? { timeout: SILENCE } : undefined,
      ),
  };
}

/** Server-sent events as somebody would read them by hand. @param {AsyncIterable<Uint8Array>} body @param {() => void} onEvent */
async function readEvents(body, onEvent) {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    const events = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      if (event === 'data: [DONE]') return;
      JSON.parse(event.slice(6));
      onEvent();
    }
  }
}

/** Calls written by hand. @param {typeof fetch} fetch @param {string} url @param {Paths} paths @returns {Peer} */
function fetchPeer(fetch, url, paths) {
  const post = (/** @type {string} */ path, /** @type {object} */ body) =>
    fetch(`${url}/${path}/v1/chat/completions`, { method: 'POST', headers: HEADERS, body: JSON.stringify(body) });
  return {
    complete: async () => (await post(paths.completion, BODY)).json(),
    async stream(onEvent) {
      const { body } = await post(paths.stream, STREAM_BODY);
      if (body) await readEvents(/** @type {any} */ (body), onEvent);
    },
  };
}

/** The AI SDK. @param {string} url @param {Paths} paths @param {object} [more] Of the provider. @returns {Peer} */
function aiPeer(url, paths, more) {
  const { generateText, streamText } = require('ai');
  const { createOpenAI } = require('@ai-sdk/openai');
  const model = (/** @type {string} */ path) =>
    createOpenAI({ apiKey: 'sk-bench', baseURL: `${url}/${path}/v1`, ...more }).chat(BODY.model);
  const [completions, streams] = [model(paths.completion), model(paths.stream)];
  // It warns of a system message in each call.
  const [system, prompt] = MESSAGES.map(({ content }) => content);
  const request = /** @type {const} */ ({ system, prompt: String(prompt), temperature: 0, maxRetries: 0 });
  return {
    complete: () => generateText({ model: completions, ...request }),
    async stream(onEvent) {
      for await (const _ of streamText({ model: streams, ...request }).textStream) onEvent();
    },
  };
}

/** A `fetch` of `createFetch`, with a fallback. */
const createFetch = () => require('openpipe-native/fetch').createFetch({ fallback: { model: 'gpt-4o-mini' } });

const HEADERS = { authorization: 'Bearer sk-bench', 'content-type': 'application/json', accept: 'application/json' };

/** @type {Record<string, (url: string, paths: Paths) => Peer>} */
export const PEERS = {
  'openpipe-native': (url, paths) => sdkPeer(require('openpipe-native'), url, paths),
  'openpipe-native, reporting': (url, paths) => sdkPeer(require('openpipe-native'), url, paths, { reports: true }),

  // The addon without lib/: text in, text out, parsed.
  floor(url, paths) {
    const native = require('../lib/native/native.js');
    const { APIPromise } = require('openai');
    const completions = native.nativeCompletions(
      JSON.stringify({
        openai: { baseUrl: `${url}/${paths.completion}/v1`, headers: Object.entries(HEADERS) },
        openpipeUrl: `${url}/500/v1`,
      }),
    );
    const answer = (/** @type {(text: string) => void} */ resolve) => {
      const call = completions.create(JSON.stringify(BODY), null);
      const onMessage = (/** @type {any} */ _message, /** @type {string} */ text) => {
        native.unregister(call);
        resolve(text);
      };
      native.register(call, { onMessage, fail() {} });
    };
    const parse = (/** @type {unknown} */ _client, /** @type {any} */ text) => Promise.resolve(JSON.parse(text));
    // The SDK's promise resolves with the result of its third argument.
    return {
      complete: () => new APIPromise(/** @type {any} */ (null), /** @type {any} */ (new Promise(answer)), parse),
    };
  },

  'openai 7': (url, paths) => sdkPeer(require('openai7'), url, paths, { openpipe: false }),

  'openpipe 1.0.0': (url, paths) => sdkPeer(require('openpipe/openai').default, url, paths),

  'openai 7, createFetch': (url, paths) =>
    sdkPeer(require('openai7'), url, paths, { openpipe: false, fetch: createFetch() }),

  'ai sdk 6': (url, paths) => aiPeer(url, paths),

  'ai sdk 6, createFetch': (url, paths) => aiPeer(url, paths, { fetch: createFetch() }),

  undici(url, paths) {
    const { request, Agent, setGlobalDispatcher } = require('undici');
    setGlobalDispatcher(new Agent({ connections: 512 }));
    const post = (/** @type {string} */ path, /** @type {object} */ body) =>
      request(`${url}/${path}/v1/chat/completions`, { method: 'POST', headers: HEADERS, body: JSON.stringify(body) });
    return {
      complete: async () => JSON.parse(await (await post(paths.completion, BODY)).body.text()),
      stream: async (onEvent) => readEvents((await post(paths.stream, STREAM_BODY)).body, onEvent),
      // The minimum cost of a fail-over: two round trips.
      async failOver(isSilent) {
        if (isSilent) throw new Error('undici knows no fallback');
        await (await post('500', BODY)).body.text();
        return JSON.parse(await (await post(paths.completion, BODY)).body.text());
      },
    };
  },

  fetch: (url, paths) => fetchPeer(fetch, url, paths),

  createFetch: (url, paths) => fetchPeer(createFetch(), url, paths),
};
