'use strict';
/** What a custom client or a `fetch` threw, as the core classifies it. */

const { read, textOf } = require('./untrusted.js');

/** An error's chain of causes and of classes is followed so far. */
const MAX_DEPTH = 8;
/** The headers of an error that say when to try again. */
const RETRY_HEADERS = ['retry-after', 'retry-after-ms', 'x-should-retry', 'x-request-id'];

/** What functions threw that were to give a key. @type {WeakSet<object>} */
const ofKeys = new WeakSet();

/**
 * Marks an error as that of a key function, after which no request was sent.
 * @param {unknown} thrown @returns {unknown} The same; where it is a primitive, an error with it as its cause.
 */
function keyless(thrown) {
  const isObject = (typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function';
  const error = isObject
    ? thrown
    : new TypeError(`the function that gives the key threw ${String(thrown)}`, { cause: thrown });
  ofKeys.add(/** @type {object} */ (error));
  return error;
}

/**
 * The marks by which the core classifies what a client threw. Whatever was thrown, reading it must not throw in turn.
 * @param {unknown} thrown
 */
function describe(thrown) {
  /** @type {{ status?: number, body?: string, codes: unknown[], names: unknown[], headers: [string, string][] }} */
  const marks = { codes: [], names: [], headers: [] };
  let link = /** @type {any} */ (thrown);
  for (let depth = 0; depth < MAX_DEPTH && typeof link === 'object' && link !== null; depth += 1) {
    const error = link;
    read(() => {
      if (marks.status === undefined && Number.isInteger(error.status) && error.status >= 100 && error.status < 1000) {
        marks.status = error.status;
        marks.headers = retryHeaders(error);
      }
    });
    // As the API sent it, for the report.
    read(() => {
      const body = error.error?.error ?? error.error;
      if (marks.body === undefined && typeof body === 'object' && body !== null) {
        marks.body = textOf(JSON.stringify({ error: body }));
      }
    });
    read(() => (marks.body ??= textOf(bodyTextOf(bodies.get(error)))));
    // Some SDKs keep the whole body of an error as `error.error`, others the `error` in it.
    read(() => marks.codes.push(...[error.code, error.error?.code, error.error?.error?.code]));
    read(() => marks.names.push(...classNames(error)));
    link = read(() => causeOf(error));
  }
  const message = read(() => String(/** @type {any} */ (thrown)?.message ?? thrown));
  const reason = textOf(read(() => reasonOf(thrown)));
  return {
    ...marks,
    keyless: ofKeys.has(/** @type {any} */ (thrown)),
    ...(reason ? { reason } : {}),
    codes: marks.codes.flatMap((code) => textOf(code) ?? []),
    names: marks.names.flatMap((name) => textOf(name) ?? []),
    message: textOf(message) ?? '',
  };
}

/** The message of the last cause: the messages of `fetch` and the SDKs say no more than that a connection failed. @param {any} error */
function reasonOf(error) {
  let link = error;
  for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
    const cause = causeOf(link);
    if (typeof cause !== 'object' || cause === null || typeof cause.message !== 'string' || !cause.message) break;
    link = cause;
  }
  return link === error ? undefined : link.message;
}

/** @param {any} error @returns {[string, string][]} */
function retryHeaders(error) {
  const get = (/** @type {string} */ name) => error.headers?.get?.(name) ?? error.headers?.[name];
  return RETRY_HEADERS.flatMap((name) => {
    const value = textOf(get(name));
    return value === undefined ? [] : [/** @type {[string, string]} */ ([name, value])];
  });
}

/** @param {any} error */
function classNames(error) {
  const names = typeof error.name === 'string' ? [error.name] : [];
  let prototype = Object.getPrototypeOf(error);
  for (let depth = 0; depth < MAX_DEPTH && prototype && prototype !== Object.prototype; depth += 1) {
    const name = prototype.constructor?.name;
    if (typeof name === 'string' && name !== 'Error') names.push(name);
    prototype = Object.getPrototypeOf(prototype);
  }
  return names;
}

/** The bodies of errors that hold no more than the `error` in it, or nothing of it, by the error: JSON, or a text. @type {WeakMap<object, object | string>} */
const bodies = new WeakMap();

/** Keeps the body that an SDK made an error of: where it has no `error`, nothing of it is on the error. @param {unknown} error @param {unknown} body */
function keepBody(error, body) {
  const isBody = (typeof body === 'object' && body !== null) || typeof body === 'string';
  if (isBody && typeof error === 'object' && error !== null) bodies.set(error, body);
}

/** @param {object | string | undefined} body */
function bodyTextOf(body) {
  return typeof body === 'string' ? body : JSON.stringify(body);
}

/** Errors whose cause is the failure of the target before. @type {WeakSet<object>} */
const caused = new WeakSet();

/** The error's own cause: not the failure of the target before, which we may have set as its cause. @param {any} error */
function causeOf(error) {
  return caused.has(error) ? undefined : error.cause;
}

module.exports = { caused, causeOf, describe, keepBody, keyless };
