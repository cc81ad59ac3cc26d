'use strict';
/**
 * The arguments of the constructor and of `create`, written as the JSON that the core reads and checks
 * (crates/core/src/options). Here is only what needs JavaScript: functions, clients and signals stay on this side and cross as
 * marks beside the JSON, as does whatever JSON cannot hold.
 */

const { statSync } = require('node:fs');
const { dirname, resolve } = require('node:path');

const { identityOf } = require('../host-client/host-client.js');
const native = require('../native/native.js');
const { readEnv } = require('../native/environment.js');
const { configOf } = require('../openpipe-client/openpipe-client.js');

/** @typedef {import('./state.js').ForeignClient} ForeignClient */
/** @typedef {import('../call/judge.js').Judge} Judge */

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
 * An `openpipe` object as it crosses: its JSON, and what stands in it that JSON cannot hold, by path. Nothing in a JSON text can
 * be taken for a mark, as those do not stand in it.
 * @typedef {object} Written
 * @property {string} text
 * @property {Record<string, string>} odd What stands there, in words: "NaN", "a function".
 * @property {Record<string, { number: number, identity: string | undefined, endpoints: string[] }>} clients
 * @property {Record<string, Function>} functions
 * @property {Record<string, number>} judges The numbers of the functions that stand in `reject`.
 */

/** Options are nested no deeper; what is, is no option. */
const MAX_DEPTH = 8;

/** The methods by which a custom client is known. @type {[string, (client: any) => unknown][]} */
const METHODS = [
  ['chat', (client) => client.chat?.completions?.create],
  ['responses', (client) => client.responses?.create],
  ['embeddings', (client) => client.embeddings?.create],
  ['completions', (client) => client.completions?.create],
];

/** Writes one `openpipe` object. Its cost is linear in what it holds. */
class Writer {
  /**
   * @param {ForeignClient[]} clients The clients known so far; a target's is added.
   * @param {Judge[]} judges The functions of `reject` known so far.
   */
  constructor(clients, judges) {
    this.all = clients;
    this.allJudges = judges;
    /** @type {Written['judges']} */
    this.judges = record();
    /** @type {Written['odd']} */
    this.odd = record();
    /** @type {Written['clients']} */
    this.clients = record();
    /** @type {Written['functions']} */
    this.functions = record();
  }

  /** @param {unknown} value @returns {Written} */
  write(value) {
    const text = this.#openpipe(value) ?? 'null';
    const { odd, clients, functions, judges } = this;
    return { text, odd, clients, functions, judges };
  }

  /** @param {any} value */
  #openpipe(value) {
    if (isObject(value)) {
      const kind = kindOf(value);
      if (NO_OPTIONS.includes(kind) || (Object.keys(value).length === 0 && hasAccessors(value))) {
        this.odd.openpipe = NO_OPTIONS.includes(kind) ? `a ${kind}` : 'an object without members of its own';
        return undefined;
      }
    }
    return this.#value(value, 'openpipe', '', 0);
  }

  /** The JSON of a value; `undefined` where it has none. @param {any} value @param {string} path @param {string} name @param {number} depth @returns {string | undefined} */
  #value(value, path, name, depth) {
    switch (typeof value) {
      case 'undefined':
        return undefined;
      case 'string':
        // Text that was cut in the middle of a surrogate pair, as the core cannot read it.
        return JSON.stringify(/** @type {any} */ (value).toWellFormed());
      case 'boolean':
        return String(value);
      case 'number':
        if (Number.isFinite(value)) return String(value);
        break;
      case 'object':
        if (value === null) return 'null';
        if (name === 'client' || name === 'fallbackClient') return this.#client(value, path);
        if (name === 'params') return this.#params(value, path);
        if (depth >= MAX_DEPTH) return '{}';
        return Array.isArray(value) ? this.#array(value, path, name, depth) : this.#object(value, path, depth);
      case 'function':
        if (name === 'client' || name === 'fallbackClient') return this.#client(value, path);
        this.functions[path] = value;
        if (name === 'reject') this.judges[path] = this.allJudges.push(value) - 1;
        break;
    }
    this.odd[path] = shown(value);
    return undefined;
  }

  /** @param {any[]} value @param {string} path @param {string} name @param {number} depth */
  #array(value, path, name, depth) {
    const items = [];
    for (let index = 0; index < value.length; index += 1) {
      const here = `${path}[${index}]`;
      const text = this.#value(value[index], here, name === 'reject' ? name : '', depth + 1);
      if (text === undefined && value[index] === undefined) this.odd[here] = 'undefined';
      items.push(text ?? 'null');
    }
    return `[${items.join(',')}]`;
  }

  /** @param {any} value @param {string} path @param {number} depth */
  #object(value, path, depth) {
    const names = Object.keys(value);
    if (names.length === 0) {
      const kind = kindOf(value);
      if (kind !== 'Object' || hasAccessors(value)) {
        this.odd[path] = `${kind === 'Object' ? 'an object' : `a ${kind}`} without members of its own`;
        return undefined;
      }
    }
    const members = [];
    for (const name of names) {
      const text = this.#value(value[name], `${path}.${name}`, name, depth + 1);
      if (text !== undefined) members.push(`${JSON.stringify(/** @type {any} */ (name).toWellFormed())}:${text}`);
    }
    return `{${members.join(',')}}`;
  }

  /** Members of a request, as `JSON.stringify` writes them. @param {any} value @param {string} path */
  #params(value, path) {
    const written = Array.isArray(value) ? value : asWritten(value);
    if (typeof written !== 'object' || written === null || Array.isArray(written)) {
      this.odd[path] = shown(written);
      return undefined;
    }
    if (Object.keys(written).length === 0) return this.#object(written, path, 0);
    return JSON.stringify(written);
  }

  /**
   * Any object that can be called like the SDK's client; by its shape, because every package has its own copy of the class.
   * @param {any} value @param {string} path
   */
  #client(value, path) {
    const endpoints = METHODS.filter(([, method]) => typeof method(value) === 'function').map(([name]) => name);
    if (endpoints.length === 0) this.odd[path] = shown(value);
    else this.clients[path] = { number: this.all.push(value) - 1, identity: identityOf(value), endpoints };
    return undefined;
  }
}

