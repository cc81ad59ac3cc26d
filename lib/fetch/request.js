'use strict';
/** Reads a request as `fetch` does: members of `init` take precedence over those of a `Request`. */

/** Framing and hop-by-hop headers, which hold for the original bytes and connection only. */
const FRAMING = new Set([
  'connection', 'content-length', 'expect', 'host', 'keep-alive', 'proxy-connection', 'te', 'trailer',
  'transfer-encoding', 'upgrade',
]); // prettier-ignore

/** The header with the options of one call, as JSON. It is never sent. */
const OPTIONS_HEADER = 'x-openpipe';

/** Members of `init` that only `fetch` itself can honour. */
const TRANSPORT_MEMBERS = ['dispatcher', 'agent', 'client', 'proxy'];

/**
 * @typedef {object} Request
 * @property {unknown} input As it was given.
 * @property {any} init As it was given.
 * @property {string} url
 * @property {string} method
 * @property {unknown} body
 * @property {AbortSignal | undefined} signal
 * @property {string | undefined} redirect
 */

/** @param {any} input */
function isRequest(input) {
  return typeof input === 'object' && input !== null && typeof input.url === 'string';
}

/** @param {any} input @param {any} init @returns {Request} */
function readRequest(input, init) {
  const given = init ?? {};
  const own = isRequest(input) ? input : undefined;
  return {
    input,
    init,
    url: own ? own.url : String(input),
    method: String(given.method ?? own?.method ?? 'GET'),
    body: given.body ?? own?.body,
    signal: given.signal === undefined ? own?.signal : (given.signal ?? undefined),
    redirect: given.redirect ?? own?.redirect,
  };
}

/**
 * The headers of a request as pairs, with names in lower case.
 * @param {Request} request @returns {[string, string][]}
 */
function headersOf({ input, init }) {
  const given = init?.headers ?? (isRequest(input) ? /** @type {any} */ (input).headers : undefined);
  if (given === undefined || given === null) return [];
  const rows = typeof given[Symbol.iterator] === 'function' ? [...given] : Object.entries(given);
  return rows.map(([name, value]) => [String(name).toLowerCase(), String(value)]);
}

/** The headers of a request that go to an upstream. @param {[string, string][]} headers */
function upstreamHeaders(headers) {
  const own = headers.filter(([name]) => name !== OPTIONS_HEADER && !FRAMING.has(name));
  if (!own.some(([name]) => name === 'content-type')) own.push(['content-type', 'application/json']);
  return own;
}

/** The last value of a header. @param {[string, string][]} headers @param {string} name @returns {string | undefined} */
function header(headers, name) {
  return headers.findLast(([each]) => each === name)?.[1];
}

/** Whether `init` has a member that only `fetch` can honour. @param {any} init */
function needsFetch(init) {
  return init !== undefined && init !== null && TRANSPORT_MEMBERS.some((name) => isGiven(init[name]));
}

/** @param {unknown} value */
function isGiven(value) {
  return value !== undefined && value !== null;
}

/**
 * Removes user and password from a URL. They are sent as `Basic` authentication if there is no `authorization` header.
 * @param {string} text @param {[string, string][]} headers @returns {string}
 */
function withoutPassword(text, headers) {
  if (!text.includes('@')) return text;
  const url = new URL(text);
  if (url.username === '' && url.password === '') return text;
  const user = `${decoded(url.username)}:${decoded(url.password)}`;
  if (header(headers, 'authorization') === undefined)
    headers.push(['authorization', `Basic ${Buffer.from(user).toString('base64')}`]);
  url.username = '';
  url.password = '';
  return url.href;
}

/** @param {string} text Decoded if it is valid percent-encoding, else taken literally. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

module.exports = {
  OPTIONS_HEADER,
  TRANSPORT_MEMBERS,
  header,
  headersOf,
  isRequest,
  needsFetch,
  readRequest,
  upstreamHeaders,
  withoutPassword,
};
