'use strict';
/**
 * Makes the SDK's errors from the core's failures, which are data (contract.md, section 1).
 */

const { dirname } = require('node:path');
const { inspect } = require('node:util');

const { NO_EVENT_STREAM } = require('../host-client/event-rewriter.js');
const { caused, keepBody } = require('../host-client/thrown.js');
const { codeOf } = require('./fault-codes.js');

/** @typedef {import('../sdk/sdk.js').Sdk} Sdk */

/**
 * A failure as the core writes it (crates/core/src/failure/mod.rs).
 * @typedef {object} Failure
 * @property {string} kind
 * @property {'status' | 'timeout' | 'connection' | 'protocol' | 'client'} surface
 * @property {string} message
 * @property {{ status: number, headers: [string, string][], url: string }} [head]
 * @property {string} [body]
 * @property {string} [code]
 * @property {string} [fault] A reason for which JavaScript has a code of its own (fault-codes.js).
 * @property {{ errno?: number, syscall: string, address?: string, port?: number, hostname?: string }} [system]
 * @property {number} [ticket]
 * @property {string} [hint] What the caller can do about it.
 * @property {boolean} [redacted] A key was removed from it.
 */

/**
 * @param {Sdk} sdk
 * @param {any} client The client that was called; `makeStatusError` is a hook of the SDK that subclasses may have.
 * @param {Failure} failure
 * @param {(ticket: number) => unknown} thrownBy What a custom client threw, by its ticket.
 * @returns {Error}
 */
