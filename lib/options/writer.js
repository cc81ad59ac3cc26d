'use strict';
/**
 * Writes an `openpipe` object as the JSON that the core reads and checks (crates/core/src/options). Functions and clients stay on
 * this side and cross as marks beside the JSON, as does whatever JSON cannot hold.
 */

const { identityOf } = require('../host-client/identity.js');
const { read, wellFormed } = require('../host-client/untrusted.js');
const { isObject, shown } = require('./checks.js');

/** @typedef {{ chat: { completions: { create(body: any, options?: any): any } } }} CustomClient */
/** @typedef {import('../call/judge.js').Judge} Judge */

/**
 * An `openpipe` object as it crosses: its JSON, and beside it the values that JSON cannot hold, by path. No text in the JSON can
 * be mistaken for such a value.
 * @typedef {object} Written
 * @property {string} text
 * @property {Record<string, string>} odd Their descriptions for error texts: "NaN", "a function".
 * @property {Record<string, { number: number, identity: string | undefined, endpoints: string[] }>} clients
 * @property {Record<string, Function>} functions
 * @property {Record<string, number>} judges The numbers of the functions that stand in `reject`.
 */

/** The deepest nesting of options; a value below it is written as an empty object. */
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
   * @param {CustomClient[]} clients The clients known so far; a target's is added.
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
        return JSON.stringify(wellFormed(value));
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
    // The names in the tables are the caller's: an upstream may be named as an option is. An upstream itself has no client.
    const isTable = path === 'openpipe.upstreams' || path === 'openpipe.aliases';
    const hasNoClient = path.startsWith('openpipe.upstreams.');
    const members = [];
    for (const name of names) {
      const isClient = hasNoClient && (name === 'client' || name === 'fallbackClient');
      const text = isClient ? 'null' : this.#value(value[name], `${path}.${name}`, isTable ? '' : name, depth + 1);
      if (text !== undefined) members.push(`${JSON.stringify(wellFormed(name))}:${text}`);
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
    try {
      return JSON.stringify(written);
    } catch (/** @type {any} */ error) {
      // Circular, or with a BigInt in it.
      const [why] = read(() => String(error.message).split('\n')) ?? [];
      this.odd[path] = `an object that JSON cannot hold (${why})`;
      return undefined;
    }
  }

  /**
   * Any object that can be called like the SDK's client; by its shape, because every package has its own copy of the class.
   * @param {any} value @param {string} path
   */
  #client(value, path) {
    // A getter may throw, as that of an endpoint that a client does not have.
    const has = (/** @type {(client: any) => unknown} */ method) => typeof read(() => method(value)) === 'function';
    const endpoints = METHODS.filter(([, method]) => has(method)).map(([name]) => name);
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

/** Kinds of objects that are never options. */
const NO_OPTIONS = ['Map', 'Set', 'WeakMap', 'WeakSet', 'Promise', 'Date', 'RegExp', 'URLSearchParams', 'Headers'];

/** Whether a class of the object's has an accessor; every realm's `Object.prototype` has one. @param {object} value */
function hasAccessors(value) {
  let prototype = Object.getPrototypeOf(value);
  while (prototype && Object.getPrototypeOf(prototype)) {
    if (Object.values(Object.getOwnPropertyDescriptors(prototype)).some(({ get }) => get)) return true;
    prototype = Object.getPrototypeOf(prototype);
  }
  return false;
}

/**
 * The value that `JSON.stringify` writes for an object, which may have a `toJSON` of its own. That is called once, as
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

/** @param {unknown} value @returns {((event: any) => void) | undefined} */
function callback(value) {
  return typeof value === 'function' ? /** @type {(event: any) => void} */ (value) : undefined;
}

module.exports = { Writer, asWritten, callback, record };
