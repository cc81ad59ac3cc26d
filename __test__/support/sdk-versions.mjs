/**
 * The plain class of each version of the SDK and this package's class on top of the same copy; and a helper that makes the same
 * calls with both and compares the requests and results.
 */

import { createRequire } from 'node:module';

import { expect } from 'vitest';

import { OPENAI_KEY, OPENPIPE_KEY } from './keys.mjs';

/** @import { LoggedRequest, Upstream } from '../../demo/upstream.mjs' */

const require = createRequire(import.meta.url);
/** @type {typeof import('../../lib/sdk/client.js')} */
const { defineClient } = require('../../lib/sdk/client.js');

/**
 * @typedef {object} Version
 * @property {string} title
 * @property {number} major
 * @property {any} sdk All that the package exports.
 * @property {any} Stream
 * @property {any} Plain The class of the package.
 * @property {any} Ours
 * @property {any} zod The package's helpers.
 */

/** @type {Version[]} */
export const versions = ['openai5', 'openai', 'openai7'].map((name) => {
  const sdk = require(name);
  const { Stream } = require(`${name}/core/streaming`);
  const major = Number.parseInt(require(`${name}/version`).VERSION, 10);
  const Ours = defineClient({ ...sdk, OpenAI: sdk.OpenAI, Stream });
  return { title: `openai ${major}`, major, sdk, Stream, Plain: sdk.OpenAI, Ours, zod: require(`${name}/helpers/zod`) };
});

/** Headers that `fetch` adds or that depend on the connection, which are not compared. */
const NOT_THE_SDKS = ['accept-encoding', 'accept-language', 'connection', 'host', 'sec-fetch-mode'];

/** @param {LoggedRequest} request */
export function sent({ method, path, headers, rawBody }) {
  // The boundary of a form is random.
  const boundary = /boundary=(\S+)/.exec(headers['content-type'] ?? '')?.[1];
  const plain = (/** @type {string} */ text) => (boundary ? text.replaceAll(boundary, 'BOUNDARY') : text);
  const kept = Object.entries(headers).filter(([name]) => !NOT_THE_SDKS.includes(name));
  const shown = Object.fromEntries(kept.map(([name, value]) => [name, plain(String(value))]));
  if (boundary) delete shown['content-length'];
  return { method, path, headers: shown, body: plain(rawBody) };
}

/**
 * The outcome of a function as a comparable value, also if it throws.
 * @param {() => unknown} action
 */
export async function outcomeOf(action) {
  try {
    return { value: plainOf(await action()) };
  } catch (thrown) {
    const error = /** @type {any} */ (thrown);
    const { name, message, status, code, type, param, requestID, constructor } = error;
    const headers = error.headers && [...error.headers.keys()].filter((key) => key !== 'date');
    return { constructor, name, message, status, code, type, param, requestID, error: error.error, headers };
  }
}

/** Without what differs from one call to the next. @param {unknown} value @returns {unknown} */
function plainOf(value) {
  const id = /** @type {any} */ (value)?._request_id;
  return value === undefined ? undefined : { json: JSON.parse(JSON.stringify(value)), id };
}

/**
 * Runs the same function with a plain client and with this package's, against the same upstream.
 * @template T
 * @param {Version} version @param {Upstream} upstream @param {any} options Of both clients.
 * @param {(client: any) => T} act
 * @returns {Promise<[{ outcome: Awaited<ReturnType<typeof outcomeOf>>, requests: ReturnType<typeof sent>[] }, { outcome: Awaited<ReturnType<typeof outcomeOf>>, requests: ReturnType<typeof sent>[] }]>}
 */
export async function byBoth({ Plain, Ours }, upstream, options, act) {
  const basics = { apiKey: OPENAI_KEY, baseURL: upstream.url, logLevel: 'off' };
  const results = [];
  for (const make of [
    () => new Plain({ ...basics, ...options }),
    () =>
      new Ours({ ...basics, ...options, openpipe: { apiKey: OPENPIPE_KEY, baseUrl: upstream.url, logRequest: false } }),
  ]) {
    upstream.reset();
    const outcome = await outcomeOf(() => act(make()));
    results.push({ outcome, requests: upstream.requests.map(sent) });
  }
  return /** @type {any} */ (results);
}

/** Like `byBoth`, and asserts equal outcomes and the number of requests. */
/**
 * @param {Version} version @param {Upstream} upstream @param {any} options @param {(client: any) => unknown} act
 * @param {number} [requests]
 */
export async function expectTheSame(version, upstream, options, act, requests = 1) {
  const [theirs, ours] = await byBoth(version, upstream, options, act);
  expect(theirs.requests).toHaveLength(requests);
  expect(ours.requests).toEqual(theirs.requests);
  expect(ours.outcome).toEqual(theirs.outcome);
  return ours.outcome;
}