function errorOf(sdk, client, failure, thrownBy) {
  const headers = failure.head && new Headers(failure.head.headers);
  switch (failure.surface) {
    case 'status':
      return statusErrorOf(sdk, client, failure, headers);
    case 'timeout':
      return new sdk.APIConnectionTimeoutError(failure.kind === 'timeout' ? {} : { message: failure.message });
    case 'connection': {
      const { hint } = failure;
      const own = hint === undefined ? undefined : `Connection error. (${hint})`;
      const message = failure.kind === 'stream' ? failure.message : own;
      const error = new sdk.APIConnectionError({ message, cause: causeOfConnection(failure) });
      withOwnCause.add(error);
      return error;
    }
    case 'client': {
      const thrown = thrownBy(/** @type {number} */ (failure.ticket));
      const isChanged = failure.redacted || failure.hint !== undefined;
      if (isChanged && madeBySdk.has(/** @type {any} */ (thrown)))
        return remadeOf(sdk, client, thrown, failure, headers);
      if ((typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function') {
        return /** @type {Error} */ (thrown);
      }
      const error = new sdk.APIError(undefined, undefined, `the fallback client threw ${String(thrown)}`, undefined);
      return Object.defineProperty(error, 'cause', { value: thrown, writable: true, configurable: true });
    }
    default: {
      const json = parsed(failure.body);
      const error = json?.error ?? json ?? undefined;
      try {
        return new sdk.APIError(undefined, error, failure.message, headers);
      } catch {
        return new sdk.APIError(undefined, undefined, `${failure.message} (${TOO_DEEP})`, headers);
      }
    }
  }
}

/**
 * Replaces an error that the SDK made for its own transport, where the core removed a key from it or has a hint: the SDK makes a new one
 * from the core's data, as for a native request.
 * @param {Sdk} sdk @param {any} client @param {any} thrown @param {Failure} failure @param {Headers | undefined} headers
 */
function remadeOf(sdk, client, thrown, failure, headers) {
  if (headers) return statusErrorOf(sdk, client, failure, headers);
  const { message, hint, redacted } = failure;
  if (thrown instanceof sdk.APIConnectionTimeoutError)
    return new sdk.APIConnectionTimeoutError(hint === undefined ? {} : { message: `Request timed out. (${hint})` });
  if (thrown instanceof sdk.APIConnectionError) {
    // A cause that repeats a key is replaced as well.
    const cause = redacted ? causeOfConnection(failure) : thrown.cause;
    const hinted = hint === undefined ? undefined : `Connection error. (${hint})`;
    const error = new sdk.APIConnectionError({ message: hinted, cause });
    (redacted ? withOwnCause : withFetchCause).add(error);
    return error;
  }
  if (!(thrown instanceof sdk.APIError)) return new sdk.OpenAIError(message);
  return new sdk.APIError(undefined, parsed(failure.body)?.error, message, thrown.headers);
}

/**
 * The errors of all targets that failed, as a chain of causes: the error of the target before is the last cause of each, so that printing
 * the last error shows them all.
 * @param {Sdk} sdk @param {any} client @param {Failure[]} failures @param {(ticket: number) => unknown} thrownBy
 */
function errorsOf(sdk, client, failures, thrownBy) {
  const errors = failures.map((failure) => errorOf(sdk, client, failure, thrownBy));
  errors.forEach(addCallers);
  errors.forEach((error, index) => addCause(error, errors[index - 1]));
  return errors;
}

/** The SDK makes an error's message by recursion into the body, which overflows the stack for a deep one. */
const TOO_DEEP = 'the body of the error is nested too deep to be shown';

/** The hooks that {@link statusErrorHook} has made. @type {WeakSet<Function>} */
const ownHooks = new WeakSet();

/**
 * A client's `makeStatusError`: the SDK's, which also makes an error of a body that is nested too deep to be printed, and keeps the body,
 * by which the core classifies the error where the request went through the SDK's own transport.
 * @param {Sdk} sdk @param {(this: any, ...of: any[]) => Error} make The SDK's.
 */
function statusErrorHook(sdk, make) {
  /** @type {(this: any, ...of: any[]) => Error} */
  const hook = function (status, error, message, headers) {
    try {
      const made = make.call(this, status, error, message, headers);
      keepBody(made, error ?? message);
      return made;
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      return sdk.APIError.generate(status, undefined, TOO_DEEP, headers);
    }
  };
  ownHooks.add(hook);
  return hook;
}

/** Whether a client makes its errors as the SDK does, and not by a hook of a subclass. @param {Sdk} sdk @param {any} client */
function isOfSdk(sdk, { makeStatusError: hook }) {
  return hook === sdk.Base.prototype.makeStatusError || ownHooks.has(hook);
}

/** @param {Sdk} sdk @param {any} client @param {Failure} failure @param {Headers | undefined} headers @returns {Error} */
function statusErrorOf(sdk, client, { head, body, hint }, headers) {
  const json = parsed(body);
  try {
    // An error that a subclass's own hook makes is not changed.
    if (hint !== undefined && isOfSdk(sdk, client)) return hintedErrorOf(sdk, head?.status, json, body, headers, hint);
    return client.makeStatusError(head?.status, json, json ? undefined : body, headers);
  } catch (error) {
    const message = error instanceof RangeError ? TOO_DEEP : 'the error could not be made: `makeStatusError` threw';
    const made = sdk.APIError.generate(head?.status, undefined, message, headers ?? new Headers());
    return Object.defineProperty(made, 'cause', { value: error, writable: true, configurable: true });
  }
}

/**
 * The SDK's error of a status with a hint added to its message. The SDK takes the message from the body's `error`, so it gets one with
 * the hint in it; the member `error` of the result is what the upstream sent.
 * @param {Sdk} sdk @param {number | undefined} status @param {any} json @param {string | undefined} body
 * @param {Headers | undefined} headers @param {string} hint
 */
function hintedErrorOf(sdk, status, json, body, headers, hint) {
  const error = json?.error;
  const said = error?.message ?? error ?? (json ? '' : body);
  const text = typeof said === 'string' && !(error && said === error) ? said : JSON.stringify(said);
  const members = typeof error === 'object' ? error : {};
  const message = `${text || 'status code (no body)'} (${hint})`;
  const made = sdk.APIError.generate(status, { error: { ...members, message } }, undefined, headers);
  made.error = error;
  return made;
}

/**
 * A promise that is rejected, to resolve the caller's promise with. The error is made some microtasks later, in a reaction to a promise
 * that the caller waits for: only then its stack (V8's async stack trace) names the functions that wait. An error while it is made is a
 * rejection too.
 * @param {() => unknown} newError @returns {Promise<never>}
 */
async function rejection(newError) {
  for (let reaction = 0; reaction < REACTIONS; reaction += 1) await undefined;
  throw withRoomForCallers(newError);
}

/**
 * Makes an error whose stack has room for this package's functions as well as for as many of the caller's as usual.
 * @param {() => unknown} newError
 */
function withRoomForCallers(newError) {
  const limit = Error.stackTraceLimit;
  if (!(limit > 0) || !Reflect.set(Error, 'stackTraceLimit', limit + OWN_FRAMES)) return newError();
  try {
    return newError();
  } finally {
    Reflect.set(Error, 'stackTraceLimit', limit);
  }
}

/** The most functions of this package and of the SDK between `rejection` and the function that makes an error. */
const OWN_FRAMES = 12;

/** By how many microtasks an error is delayed, so that the caller's functions are waiting when it is made. */
const REACTIONS = 8;

/**
 * The cause of a connection error, with the code, and with a cause of its own that has the same code: in the SDK's errors the first cause
 * is `fetch`'s error, and programs read the code from the second.
 * @param {Failure} failure
 */
function causeOfConnection(failure) {
  const { kind, message, system } = failure;
  const code = codeOf(failure);
  const marks = code === undefined ? {} : { code, ...system };
  const cause = Object.assign(new Error(message), marks);
  // In the SDK a stream that breaks off has one cause, without `fetch`'s error.
  if (kind === 'stream') return cause;
  const inner = Object.assign(new Error(message), marks);
  // It repeats the outer cause, so its stack is cut to one line.
  inner.stack = String(inner);
  withOwnCause.add(cause);
  return Object.defineProperty(cause, 'cause', { value: inner, writable: true, configurable: true });
}

/** Node.js's error codes of a broken content encoding: zlib's, Brotli's, zstd's. */
const BROKEN_ENCODING = /^(?:Z_|ERR__ERROR_FORMAT|ERR_BROTLI|ZSTD_)/;

/**
 * The error of a body that was read through the SDK's transport. It has the class of a native request's error, where `fetch` and the
 * SDK throw a `TypeError` or `SyntaxError`.
 * @param {Sdk} sdk @param {any} thrown @param {{ what: string, piece: string }} names What messages call the body, and the part that is JSON.
 */
function bodyErrorOf(sdk, thrown, { what, piece }) {
  if (!(thrown instanceof Error) || thrown instanceof sdk.APIError) return thrown;
  // The SDK throws a plain `OpenAIError` for a response without a body.
  if (thrown instanceof sdk.OpenAIError) return new sdk.APIError(undefined, undefined, thrown.message, undefined);
  const cause = thrown.cause instanceof Error ? thrown.cause : thrown;
  const { code } = /** @type {any} */ (cause);
  if (code === NO_EVENT_STREAM)
    return new sdk.APIError(undefined, /** @type {any} */ (cause).error, cause.message, undefined);
  const isEncoding = BROKEN_ENCODING.test(String(code));
  if (thrown.name === 'SyntaxError' || isEncoding) {
    const message = isEncoding ? `${what} could not be decoded: ${cause.message}` : `${piece} is not JSON`;
    const error = new sdk.APIError(undefined, undefined, message, undefined);
    return Object.defineProperty(error, 'cause', { value: cause, writable: true, configurable: true });
  }
  const error = new sdk.APIConnectionError({ message: `${what} broke off: ${cause.message}`, cause });
  withOwnCause.add(error);
  return error;
}

/** The error of a stream's body. @param {Sdk} sdk @param {unknown} thrown */
function streamErrorOf(sdk, thrown) {
  return bodyErrorOf(sdk, thrown, { what: 'the stream', piece: 'an event of the stream' });
}

/** The error of an answer's body. @param {Sdk} sdk @param {unknown} thrown */
function answerErrorOf(sdk, thrown) {
  return bodyErrorOf(sdk, thrown, { what: 'the response', piece: 'the response' });
}

/** The folder of this package's functions, by which their stack frames are recognized. */
const HERE = dirname(__dirname);

/** Errors that the SDK made for its own transport: their stacks lack the caller's functions. @type {WeakSet<object>} */
const madeBySdk = new WeakSet();

/**
 * Remembers an error as made by the SDK for its own transport; not one that a subclass's hook made, which is the user's.
 * @param {Sdk} sdk @param {any} client @param {unknown} error
 */
function keepMadeBySdk(sdk, client, error) {
  if (error instanceof sdk.OpenAIError && isOfSdk(sdk, client)) madeBySdk.add(/** @type {object} */ (error));
}

/** Appends the functions that wait for the call to the stack of an error of the SDK's own transport. @param {any} error */
function addCallers(error) {
  if (!madeBySdk.delete(error)) return;
  withFetchCause.add(error);
  /** @type {{ stack?: unknown }} */
  const here = {};
  Error.captureStackTrace(here, addCallers);
  if (typeof here.stack !== 'string' || typeof error.stack !== 'string') return;
  const frames = here.stack.split('\n').slice(1);
  const callers = frames.slice(frames.findLastIndex((frame) => frame.includes(HERE)) + 1);
  if (callers.length > 0) error.stack = [error.stack, ...callers].join('\n');
}

/**
 * Appends the caller's functions to the stack of an error that refuses malformed arguments: a stack has ten frames, and this package's
 * functions fill them. An error that the caller's code threw, in a getter or a `toJSON`, is not changed.
 * @template E @param {E} error @returns {E}
 */
function withCallersOf(error) {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return error;
  const { stack } = error;
  const [top] = stack.split('\n').filter((line) => line.startsWith('    at '));
  if (!top?.includes(HERE)) return error;
  /** @type {{ stack?: unknown }} */
  const here = {};
  withRoomForCallers(() => Error.captureStackTrace(here, withCallersOf));
  if (typeof here.stack !== 'string') return error;
  const frames = here.stack.split('\n');
  const callers = frames.slice(frames.findLastIndex((frame) => frame.includes(HERE)) + 1);
  error.stack = [stack, ...callers.filter((frame) => !stack.includes(frame))].join('\n');
  return error;
}

/**
 * The error of a call that its caller aborted: in openai 7 with the signal's reason as its cause.
 * @param {Sdk} sdk @param {any} client @param {AbortSignal | undefined} signal
 */
function abortErrorOf(sdk, client, signal) {
  const takesSignal = signal !== undefined && typeof client._makeUserAbortError === 'function';
  return takesSignal ? client._makeUserAbortError(signal) : new sdk.APIUserAbortError();
}

/** @param {string | undefined} text @returns {any} */
function parsed(text) {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Errors whose cause was made in this file. @type {WeakSet<object>} */
const withOwnCause = new WeakSet();

/** Errors that the SDK made for its own transport: their cause is `fetch`'s error. @type {WeakSet<object>} */
const withFetchCause = new WeakSet();

/** How many causes of an error are followed. */
const MAX_CAUSES = 8;

/**
 * Makes the error of the target before the last cause of an error, unless that is a custom client's error with a cause of its own.
 * @param {any} error @param {Error | undefined} before
 */
function addCause(error, before) {
  try {
    if (before === undefined || before === error) return;
    const last = lastOf(error);
    if (last === before || !Object.isExtensible(last) || leadsTo(before, last)) return;
    if ('cause' in last && !caused.has(last)) return;
    Object.defineProperty(last, 'cause', { value: before, writable: true, configurable: true, enumerable: false });
    if (last !== error) Object.defineProperty(last, inspect.custom, { value: shownWithCause, configurable: true });
    caused.add(last);
  } catch {
    // A thrown value that cannot be changed (a proxy) stays without the cause.
  }
}

/** The last of an error's causes that this package or `fetch` made. @param {any} error */
function lastOf(error) {
  let last = error;
  if (withFetchCause.has(error)) {
    for (let depth = 0; depth < MAX_CAUSES && last.cause instanceof Error && !caused.has(last); depth += 1)
      last = last.cause;
  } else while (withOwnCause.has(last)) last = last.cause;
  return last;
}

/** Whether `cause` is among the causes of `error`, as a `fetch` may throw the same object each time: a cycle must not be made. @param {any} error @param {unknown} cause */
function leadsTo(error, cause) {
  let each = error;
  for (let depth = 0; depth < MAX_CAUSES * MAX_CAUSES && each instanceof Error; depth += 1) {
    if (each === cause) return true;
    each = /** @type {any} */ (each.cause);
  }
  return false;
}

/**
 * Prints an error with two levels of causes: `console.error` would leave out the error of the target before, as too deep.
 * @this {Error} @param {number} _depth @param {import('node:util').InspectOptions} options
 */
function shownWithCause(_depth, options) {
  return `${this.stack} {\n  [cause]: ${inspect(this.cause, { ...options, depth: 2 }).replaceAll('\n', '\n  ')}\n}`;
}

module.exports = {
  answerErrorOf,
  abortErrorOf,
  errorOf,
  errorsOf,
  keepMadeBySdk,
  rejection,
  streamErrorOf,
  statusErrorHook,
  withCallersOf,
};
