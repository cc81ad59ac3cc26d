'use strict';
/** Reads what the core needs to classify an error that a custom client or a `fetch` threw. */

const { read, textOf: wholeTextOf } = require('./untrusted.js');

/** How many causes of an error, and classes of its prototype chain, are followed. */
const MAX_DEPTH = 8;
/** The most characters of a text: a longer one cannot be part of a message to the core, or costs more than it says. */
const MAX_TEXT = 1024 * 1024;
/** The headers of an error that say when to try again. */
const RETRY_HEADERS = ['retry-after', 'retry-after-ms', 'x-should-retry', 'x-request-id'];

/** A value as well-formed text, cut where it is too long; `undefined` where it is not a string. @param {unknown} value */
function textOf(value) {
  return wholeTextOf(typeof value === 'string' ? value.slice(0, MAX_TEXT) : value);
}

/** Errors of functions that return a key. @type {WeakSet<object>} */
const keyErrors = new WeakSet();

/**
 * Marks an error of a function that returns a key: no request was sent then.
 * @param {unknown} thrown @returns {unknown} The same value; for a primitive, an error with it as its cause.
 */
function markKeyError(thrown) {
  const isObject = (typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function';
  const error = isObject
    ? thrown
    : new TypeError(`the function that returns the key threw ${String(thrown)}`, { cause: thrown });
  keyErrors.add(/** @type {object} */ (error));
  return error;
}

/**
 * The members of a thrown value by which the core classifies it. Never throws, whatever the value is.
 * @param {unknown} thrown
 */
function describe(thrown) {
  /** @type {{ status?: number, body?: string, codes: unknown[], names: unknown[], headers: [string, string][] }} */
  const marks = { codes: [], names: [], headers: [] };
  let link = /** @type {any} */ (thrown);
  for (let depth = 0; depth < MAX_DEPTH && typeof link === 'object' && link !== null; depth += 1) {
    const error = link;
    read(() => {
      if (marks.status === undefined) {
        marks.status = statusOf(error);
        if (marks.status !== undefined) marks.headers = retryHeaders(error);
      }
    });
    // The error as the API sent it, for the report.
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
    keyless: keyErrors.has(/** @type {any} */ (thrown)),
    ...(reason ? { reason } : {}),
    codes: marks.codes.flatMap((code) => textOf(code) ?? []),
    names: marks.names.flatMap((name) => textOf(name) ?? []),
    message: textOf(message) ?? '',
  };
}

/** The message of the last cause: those of `fetch` and of the SDKs say only that a connection failed. @param {any} error */
function reasonOf(error) {
  let link = error;
  for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
    const cause = causeOf(link);
    if (typeof cause !== 'object' || cause === null || typeof cause.message !== 'string' || !cause.message) break;
    link = cause;
  }
  return link === error ? undefined : link.message;
}

/**
 * The HTTP status of an error. SDKs differ in where they keep it: `openai` and its relatives, `got` and the AI SDK, axios, AWS.
 * @param {any} error @returns {number | undefined}
 */
function statusOf(error) {
  const places = [error.status, error.statusCode, error.response?.status, error.$metadata?.httpStatusCode];
  return places.find((status) => Number.isInteger(status) && status >= 100 && status < 1000);
}

/** @param {any} error @returns {[string, string][]} */
function retryHeaders(error) {
  const headers = error.headers ?? error.responseHeaders ?? error.response?.headers;
  const get = (/** @type {string} */ name) => headers?.get?.(name) ?? headers?.[name];
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

/** The whole bodies of errors, a JSON value or a text: the SDK's errors have at most the body's `error`. @type {WeakMap<object, object | string>} */
const bodies = new WeakMap();

/** Keeps the body from which the SDK made an error. @param {unknown} error @param {unknown} body */
function keepBody(error, body) {
  const isBody = (typeof body === 'object' && body !== null) || typeof body === 'string';
  if (isBody && typeof error === 'object' && error !== null) bodies.set(error, body);
}

/** @param {object | string | undefined} body */
function bodyTextOf(body) {
  return typeof body === 'string' ? body : JSON.stringify(body);
}

/** Errors whose `cause` this package set to the error of the target before. @type {WeakSet<object>} */
const caused = new WeakSet();

/** An error's own cause; none where this package set it. @param {any} error */
function causeOf(error) {
  return caused.has(error) ? undefined : error.cause;
}

module.exports = { caused, causeOf, describe, keepBody, markKeyError };
