'use strict';
/**
 * Writes an `openpipe` object as the JSON that the core reads and checks (crates/core/src/options). Functions and clients stay in
 * JavaScript: beside the JSON, the core gets their paths and numbers, and descriptions of other values that JSON cannot hold.
 */

const { identityOf } = require('../host-client/identity.js');
const { read, wellFormed } = require('../host-client/untrusted.js');
const { isObject, shown } = require('./checks.js');
const { ENDPOINTS } = require('./endpoints.js');

/** @typedef {{ chat: { completions: { create(body: any, options?: any): any } } }} CustomClient */
/** @typedef {import('../call/judge.js').Judge} Judge */

/**
 * An `openpipe` object as it crosses the boundary: its JSON, and beside it the values that JSON cannot hold, by path. They are not
 * encoded in the JSON, where a caller's text could imitate them.
 * @typedef {object} Written
 * @property {string} text
 * @property {Record<string, string>} odd What error messages call such a value, by path: "NaN", "a function".
 * @property {Record<string, { number: number, identity: string | undefined, endpoints: string[] }>} clients
 * @property {Record<string, Function>} functions
 * @property {Record<string, number>} judges The numbers of the functions in `reject`, by path.
 */

/** The deepest level of options that is written; an object below it is written as an empty one. */
const MAX_DEPTH = 8;

/** Writes one `openpipe` object, in linear time. */
class Writer {
  /**
   * @param {CustomClient[]} clients The clients so far; each that is found is added.
   * @param {Judge[]} judges The functions of `reject` so far; each that is found is added.
   */
  constructor(clients, judges) {
    this.all = clients;
    this.allJudges = judges;
    // The keys are paths, which begin with `openpipe`: none is a member of `Object.prototype`.
    /** @type {Written['judges']} */
    this.judges = {};
    /** @type {Written['odd']} */
    this.odd = {};
    /** @type {Written['clients']} */
    this.clients = {};
    /** @type {Written['functions']} */
    this.functions = {};
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
        // A lone surrogate, as of a text cut in the middle of a pair, cannot be encoded as UTF-8.
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
    // In these tables the names are the caller's, and an upstream may be named `client`. An upstream has no option `client` itself.
    const isTable = path === 'openpipe.upstreams' || path === 'openpipe.aliases';
    const hasNoClient = path.startsWith('openpipe.upstreams.');
    let members = '';
    for (const name of names) {
      const isClient = hasNoClient && (name === 'client' || name === 'fallbackClient');
      const text = isClient ? 'null' : this.#value(value[name], `${path}.${name}`, isTable ? '' : name, depth + 1);
      if (text === undefined) continue;
      members += `${members === '' ? '' : ','}${JSON.stringify(wellFormed(name))}:${text}`;
    }
    return `{${members}}`;
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
   * Any object with the methods of the SDK's client. It need not be an instance of this package's copy of the SDK's class.
   * @param {any} value @param {string} path
   */
  #client(value, path) {
    // A getter may throw, as that of an endpoint that a client does not have.
    const method = (/** @type {import('./endpoints.js').Endpoint} */ { resource }) =>
      read(() => resource(value)?.create);
    const serves = ENDPOINTS.filter((endpoint) => typeof method(endpoint) === 'function');
    const endpoints = serves.map(({ name }) => name);
    if (endpoints.length === 0) this.odd[path] = shown(value);
    else this.clients[path] = { number: this.all.push(value) - 1, identity: identityOf(value), endpoints };
    return undefined;
  }
}

/** An object without prototype, in which `__proto__` is a member like any other. @returns {any} */
function record() {
  return Object.create(null);
}

/** @param {object} value */
function kindOf(value) {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

/** Built-in classes whose instances are never options. */
const NO_OPTIONS = ['Map', 'Set', 'WeakMap', 'WeakSet', 'Promise', 'Date', 'RegExp', 'URLSearchParams', 'Headers'];

/** Whether an object inherits an accessor from a class; `Object.prototype`, also of another realm, does not count. @param {object} value */
function hasAccessors(value) {
  let prototype = Object.getPrototypeOf(value);
  while (prototype && Object.getPrototypeOf(prototype)) {
    if (Object.values(Object.getOwnPropertyDescriptors(prototype)).some(({ get }) => get)) return true;
    prototype = Object.getPrototypeOf(prototype);
  }
  return false;
}

/**
 * The value that `JSON.stringify` would write for an object: the result of its `toJSON`, if it has one. That is called exactly once, as by
 * `JSON.stringify`, so the result must be used for everything.
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
