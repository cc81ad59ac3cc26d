'use strict';
/**
 * The arguments of the constructor and of `create`, checked in one place before any traffic, and written as the JSON that
 * the core reads (crates/core/src/options/mod.rs). What is malformed is a `TypeError` that names the option, what it got and
 * what it takes. An unknown member fails no call: it is warned of.
 */

const { statSync } = require('node:fs');
const { dirname, resolve } = require('node:path');

const { identityOf } = require('../host-client/host-client.js');
const { configOf } = require('../openpipe-client/openpipe-client.js');

/** @typedef {import('./state.js').ForeignClient} ForeignClient */

const KINDS = [
  'timeout', 'connection', 'rate_limit', 'quota', 'server_error', 'auth', 'not_found', 'bad_request', 'context_length',
  'content_filter', 'invalid_response', 'stream', 'rejected',
]; // prettier-ignore

/**
 * Where what is read goes: JavaScript clients keep to this side and cross as numbers.
 * @typedef {object} Reading
 * @property {ForeignClient[]} clients The clients known so far; a target's is added.
 * @property {(message: string) => void} warn
 * @property {(unknown: string, known: string[]) => string | null} nearestName
 */

/** A string that is longer may be a key, and is not repeated. */
const MAX_SHOWN = 16;

/** What a value is, for a message. Never the value of a string that may be a key. @param {unknown} value */
function shown(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return `${value}n`;
    case 'string':
      return value.length > MAX_SHOWN ? `a string of ${value.length} characters` : JSON.stringify(value);
    case 'object':
      return 'an object';
    default:
      return `a ${typeof value}`;
  }
}

/** @param {string} option @param {string} takes @param {unknown} got @returns {never} */
function refuse(option, takes, got) {
  throw new TypeError(`\`${option}\` must be ${takes}, got ${shown(got)}`);
}

/** @param {unknown} value @returns {value is Record<string, any>} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Refuses what holds nothing in its members though it may hold something: a Map, a Set, a promise, an object of a class that
 * has accessors only. It would be taken, and do nothing. Objects of other realms, of the user's own classes and without a
 * prototype are told by their members.
 * @param {string} option @param {string} takes @param {unknown} value @returns {asserts value is Record<string, any>}
 */
function checkData(option, takes, value) {
  if (!isObject(value)) refuse(option, takes, value);
  if (Object.keys(value).length > 0) return;
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (kind === 'Object' && !hasAccessors(value)) return;
  const got = kind === 'Object' ? 'an object' : `a ${kind}`;
  throw new TypeError(`\`${option}\` must be ${takes}, got ${got} without members of its own`);
}

/** Whether a class of the object's has an accessor; every realm's `Object.prototype` has one. @param {object} value */
function hasAccessors(value) {
  let prototype = Object.getPrototypeOf(value);
  while (prototype && Object.getPrototypeOf(prototype)) {
    if (Object.values(Object.getOwnPropertyDescriptors(prototype)).some(({ get }) => get)) return true;
    prototype = Object.getPrototypeOf(prototype);
  }
  return false;
}

/** @param {string} option @param {unknown} value @returns {number | 'Infinity' | undefined} */
function milliseconds(option, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !(value > 0)) refuse(option, 'a positive number of milliseconds or Infinity', value);
  return value === Infinity ? 'Infinity' : value;
}

/** @param {string} option @param {unknown} value @returns {number | undefined} */
function retries(option, value) {
  if (value === undefined || value === null) return undefined;
  if (!Number.isInteger(value) || /** @type {number} */ (value) < 0) refuse(option, 'a whole number from 0', value);
  return Math.min(/** @type {number} */ (value), 0xffff_ffff);
}

/** @param {string} option @param {unknown} value @returns {number | undefined} */
function bytes(option, value) {
  if (value === undefined || value === null) return undefined;
  if (value === Infinity) return Number.MAX_SAFE_INTEGER;
  if (!Number.isSafeInteger(value) || /** @type {number} */ (value) < 1)
    refuse(option, 'a whole number of bytes from 1', value);
  return /** @type {number} */ (value);
}

/** @param {string} option @param {unknown} value @returns {string | undefined} */
function text(option, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value === '') refuse(option, 'a non-empty string', value);
  return value;
}

