'use strict';
/** Reads the constructor's `openpipe` options. */

const { markKeyError } = require('../host-client/thrown.js');
const { readEnv } = require('../native/environment.js');
const native = require('../native/native.js');
const { isObject, refuse } = require('./checks.js');
const { configOf } = require('./openpipe.js');
const { sinks } = require('./reports.js');
const { Writer, callback } = require('./writer.js');

/** @typedef {import('./writer.js').CustomClient} CustomClient */
/** @typedef {import('../call/judge.js').Judge} Judge */

/**
 * The constructor's `openpipe` options, which the core checks, with the values that stay in JavaScript.
 * @param {unknown} value
 * @param {{ clients: CustomClient[], warn: (message: string) => void }} reading
 */
function readClientOptions(value, { clients, warn }) {
  // An instance of `OpenPipe` stands for the options that it was made with.
  const given = /** @type {any} */ (configOf(value) ?? value ?? {});
  /** @type {Judge[]} */
  const judges = [];
  const { text, odd, clients: marks, functions, judges: numbers } = new Writer(clients, judges).write(given);
  /** @type {Record<string, string>} */
  const variables = {};
  if (text.includes('"upstreams"')) {
    for (const name of native.upstreamVariables()) {
      const key = readEnv(name);
      if (key) variables[name] = key;
    }
  }
  const written = `{"openpipe":${text},"odd":${JSON.stringify(odd)},"clients":${JSON.stringify(marks)},"functions":${JSON.stringify(numbers)},"variables":${JSON.stringify(variables)}}`;
  const read = JSON.parse(native.readClientOptions(written));
  if (read.error) throw new TypeError(read.error);
  read.warnings.forEach(warn);
  const own = (/** @type {string} */ name) => (Object.hasOwn(Object(given), name) ? given[name] : undefined);
  const apiKey = own('apiKey');
  const baseURL = own('baseURL');
  // The core knows the other spelling only.
  if (baseURL !== undefined && baseURL !== null && (typeof baseURL !== 'string' || baseURL === ''))
    refuse('openpipe.baseURL', 'a non-empty string', baseURL);
  return {
    /** The JSON for the core. It holds keys. */
    written,
    apiKey: typeof apiKey === 'string' ? apiKey.trim() || undefined : undefined,
    baseUrl: own('baseUrl') ?? baseURL ?? undefined,
    transport: own('transport') ?? undefined,
    reports: sinks(own('reports'), { warn }),
    cached: isObject(given) && Boolean(own('cache')),
    /** @type {true | string[]} */
    allowed: read.allowsAll ? true : read.allowedInBody,
    /** @type {{ name: string, baseUrl: string, query: [string, string][], headers: [string, string][], removed: string[], keyIsFunction: boolean }[]} */
    upstreams: read.upstreams,
    /** The key of a declared upstream is a function, which is called in the async context of a call. */
    hasKeyFunctions: read.upstreams.some(
      (/** @type {{ keyIsFunction: boolean }} */ { keyIsFunction }) => keyIsFunction,
    ),
    hasFallback: Boolean(read.hasFallback),
    functions,
    /** The functions of `reject`, by the numbers that `written` has for them. */
    judges,
    onFallback: callback(functions['openpipe.onFallback']),
  };
}

/** @typedef {ReturnType<typeof readClientOptions>} ClientOptions */

/**
 * The header with the key of a declared upstream, whose function is called for it.
 * @param {ClientOptions} options @param {string} upstream @returns {Promise<[string, string][]>}
 */
async function keyHeaders(options, upstream) {
  const path = `openpipe.upstreams.${upstream}.apiKey`;
  try {
    const key = await options.functions[path]?.();
    if (typeof key !== 'string' || key.trim() === '') throw new TypeError(`\`${path}\` returned no key`);
    // HTTP allows no control characters, and none beyond Latin-1.
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(key.trim()))
      throw new TypeError(`\`${path}\` returned a key that an HTTP header cannot carry`);
    return [['authorization', `Bearer ${key.trim()}`]];
  } catch (error) {
    throw markKeyError(error);
  }
}

module.exports = { keyHeaders, readClientOptions };
