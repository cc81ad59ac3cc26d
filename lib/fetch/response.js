'use strict';
/** The `Response` of a call: the serving upstream's, and how the call went. */

const { STATUS_CODES } = require('node:http');

const { defineOpenpipe } = require('../call/openpipe-member.js');
const native = require('../native/native.js');

/** @typedef {import('../call/openpipe-member.js').Meta} Meta */

/** Headers about the bytes on the wire, which are wrong for a body that was decoded or rewritten. */
const WIRE_HEADERS = ['content-encoding', 'content-length', 'transfer-encoding'];
/** Headers of ours that say how the call went. */
const OWN_HEADERS = ['x-openpipe-served-by', 'x-openpipe-model', 'x-openpipe-attempts'];
/** Whether the runtime is Node.js, whose `fetch` is written in JavaScript. */
const READS_BY_STREAM = !process.versions['bun'] && !process.versions['deno'];
/** Statuses whose response has no body. */
const WITHOUT_BODY = [204, 205, 304];
/** The longest `x-openpipe-attempts`, in bytes. */
const MAX_ATTEMPTS_BYTES = 2048;
/** The longest text within it, once it has to be shortened. */
const MAX_NAME = 64;

const ignore = () => {};

/**
 * What a response is made of.
 * @typedef {object} Parts
 * @property {number} status
 * @property {[string, string][]} headers
 * @property {string | ReadableStream} body
 * @property {string} url Where it came from.
 * @property {boolean} redirected
 * @property {Meta} meta
 * @property {boolean} marks Whether headers say how the call went.
 * @property {() => object} openpipe
 */

/** @param {Parts} parts */
function responseOf({ status, headers: given, body, url, redirected, meta, marks, openpipe }) {
  // Pairs, since making a `Response` of `Headers` costs more than the rest of it.
  const headers = given.filter(([name]) => !WIRE_HEADERS.includes(name) && !(marks && OWN_HEADERS.includes(name)));
  if (marks) {
    const own = [meta.servedBy, encoded(meta.model), attemptsText(meta.attempts)];
    own.forEach((value, index) => headers.push([OWN_HEADERS[index] ?? '', value]));
  }
  const init = { status, statusText: STATUS_CODES[status] ?? '', headers };
  const response = new Response(WITHOUT_BODY.includes(status) ? null : body, init);
  if (typeof body === 'string' && response.body) readAtOnce(response, body);
  return dressed(response, { url: shownUrl(url), redirected, openpipe });
}

/**
 * Lets `text()` and `json()` give a body that is here as text. By way of the body's stream, as Node.js reads it, that would take as
 * long as the rest of the call. Afterwards the body is used and locked, as if it had been read so.
 * @param {Response} response @param {string} text
 */
function readAtOnce(response, text) {
  // The other runtimes read natively. A byte order mark is for the platform to take off.
  if (!READS_BY_STREAM || text.startsWith('\ufeff')) return;
  const read = { text: () => text, json: () => JSON.parse(text) };
  for (const name of /** @type {const} */ (['text', 'json'])) {
    const value = async () => {
      const { body } = response;
      if (!body || body.locked || response.bodyUsed) return Response.prototype[name].call(response);
      body.getReader().cancel().catch(ignore);
      return read[name]();
    };
    Object.defineProperty(response, name, { value, configurable: true, writable: true });
  }
}

/**
 * A response with its URL and with `openpipe`, which its clones have too.
 * @param {Response} response @param {{ url: string, redirected: boolean, openpipe: () => object }} own
 */
function dressed(response, own) {
  Object.defineProperties(response, {
    url: { value: own.url, configurable: true },
    redirected: { value: own.redirected, configurable: true },
    // As of a response of `fetch`; one that was made says `default`.
    type: { value: 'basic', configurable: true },
    clone: { value: () => dressed(Response.prototype.clone.call(response), own), configurable: true, writable: true },
  });
  defineOpenpipe(response, own.openpipe);
  return response;
}

/** A URL without user, password, and what in its query proves who asks. @param {string} text */
function shownUrl(text) {
  if (!/[@?#]/.test(text) || !URL.canParse(text)) return text;
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.hash = '';
  const secrets = [...url.searchParams.keys()].filter((name) => native.isCredential(name));
  for (const name of secrets) url.searchParams.delete(name);
  return url.href;
}

/** @param {string} model Half of a surrogate pair has no encoding. */
function encoded(model) {
  return encodeURIComponent(/** @type {any} */ (model).toWellFormed());
}

/** The attempts as JSON in ASCII; where they are too many or too long, without what matters least. @param {Meta['attempts']} attempts */
function attemptsText(attempts) {
  const whole = asciiJson(attempts);
  if (whole.length <= MAX_ATTEMPTS_BYTES) return whole;
  const short = attempts.map(({ upstream, model, outcome, tries, status, durationMs }) => ({
    upstream: cut(upstream),
    model: cut(model),
    ...{ outcome, tries, status, durationMs },
  }));
  // The last ones say how the call ended.
  while (asciiJson(short).length > MAX_ATTEMPTS_BYTES) short.shift();
  return asciiJson(short);
}

/** @param {string} text */
function cut(text) {
  return text.length > MAX_NAME ? `${text.slice(0, MAX_NAME - 1)}…` : text;
}

/** @param {unknown} value */
function asciiJson(value) {
  const escape = (/** @type {string} */ unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, escape);
}

module.exports = { responseOf };