/** @param {string} option @param {unknown} value @returns {boolean | undefined} */
function flag(option, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') refuse(option, 'true or false', value);
  return value;
}

/** @param {string} option @param {unknown} value @param {string[]} choices @returns {string | undefined} */
function oneOf(option, value, choices) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || !choices.includes(value)) {
    refuse(option, choices.map((choice) => JSON.stringify(choice)).join(' or '), value);
  }
  return value;
}

/** @param {string} option @param {unknown} value @returns {string[] | undefined} */
function names(option, value) {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) refuse(option, 'an array of strings', value);
  return value.map((item, index) => {
    const name = `${option}[${index}]`;
    return text(name, item) ?? refuse(name, 'a non-empty string', item);
  });
}

/** @param {string} option @param {unknown} value */
function tags(option, value) {
  if (value === undefined || value === null) return undefined;
  checkData(option, 'an object of strings, numbers, booleans or null', value);
  /** @type {Record<string, unknown>} */
  const read = {};
  for (const [name, tag] of Object.entries(value)) {
    const fits =
      tag === null || tag === undefined || typeof tag === 'string' || typeof tag === 'boolean' || Number.isFinite(tag);
    if (!fits) refuse(`${option}.${name}`, 'a string, a finite number, a boolean or null', tag);
    read[wellFormed(name)] = typeof tag === 'string' ? wellFormed(tag) : tag;
  }
  return read;
}

/** Text that was cut in the middle of a surrogate pair, as the core cannot read it. @param {string} text */
function wellFormed(text) {
  return /** @type {any} */ (text).toWellFormed();
}

/** @param {string} option @param {unknown} value */
function triggers(option, value) {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) refuse(option, 'an array of kinds of failure or status codes', value);
  value.forEach((item, index) => {
    const fits = KINDS.includes(item) || (Number.isInteger(item) && item >= 100 && item <= 599);
    if (!fits) refuse(`${option}[${index}]`, `a status code or one of ${KINDS.join(', ')}`, item);
  });
  return value;
}

/**
 * Members of a fallback's `params` or `omit` that are not its to change: the model is the target's own, and what a call
 * returns was decided when it was made.
 * @param {string} option @param {string[]} members
 */
function refuseFixed(option, members) {
  const fixed = members.find((name) => name === 'model' || name === 'stream' || name === 'openpipe');
  if (fixed !== undefined)
    throw new TypeError(`\`${option}\` cannot change \`${fixed}\`, which holds for every target alike`);
}

/** @param {string} option @param {unknown} value */
function params(option, value) {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) refuse(option, 'an object', value);
  const written = asWritten(value);
  checkData(option, 'an object', written);
  refuseFixed(option, Object.keys(written));
  return written;
}

/**
 * What `JSON.stringify` writes of an object: a class of the user's own may have a `toJSON` that says so. It is asked once, as
 * there, and so before anything is looked at or taken out.
 * @param {Record<string, any>} value @returns {unknown}
 */
function asWritten(value) {
  if (typeof value.toJSON !== 'function') return value;
  const written = value.toJSON('');
  if (!isObject(written) || typeof written.toJSON !== 'function') return written;
  const { toJSON, ...members } = written;
  return members;
}

/**
 * Any object that can be called like the SDK's client; by its shape, because every package has its own copy of the class.
 * @param {string} option @param {unknown} value @returns {ForeignClient}
 */
function foreignClient(option, value) {
  const completions = /** @type {any} */ (value)?.chat?.completions;
  if (typeof completions?.create !== 'function') {
    refuse(option, 'an object with a function chat.completions.create(body, options)', value);
  }
  return /** @type {ForeignClient} */ (value);
}

const BREAKER_MEMBERS = ['failures', 'failureRate', 'window', 'openFor', 'credentialOpenFor'];