/** An object in which every name is a plain member, `__proto__` too. @returns {any} */
function record() {
  return Object.create(null);
}

/** @param {object} value */
function kindOf(value) {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

/** What is an object, and cannot have a member that is known here. */
const NO_OPTIONS = ['Map', 'Set', 'WeakMap', 'WeakSet', 'Promise', 'Date', 'RegExp', 'URLSearchParams', 'Headers'];

/** @param {unknown} value @returns {((event: any) => void) | undefined} */
function callback(value) {
  return typeof value === 'function' ? /** @type {(event: any) => void} */ (value) : undefined;
}

/**
 * What `openpipe` of a call says, in the request options and in the body: `undefined` where neither says anything.
 * @param {unknown} trusted @param {unknown} body
 * @param {{ clients: ForeignClient[], judges: Judge[], allowed: ClientOptions['allowed'], warn: (message: string) => void }} reading
 */
function readCallOptions(trusted, body, { clients, judges, allowed, warn }) {
  const hasTrusted = trusted !== undefined && trusted !== null;
  const given = body === undefined || body === null ? undefined : fromBody(body, allowed, warn);
  if (!hasTrusted && given === undefined) return undefined;
  const own = hasTrusted ? new Writer(clients, judges).write(trusted) : undefined;
  const brought = given === undefined ? undefined : new Writer(clients, []).write(given);
  return {
    /** Members of the JSON that the core reads. */
    text: [...members('', own), ...judgeMember(own), ...members('body_', brought)],
    onFallback: callback(own?.functions['openpipe.onFallback']) ?? callback(brought?.functions['openpipe.onFallback']),
  };
}

/** A body's functions judge nothing. @param {Written | undefined} written */
function judgeMember(written) {
  return written && Object.keys(written.judges).length > 0 ? [`"functions":${JSON.stringify(written.judges)}`] : [];
}

/** @param {string} prefix @param {Written | undefined} written */
function members(prefix, written) {
  if (!written) return [];
  const { text, odd, clients } = written;
  const named = (/** @type {string} */ name) =>
    prefix ? `"body${name[0]?.toUpperCase()}${name.slice(1)}"` : `"${name}"`;
  const all = [`${named('openpipe')}:${text}`];
  if (Object.keys(odd).length > 0) all.push(`${named('odd')}:${JSON.stringify(odd)}`);
  if (Object.keys(clients).length > 0) all.push(`${named('clients')}:${JSON.stringify(clients)}`);
  return all;
}

/**
 * Of a body's `openpipe`, which may come from a user, what the constructor allows. The rest is not even read.
 * @param {any} value @param {ClientOptions['allowed']} allowed @param {(message: string) => void} warn
 */
function fromBody(value, allowed, warn) {
  if (allowed === true) return value;
  if (typeof value !== 'object') return undefined;
  const names = Object.keys(value);
  const kept = record();
  for (const name of allowed) if (Object.hasOwn(value, name)) kept[name] = value[name];
  if (names.some((name) => !allowed.includes(name))) {
    warn('a body brought `openpipe` options that `openpipe.allowInBody` does not allow: they are ignored');
  }
  return Object.keys(kept).length > 0 ? kept : undefined;
}

const SINK_MEMBERS = ['openpipe', 'file', 'redact'];

/**
 * Where reports go; `undefined` where nothing was said.
 * @param {unknown} value @param {{ warn: (message: string) => void }} reading
 */
function sinks(value, reading) {
  if (value === undefined || value === null) return undefined;
  if (value === false) return [];
  if (Array.isArray(value)) return value.map((item, index) => sink(`openpipe.reports[${index}]`, item, reading));
  return [sink('openpipe.reports', value, reading)];
}

/**
 * @param {string} option @param {any} value @param {{ warn: (message: string) => void }} reading
 * @returns {{ file?: string, redact?: (report: any) => unknown }}
 */
function sink(option, value, reading) {
  if (value === 'openpipe') return {};
  if (!isObject(value)) refuse(option, '"openpipe", { openpipe: true }, { file } or false', value);
  for (const name of Object.keys(value)) {
    if (!SINK_MEMBERS.includes(name))
      reading.warn(`\`${option}.${JSON.stringify(name.slice(0, 64))}\` is not known and does nothing`);
  }
  const { openpipe, file, redact } = value;
  if (redact !== undefined && redact !== null && typeof redact !== 'function')
    refuse(`${option}.redact`, 'a function', redact);
  if ((openpipe === true) === (file !== undefined && file !== null))
    throw new TypeError(`\`${option}\` must have either \`openpipe: true\` or a \`file\``);
  return { file: openpipe === true ? undefined : reportFile(`${option}.file`, file), redact: redact ?? undefined };
}

/** The absolute path of a file, whose folder must exist. @param {string} option @param {unknown} value */
function reportFile(option, value) {
  const path = resolve(typeof value === 'string' && value !== '' ? value : refuse(option, 'a non-empty string', value));
  if (path.includes('\0')) refuse(option, 'a path', value);
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory())
    throw new TypeError(`\`${option}\` must be in a folder that exists`);
  return path;
}

