/** Custom clients: plain objects, and recorders for real clients. */

import { chunk, completion } from '../../demo/upstream/payload.mjs';

export { completion };

/** The primary's failure before a custom client is called: a status that is never retried. */
export const FAILING = /** @type {const} */ ({ kind: 'status', status: 418 });
/** The model that custom clients get. */
export const MODEL = 'custom-model';
/** One target, served by the constructor's `fallbackClient`. */
export const TO_CLIENT = /** @type {const} */ ({ fallback: { model: MODEL } });

/**
 * One call of a client's `create`.
 * @typedef {object} Asked
 * @property {any} body
 * @property {any} options
 * @property {any} returned
 */

/**
 * A plain object with `chat.completions.create`, which records its calls.
 * @param {(body: any, options: any) => any} create
 */
export function plainClient(create) {
  return watched({ chat: { completions: { create } } });
}

/**
 * The client itself (the same object), which now records its calls and results.
 * @template {{ chat: { completions: any } }} T
 * @param {T} client
 * @returns {{ client: T & { chat: { completions: { create(body: any, options?: any): any } } }, asked: Asked[] }}
 */
export function watched(client) {
  /** @type {Asked[]} */
  const asked = [];
  const { completions } = client.chat;
  const create = completions.create;
  completions.create = (/** @type {any} */ body, /** @type {any} */ options) => {
    /** @type {Asked} */
    const call = { body, options, returned: undefined };
    asked.push(call);
    call.returned = create.call(completions, body, options);
    return call.returned;
  };
  return { client, asked };
}

/** The only call of a client. @param {Asked[]} asked */
export function onlyAsked(asked) {
  const [call, ...more] = asked;
  if (!call || more.length > 0) throw new Error(`the client was called ${asked.length} times, not once`);
  return call;
}

/** A client that answers well, in either mode. @param {string} [text] */
export function healthyClient(text = 'Answered by the client.') {
  return plainClient(async (body) => (body.stream ? streamOf(chunks(text)) : completion(body.model, text)));
}

/**
 * The chunks of a whole stream: role, content word by word, finish reason.
 * @param {string} text
 * @returns {any[]}
 */
export function chunks(text) {
  const words = text.match(/\S+\s*/g) ?? [];
  return [ROLE, ...words.map((content) => chunk(MODEL, { content })), FINISH];
}

export const ROLE = chunk(MODEL, { role: 'assistant', content: '' });
export const FINISH = chunk(MODEL, {}, 'stop');

/** @param {string} content */
export function contentChunk(content) {
  return chunk(MODEL, { content });
}

/** A stream of these, whatever they are. @param {Iterable<any>} items */
export async function* streamOf(items) {
  yield* items;
}

/** Never settles. @returns {Promise<never>} */
export function never() {
  return new Promise(() => {});
}

/** @param {number} ms */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A promise that is resolved from outside. */
export function gate() {
  let open = /** @type {() => void} */ (() => {});
  const opened = /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      open = resolve;
    })
  );
  return { opened, open };
}