/** @param {string} option @param {unknown} value @param {Reading} reading */
function breaker(option, value, reading) {
  if (value === undefined) return undefined;
  if (value === null || typeof value === 'boolean') return value ?? false;
  if (!isObject(value)) refuse(option, 'true, false or an object', value);
  warnOfUnknown(option, value, BREAKER_MEMBERS, reading);
  const { failures, failureRate: rate } = value;
  if (failures !== undefined && (!Number.isInteger(failures) || failures < 1 || failures > 0xffff_ffff)) {
    refuse(`${option}.failures`, 'a whole number from 1', failures);
  }
  if (rate !== undefined && !(typeof rate === 'number' && rate > 0 && rate <= 1)) {
    refuse(`${option}.failureRate`, 'a number above 0 and up to 1', rate);
  }
  const time = (/** @type {string} */ name) => {
    const given = value[name];
    if (given !== undefined && !(typeof given === 'number' && given > 0 && given <= MAX_BREAKER_TIME)) {
      refuse(`${option}.${name}`, 'a positive number of milliseconds, up to a day', given);
    }
    return given;
  };
  return {
    failures,
    failureRate: rate,
    window: time('window'),
    openFor: time('openFor'),
    credentialOpenFor: time('credentialOpenFor'),
  };
}

/** A circuit that stays open for ever, or never forgets, would be no breaker; in milliseconds. */
const MAX_BREAKER_TIME = 24 * 60 * 60 * 1000;

const TARGET_MEMBERS = ['model', 'timeout', 'client', 'params', 'omit', 'on', 'except'];

/** @param {string} option @param {unknown} value @param {Reading} reading */
function target(option, value, reading) {
  if (!isObject(value)) refuse(option, 'an object with a model', value);
  warnOfUnknown(option, value, TARGET_MEMBERS, reading);
  const omit = names(`${option}.omit`, value.omit);
  if (omit) refuseFixed(`${option}.omit`, omit);
  let client;
  let clientIdentity;
  if (value.client !== undefined && value.client !== null) {
    client = reading.clients.push(foreignClient(`${option}.client`, value.client)) - 1;
    clientIdentity = identityOf(value.client);
  }
  return {
    model: text(`${option}.model`, value.model) ?? refuse(`${option}.model`, 'a non-empty string', value.model),
    timeout: milliseconds(`${option}.timeout`, value.timeout),
    client,
    clientIdentity,
    params: params(`${option}.params`, value.params),
    omit,
    on: triggers(`${option}.on`, value.on),
    except: triggers(`${option}.except`, value.except),
  };
}

/** @param {unknown} value @param {Reading} reading */
function fallbacks(value, reading) {
  if (value === undefined) return undefined;
  if (value === null || value === false) return [];
  if (Array.isArray(value)) return value.map((item, index) => target(`openpipe.fallback[${index}]`, item, reading));
  return [target('openpipe.fallback', value, reading)];
}

const CALL_MEMBERS = [
  'fallback', 'tags', 'logRequest', 'cache', 'criteria', 'firstTokenTimeout', 'idleTimeout', 'deadline', 'holdUntil',
  'maxResponseBytes', 'breaker', 'onFallback',
]; // prettier-ignore
const CLIENT_MEMBERS = ['apiKey', 'baseUrl', 'fallbackClient', 'transport', 'reports', ...CALL_MEMBERS];

const SINK_MEMBERS = ['openpipe', 'file', 'redact'];

/**
 * Where reports go; `undefined` where nothing was said.
 * @param {unknown} value @param {Reading} reading
 */
function sinks(value, reading) {
  if (value === undefined || value === null) return undefined;
  if (value === false) return [];
  if (Array.isArray(value)) return value.map((item, index) => sink(`openpipe.reports[${index}]`, item, reading));
  return [sink('openpipe.reports', value, reading)];
}

/**
 * @param {string} option @param {any} value @param {Reading} reading
 * @returns {{ file?: string, redact?: (report: any) => unknown }}
 */
function sink(option, value, reading) {
  if (value === 'openpipe') return {};
  if (!isObject(value)) refuse(option, '"openpipe", { openpipe: true }, { file } or false', value);
  warnOfUnknown(option, value, SINK_MEMBERS, reading);
  const { openpipe, file, redact } = value;
  if (redact !== undefined && redact !== null && typeof redact !== 'function')
    refuse(`${option}.redact`, 'a function', redact);
  if ((openpipe === true) === (file !== undefined && file !== null))
    throw new TypeError(`\`${option}\` must have either \`openpipe: true\` or a \`file\``);
  return { file: openpipe === true ? undefined : reportFile(`${option}.file`, file), redact: redact ?? undefined };
}

