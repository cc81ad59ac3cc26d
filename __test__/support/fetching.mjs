/** Requests for `createFetch`, written by hand. The model's name selects what the upstream does (demo/upstream/behaviour.mjs). */

import { MESSAGES } from './calls.mjs';

export const KEY = 'sk-test-fetch-0123456789';

/**
 * @param {{ url: string }} upstream
 * @param {Record<string, unknown>} body
 * @param {Record<string, any>} [init]
 * @returns {[string, Record<string, any>]} What `fetch` is called with.
 */
export function chat({ url }, body, { headers, ...init } = {}) {
  return [
    `${url}/chat/completions`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}`, ...headers },
      body: JSON.stringify({ messages: MESSAGES, ...body }),
      ...init,
    },
  ];
}

/** The data of an event stream, and the error that it ended with, if it did. @param {Response} response */
export async function readEvents(response) {
  let text = '';
  /** @type {any} */
  let error;
  try {
    const decoder = new TextDecoder();
    for await (const bytes of /** @type {any} */ (response.body)) text += decoder.decode(bytes, { stream: true });
  } catch (thrown) {
    error = thrown;
  }
  const events = text
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => event.replace(/^data: /, ''));
  return { events, text, error };
}

/** What the model said in a stream. @param {string[]} events */
export function contentOf(events) {
  const chunks = events.filter((event) => event.startsWith('{')).map((event) => JSON.parse(event));
  return chunks.map((chunk) => chunk.choices?.[0]?.delta?.content ?? '').join('');
}

/** An upstream that does what the model's name says. @type {import('./upstreams.mjs').Doing} */
export const byModel = () => undefined;
