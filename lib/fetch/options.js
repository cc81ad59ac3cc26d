'use strict';
/** The options of `createFetch` and those of one call, checked before any traffic. */

const { readCallOptions } = require('../options/call-options.js');
const { functionOf, isObject, milliseconds, refuse, retries, shown } = require('../options/checks.js');
const { readClientOptions } = require('../options/client-options.js');

/** Options that only `createFetch` has; everything else is an option of `openpipe`. */
const OWN = ['timeout', 'maxRetries', 'fetch', 'match', 'onFailure', 'headers', 'logger', 'logLevel'];

/** How many numbers of clients stand for the SDK's own transport (lib/host-client/numbers.js). */
const TRANSPORTS = 2;

/** @typedef {ReturnType<typeof readOptions>} FetchOptions */

/** @param {unknown} given @param {(message: string) => void} warn */
function readOptions(given, warn) {
  if (given !== undefined && !isObject(given))
    throw new TypeError(`the options of createFetch must be an object, got ${shown(given)}`);
  /** @type {any} */
  const own = {};
  /** @type {any} */
  const openpipe = {};
  for (const [name, value] of Object.entries(given ?? {})) (OWN.includes(name) ? own : openpipe)[name] = value;
  const clients = Array(TRANSPORTS);
  // Bodies may come from untrusted users.
  const read = readClientOptions({ ...openpipe, allowInBody: openpipe.allowInBody ?? false }, { clients, warn });
  refuseClients(clients);
  return {
    ...read,
    timeout: milliseconds('timeout', own.timeout),
    maxRetries: retries('maxRetries', own.maxRetries),
    fetch: functionOf('fetch', own.fetch),
    match: functionOf('match', own.match),
    rejects: choice('onFailure', own.onFailure, ['resolve', 'reject']) === 'reject',
    marks: flag('headers', own.headers) ?? true,
  };
}

/**
 * The options of a call: those of its header, and those of its body that are allowed.
 * @param {any} given @param {unknown} inBody @param {FetchOptions['allowed']} allowed @param {(message: string) => void} warn
 */
function readOwn(given, inBody, allowed, warn) {
  const { timeout, maxRetries, ...openpipe } = given ?? {};
  const clients = Array(TRANSPORTS);
  const read = readCallOptions(given && openpipe, inBody, { clients, judges: [], allowed, warn });
  refuseClients(clients);
  return {
    timeout: milliseconds('timeout', timeout),
    maxRetries: retries('maxRetries', maxRetries),
    /** Members of the JSON that the core reads. */
    members: read?.text ?? [],
    /** @type {unknown} */
    fallback:
      openpipe.fallback ??
      (allowed === true || allowed.includes('fallback') ? /** @type {any} */ (inBody)?.fallback : undefined),
  };
}

/** The header `x-openpipe`. @param {string} text @returns {object} */
function parseHeader(text) {
  let parsed;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Refused below, without the parser's error, which would quote the header: it may hold a key.
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new TypeError('the header `x-openpipe` must be a JSON object');
  return parsed;
}

/** The `openpipe` of a body. @param {string} text @returns {unknown} */
function openpipeOfBody(text) {
  if (!text.includes('openpipe"')) return undefined;
  try {
    const body = JSON.parse(text);
    return Object.hasOwn(body, 'openpipe') ? body.openpipe : undefined;
  } catch {
    return undefined;
  }
}

/** @param {unknown[]} clients */
function refuseClients(clients) {
  if (clients.length > TRANSPORTS)
    throw new TypeError('createFetch takes no `client` and no `fallbackClient`: name an upstream instead');
}

/** @param {string} option @param {unknown} value @param {string[]} choices */
function choice(option, value, choices) {
  if (value === undefined || value === null) return undefined;
  if (!choices.includes(/** @type {string} */ (value)))
    refuse(option, choices.map((each) => `"${each}"`).join(' or '), value);
  return value;
}

/** @param {string} option @param {unknown} value */
function flag(option, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') refuse(option, 'true or false', value);
  return /** @type {boolean} */ (value);
}

module.exports = { openpipeOfBody, parseHeader, readOptions, readOwn };