/** The absolute path of a file, whose folder must exist. @param {string} option @param {unknown} value */
function reportFile(option, value) {
  const path = resolve(text(option, value) ?? refuse(option, 'a path', value));
  if (path.includes('\0')) refuse(option, 'a path', value);
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory())
    throw new TypeError(`\`${option}\` must be in a folder that exists`);
  return path;
}

/**
 * The members of `openpipe` that a call and the constructor have in common.
 * @param {Record<string, any>} value @param {Reading} reading
 */
function callMembers(value, reading) {
  return {
    fallback: fallbacks(value.fallback, reading),
    tags: tags('openpipe.tags', value.tags),
    logRequest: flag('openpipe.logRequest', value.logRequest),
    cache: oneOf('openpipe.cache', value.cache, ['readWrite', 'readOnly', 'writeOnly']),
    criteria: names('openpipe.criteria', value.criteria),
    firstTokenTimeout: milliseconds('openpipe.firstTokenTimeout', value.firstTokenTimeout),
    idleTimeout: milliseconds('openpipe.idleTimeout', value.idleTimeout),
    deadline: milliseconds('openpipe.deadline', value.deadline),
    holdUntil: oneOf('openpipe.holdUntil', value.holdUntil, ['content', 'finish']),
    maxResponseBytes: bytes('openpipe.maxResponseBytes', value.maxResponseBytes),
    breaker: breaker('openpipe.breaker', value.breaker, reading),
  };
}

/** @param {unknown} value @returns {((event: any) => void) | undefined} */
function callback(value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'function') refuse('openpipe.onFallback', 'a function', value);
  return /** @type {(event: any) => void} */ (value);
}

/**
 * @param {string} option @param {Record<string, any>} value @param {string[]} known @param {Reading} reading
 */
function warnOfUnknown(option, value, known, reading) {
  for (const name of Object.keys(value)) {
    if (known.includes(name) || (name === 'baseURL' && known.includes('baseUrl'))) continue;
    const nearest = reading.nearestName(name, known);
    reading.warn(
      `\`${option}.${name}\` is not known${nearest ? `; did you mean \`${nearest}\`?` : ' and does nothing'}`,
    );
  }
}

/** What is an object, and cannot have a member that is known here. */
const NO_OPTIONS = ['Map', 'Set', 'WeakMap', 'WeakSet', 'Promise', 'Date', 'RegExp', 'URLSearchParams', 'Headers'];

/** @param {unknown} value @returns {asserts value is Record<string, any>} */
function checkOpenpipe(value) {
  // A string in its place may be a key, and is not repeated.
  if (typeof value === 'string') throw new TypeError('`openpipe` must be an object, got a string');
  if (!isObject(value)) refuse('openpipe', 'an object', value);
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (NO_OPTIONS.includes(kind)) throw new TypeError(`\`openpipe\` must be an object, got a ${kind}`);
}

/**
 * A call's `openpipe`: what stands in the request options wins over what stands in the body, member by member.
 * @param {unknown} inBody @param {Reading} reading @param {unknown} [inOptions]
 */
function readCallOptions(inBody, reading, inOptions) {
  const given = [inBody, inOptions].filter((value) => value !== undefined && value !== null);
  if (given.length === 0) return undefined;
  given.forEach(checkOpenpipe);
  const value = given.length === 1 ? /** @type {any} */ (given[0]) : Object.assign({}, ...given);
  warnOfUnknown('openpipe', value, CALL_MEMBERS, reading);
  return { options: callMembers(value, reading), onFallback: callback(value.onFallback) };
}

/**
 * The constructor's `openpipe`.
 * @param {unknown} value @param {Reading} reading
 */