/**
 * The constructor's `openpipe`, checked by the core.
 * @param {unknown} value
 * @param {{ clients: ForeignClient[], warn: (message: string) => void }} reading
 */
function readClientOptions(value, { clients, warn }) {
  // An instance of `OpenPipe` stands for what it was made with.
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
  return {
    /** As the core reads it: it holds keys. */
    written,
    apiKey: typeof apiKey === 'string' ? apiKey.trim() || undefined : undefined,
    baseUrl: own('baseUrl') ?? own('baseURL') ?? undefined,
    transport: own('transport') ?? undefined,
    reports: sinks(own('reports'), { warn }),
    cached: isObject(given) && Boolean(own('cache')),
    /** @type {true | string[]} */
    allowed: read.allowsAll ? true : read.allowedInBody,
    /** @type {{ name: string, baseUrl: string, query: [string, string][], headers: [string, string][], asked: boolean }[]} */
    upstreams: read.upstreams,
    hasFallback: Boolean(read.hasFallback),
    functions,
    /** The functions of `reject`, as `written` numbers them. */
    judges,
    onFallback: callback(functions['openpipe.onFallback']),
  };
}

/** @typedef {ReturnType<typeof readClientOptions>} ClientOptions */

/**
 * The header with the key of a declared upstream, which a function gives.
 * @param {ClientOptions} options @param {string} upstream @returns {Promise<[string, string][]>}
 */
async function keyHeaders(options, upstream) {
  const path = `openpipe.upstreams.${upstream}.apiKey`;
  const key = await options.functions[path]?.();
  if (typeof key !== 'string' || key.trim() === '') throw new TypeError(`\`${path}\` gave no key`);
  // No control character, none beyond Latin-1.
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(key.trim()))
    throw new TypeError(`\`${path}\` gave a key that an HTTP header cannot carry`);
  return [['authorization', `Bearer ${key.trim()}`]];
}

/** Whether the client's default headers set or remove this one. @param {any} client @param {string} name In lower case. */
function hasDefaultHeader(client, name) {
  const headers = client._options.defaultHeaders;
  if (typeof headers !== 'object' || headers === null) return false;
  if (headers.values instanceof Headers && headers.nulls instanceof Set)
    return headers.values.has(name) || headers.nulls.has(name);
  // A getter gives a value to whoever sends it, so only the names are read.
  const names =
    typeof headers[Symbol.iterator] === 'function' ? [...headers].map(([own]) => own) : Object.keys(headers);
  return names.some((own) => String(own).toLowerCase() === name);
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
 * @param {unknown} body @param {import('./take-over.js').Endpoint} endpoint
 * @returns {{ text: string, openpipe: unknown }}
 */
function readBody(body, { result }) {
  if (!isObject(body)) throw new TypeError(`the body of ${result} must be an object, got ${shown(body)}`);
  const { model, prompt } = body;
  // A stored prompt may name the model.
  const isNamedElsewhere = model === undefined && prompt !== undefined && prompt !== null;
  if (!isNamedElsewhere && (typeof model !== 'string' || model === '')) refuse('model', 'a non-empty string', model);
  try {
    let openpipe;
    let request = asWritten(body);
    // Only an own member counts: what is inherited, nobody wrote.
    if (isObject(request) && Object.hasOwn(request, 'openpipe')) ({ openpipe, ...request } = request);
    if (openpipe === undefined && Object.hasOwn(body, 'openpipe')) openpipe = body.openpipe;
    return { text: JSON.stringify(request) ?? 'null', openpipe };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TypeError(`the body of ${result} must be JSON: ${reason}`, { cause: error });
  }
}

module.exports = {
  checkOptions,
  isObject,
  keyHeaders,
  milliseconds,
  retries,
  readBody,
  readCallOptions,
  readClientOptions,
  hasDefaultHeader,
  readHeaders,
  readSignal,
};
