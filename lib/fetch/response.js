'use strict';
/** The `Response` of a call: status and headers of the upstream that answered, plus headers about the call. */

const { STATUS_CODES } = require('node:http');

const { defineOpenpipe } = require('../call/openpipe-member.js');
const { wellFormed } = require('../host-client/untrusted.js');
const native = require('../native/native.js');
const { newResponse } = require('./response-class.js');

/** @typedef {import('../call/openpipe-member.js').Meta} Meta */

/** Headers about the bytes on the wire, which are wrong for a body that was decoded or rewritten. */
const WIRE_HEADERS = ['content-encoding', 'content-length', 'transfer-encoding'];
/** Headers of this package about the call. */
const OWN_HEADERS = ['x-openpipe-served-by', 'x-openpipe-model', 'x-openpipe-attempts'];
/** The longest `x-openpipe-attempts`, in bytes. */
const MAX_ATTEMPTS_BYTES = 2048;
/** The longest text within it, in characters, where it has to be shortened. */
const MAX_NAME = 64;

/**
 * What a response is made of.
 * @typedef {object} Parts
 * @property {number} status
 * @property {string | ReadableStream} body
 * @property {string} url The URL of the request.
 * @property {() => [string, string][]} headers The upstream's.
 * @property {() => Meta} meta
 * @property {boolean} marks Whether to add headers about the call.
 * @property {() => object} openpipe
 */

/** @param {Parts} parts */
function responseOf({ status, body, url, headers, meta, marks, openpipe }) {
  return newResponse({
    body,
    init: { status, statusText: STATUS_CODES[status] ?? '' },
    headers: () => headersOf(headers(), marks ? meta() : undefined),
    url: () => shownUrl(meta().head?.url || url),
    redirected: () => meta().head?.redirected ?? false,
    dress: (response) => defineOpenpipe(response, openpipe),
  });
}

/** @param {[string, string][]} given @param {Meta | undefined} marked The call's record, where headers of it are added. */
function headersOf(given, marked) {
  const headers = given.filter(([name]) => !WIRE_HEADERS.includes(name) && !(marked && OWN_HEADERS.includes(name)));
  if (marked) {
    const own = [marked.servedBy, encoded(marked.model), attemptsText(marked.attempts)];
    own.forEach((value, index) => headers.push([OWN_HEADERS[index] ?? '', value]));
  }
  return headers;
}

/** A URL without user, password, and the credentials in its query. @param {string} text */
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

/** @param {string} model A lone surrogate is replaced, because it has no encoding. */
function encoded(model) {
  return encodeURIComponent(wellFormed(model));
}

/** The attempts as ASCII JSON of at most 2 KiB: texts are cut and the first attempts left out if need be. @param {Meta['attempts']} attempts */
function attemptsText(attempts) {
  const whole = asciiJson(attempts);
  if (whole.length <= MAX_ATTEMPTS_BYTES) return whole;
  const short = attempts.map(({ upstream, model, outcome, tries, status, durationMs }) => ({
    upstream: cut(upstream),
    model: cut(model),
    ...{ outcome, tries, status, durationMs },
  }));
  // The last attempts are kept: they say how the call ended.
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