function readClientOptions(value, reading) {
  // An instance of `OpenPipe` stands for what it was made with.
  const given = configOf(value) ?? value ?? {};
  checkOpenpipe(given);
  warnOfUnknown('openpipe', given, CLIENT_MEMBERS, reading);
  let fallbackClient;
  if (given.fallbackClient !== undefined && given.fallbackClient !== null) {
    fallbackClient = reading.clients.push(foreignClient('openpipe.fallbackClient', given.fallbackClient)) - 1;
  }
  const apiKey = given.apiKey ?? undefined;
  if (apiKey !== undefined && typeof apiKey !== 'string') {
    throw new TypeError(
      `\`openpipe.apiKey\` must be a string, got ${typeof apiKey === 'object' ? 'an object' : `a ${typeof apiKey}`}`,
    );
  }
  return {
    apiKey: apiKey?.trim() || undefined,
    baseUrl: text('openpipe.baseUrl', given.baseUrl ?? given.baseURL),
    fallbackClient,
    reports: sinks(given.reports, reading),
    transport: oneOf('openpipe.transport', given.transport, ['native', 'fetch']),
    defaults: callMembers(given, reading),
    onFallback: callback(given.onFallback),
  };
}

/**
 * `options.headers` as pairs, in the order and with the meaning of the SDK's own `buildHeaders`: `null` removes a header,
 * `undefined` says nothing.
 * @param {unknown} headers
 * @returns {[string, string | null][] | undefined}
 */
function readHeaders(headers) {
  if (headers === undefined || headers === null) return undefined;
  if (typeof headers !== 'object') refuse('options.headers', 'an object, an array of pairs or a Headers', headers);
  const own = /** @type {any} */ (headers);
  // The SDK's own form of headers that may remove some: `{ values: Headers, nulls: Set }`.
  if (own.values instanceof Headers && own.nulls instanceof Set) {
    return [...own.values.entries(), ...[...own.nulls].map((name) => /** @type {[string, null]} */ ([name, null]))];
  }
  const isList = typeof own[Symbol.iterator] === 'function';
  const rows = isList ? [...own] : Object.entries(own);
  /** @type {[string, string | null][]} */
  let list = [];
  for (const row of rows) {
    const name = row?.[0];
    if (typeof name !== 'string') refuse('options.headers', 'made of names that are strings', name);
    const values = (Array.isArray(row[1]) ? row[1] : [row[1]]).filter((value) => value !== undefined);
    // Of an object a later name takes the place of an earlier one of any case; pairs and a `Headers` append.
    if (!isList && values.length > 0) list = list.filter(([earlier]) => !isSameName(earlier, name));
    for (const value of values) list.push([name, value === null ? null : String(value)]);
  }
  return list.length > 0 ? list : undefined;
}

/** Names of headers have no case. @param {string} one @param {string} other */
function isSameName(one, other) {
  return one.length === other.length && one.toLowerCase() === other.toLowerCase();
}

/** The second argument of `create`. @param {unknown} options */
function checkOptions(options) {
  if (!isObject(options)) refuse('options', 'an object', options);
}

/** @param {unknown} signal @returns {AbortSignal | undefined} */
function readSignal(signal) {
  if (signal === undefined || signal === null) return undefined;
  if (typeof (/** @type {any} */ (signal).addEventListener) !== 'function')
    refuse('options.signal', 'an AbortSignal', signal);
  return /** @type {AbortSignal} */ (signal);
}

/**
 * The request as JSON text, as it is now: what the caller changes in it later changes nothing.
 * @param {unknown} body
 * @returns {{ text: string, openpipe: unknown }}
 */
function readBody(body) {
  if (!isObject(body)) throw new TypeError(`the body of a chat completion must be an object, got ${shown(body)}`);
  if (typeof body.model !== 'string' || body.model === '') refuse('model', 'a non-empty string', body.model);
  try {
    let openpipe;
    let request = asWritten(body);
    if (isObject(request) && 'openpipe' in request) ({ openpipe, ...request } = request);
    openpipe ??= body.openpipe;
    return { text: JSON.stringify(request) ?? 'null', openpipe };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TypeError(`the body of a chat completion must be JSON: ${reason}`, { cause: error });
  }
}

module.exports = {
  CLIENT_MEMBERS,
  checkOptions,
  isObject,
  milliseconds,
  retries,
  readBody,
  readCallOptions,
  readClientOptions,
  readHeaders,
  readSignal,
};
