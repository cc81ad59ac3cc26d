'use strict';
/**
 * From a failure, which is data, to the SDK's error (contract.md, section 1). The one place where errors are made.
 */

const { dirname } = require('node:path');
const { inspect } = require('node:util');

const { caused, keepBody } = require('../host-client/thrown.js');

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
 * @property {{ code: string, errno?: number, syscall: string, address?: string, port?: number, hostname?: string }} [system]
 * @property {number} [ticket]
 * @property {string} [hint] What the caller can do about it.
 * @property {boolean} [redacted] It held a key, which was taken out.
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
      ours.add(error);
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
 * The error in place of one that the SDK made for its own transport, where the core took a key out or has a hint: the SDK makes it
 * again, of the core's account of the failure, as natively.
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
    (redacted ? ours : fetched).add(error);
    return error;
  }
  if (!(thrown instanceof sdk.APIError)) return new sdk.OpenAIError(message);
  return new sdk.APIError(undefined, parsed(failure.body)?.error, message, thrown.headers);
}

/**
 * The errors of all targets that failed. Each has the one before it as its cause, behind the cause of its own, so that whatever
 * prints the last one prints them all.
 * @param {Sdk} sdk @param {any} client @param {Failure[]} failures @param {(ticket: number) => unknown} thrownBy
 */
function errorsOf(sdk, client, failures, thrownBy) {
  const errors = failures.map((failure) => errorOf(sdk, client, failure, thrownBy));
  errors.forEach(addCallers);
  errors.forEach((error, index) => addCause(error, errors[index - 1]));
  return errors;
}

/** The SDK prints an error's body by a function that calls itself for each level of it. */
const TOO_DEEP = 'the body of the error is nested too deep to be shown';

/** The hooks that {@link takingDeep} has made. @type {WeakSet<Function>} */
const takers = new WeakSet();

/**
 * The hook `makeStatusError` of a client, which takes a body nested too deep to be printed as well, and keeps the body for those
 * who judge the error: through the SDK's own transport it is the SDK that calls it.
 * @param {Sdk} sdk @param {(this: any, ...of: any[]) => Error} make The SDK's.
 */
function takingDeep(sdk, make) {
  /** @type {(this: any, ...of: any[]) => Error} */
  const taker = function (status, error, message, headers) {
    try {
      const made = make.call(this, status, error, message, headers);
      keepBody(made, error ?? message);
      return made;
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      return sdk.APIError.generate(status, undefined, TOO_DEEP, headers);
    }
  };
  takers.add(taker);
  return taker;
}

/** Whether a client makes its errors as the SDK does, and not by a hook of a subclass. @param {Sdk} sdk @param {any} client */
function isOfSdk(sdk, { makeStatusError: hook }) {
  return hook === sdk.Base.prototype.makeStatusError || takers.has(hook);
}

/** @param {Sdk} sdk @param {any} client @param {Failure} failure @param {Headers | undefined} headers @returns {Error} */
function statusErrorOf(sdk, client, { head, body, hint }, headers) {
  const json = parsed(body);
  try {
    // What a subclass's own hook makes is the user's.
    if (hint !== undefined && isOfSdk(sdk, client)) return hintedErrorOf(sdk, head?.status, json, body, headers, hint);
    return client.makeStatusError(head?.status, json, json ? undefined : body, headers);
  } catch (error) {
    const message = error instanceof RangeError ? TOO_DEEP : 'the error could not be made: `makeStatusError` threw';
    const made = sdk.APIError.generate(head?.status, undefined, message, headers ?? new Headers());
    return Object.defineProperty(made, 'cause', { value: error, writable: true, configurable: true });
  }
}

/**
 * The SDK's error of a status, whose message has a hint as well. The SDK takes the message from the body's `error`, so it is given one
 * that says both; the error's own member is what the upstream sent.
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
 * A promise that is rejected, for another to be resolved with. The error is made in a reaction of the promise that the caller
 * waits for: only then its stack names the functions that wait (it is a later one, since the caller may have got the promise
 * only now), and whatever goes wrong in making it is a rejection too.
 * @param {() => unknown} newError @returns {Promise<never>}
 */
async function rejection(newError) {
  for (let reaction = 0; reaction < REACTIONS; reaction += 1) await undefined;
  throw withRoomForCallers(newError);
}

/**
 * Makes an error whose stack is longer by the functions of this package, which stand above those that wait.
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

/** How many functions of this package and of the SDK stand between the making of an error and `rejection`, at most. */
const OWN_FRAMES = 12;

/** How many reactions an error is delayed by, so that it is made after the caller's own functions have begun to wait. */
const REACTIONS = 8;

/**
 * The cause of a connection error, with the code. The cause has a cause of its own with the same code: in the SDK's errors the cause
 * is `fetch`'s error and the code is one level below, where programs look for it.
 * @param {Failure} failure
 */
function causeOfConnection({ kind, message, code, system }) {
  const marks = system ?? (code === undefined ? {} : { code });
  const cause = Object.assign(new Error(message), marks);
  // A stream that breaks off has no `fetch` in between there.
  if (kind === 'stream') return cause;
  const inner = Object.assign(new Error(message), marks);
  // It repeats the outer cause: printed, it is one line.
  inner.stack = String(inner);
  ours.add(cause);
  return Object.defineProperty(cause, 'cause', { value: inner, writable: true, configurable: true });
}

/** Prefixes of Node.js's codes of a broken content encoding: zlib's, Brotli's, zstd's. */
const BROKEN_ENCODING = /^(?:Z_|ERR__ERROR_FORMAT|ERR_BROTLI|ZSTD_)/;

/**
 * The error of a body that came through the SDK's transport: of the same class as natively, where `fetch` and the SDK throw a
 * bare `TypeError` or `SyntaxError`.
 * @param {Sdk} sdk @param {any} thrown @param {{ what: string, piece: string }} names What it is, and what of it is JSON.
 */
function bodyErrorOf(sdk, thrown, { what, piece }) {
  if (!(thrown instanceof Error) || thrown instanceof sdk.APIError) return thrown;
  // A response without a body is no error of the API to the SDK.
  if (thrown instanceof sdk.OpenAIError) return new sdk.APIError(undefined, undefined, thrown.message, undefined);
  const cause = thrown.cause instanceof Error ? thrown.cause : thrown;
  const isEncoding = BROKEN_ENCODING.test(String(/** @type {any} */ (cause).code));
  if (thrown.name === 'SyntaxError' || isEncoding) {
    const message = isEncoding ? `${what} could not be decoded: ${cause.message}` : `${piece} is not JSON`;
    const error = new sdk.APIError(undefined, undefined, message, undefined);
    return Object.defineProperty(error, 'cause', { value: cause, writable: true, configurable: true });
  }
  const error = new sdk.APIConnectionError({ message: `${what} broke off: ${cause.message}`, cause });
  ours.add(error);
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

/** The folder of this package's own functions. */
const HERE = dirname(__dirname);

/** Errors that the SDK made for its own transport, whose stacks end in this package. @type {WeakSet<object>} */
const madeBySdk = new WeakSet();

/**
 * Remembers an error as made by the SDK for its own transport; not one that a subclass's hook made, which is the user's.
 * @param {Sdk} sdk @param {any} client @param {unknown} error
 */
function keepMadeBySdk(sdk, client, error) {
  if (error instanceof sdk.OpenAIError && isOfSdk(sdk, client)) madeBySdk.add(/** @type {object} */ (error));
}

/** Adds the functions that wait for the call to the stack of an error that the SDK made below it. @param {any} error */
function addCallers(error) {
  if (!madeBySdk.delete(error)) return;
  fetched.add(error);
  /** @type {{ stack?: unknown }} */
  const here = {};
  Error.captureStackTrace(here, addCallers);
  if (typeof here.stack !== 'string' || typeof error.stack !== 'string') return;
  const frames = here.stack.split('\n').slice(1);
  const callers = frames.slice(frames.findLastIndex((frame) => frame.includes(HERE)) + 1);
  if (callers.length > 0) error.stack = [error.stack, ...callers].join('\n');
}

/**
 * Adds the functions that made a call to the stack of an error that refuses its arguments: there are more of this package's own in
 * between than a stack has room for. An error that the user's code threw, in a getter or a `toJSON`, stays as it is.
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
  const isTold = signal !== undefined && typeof client._makeUserAbortError === 'function';
  return isTold ? client._makeUserAbortError(signal) : new sdk.APIUserAbortError();
}

/** @param {string | undefined} text @returns {any} */
function parsed(text) {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Errors with a low-level cause that was made here. @type {WeakSet<object>} */
const ours = new WeakSet();

/** Errors that the SDK made of what `fetch` threw, with that as their cause. @type {WeakSet<object>} */
const fetched = new WeakSet();

/** The most causes of one error that are followed. */
const MAX_CAUSES = 8;

/**
 * The failure before an error as the last of its causes; not where a custom client's error has a cause of its own.
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
    // Whatever was thrown, it is the caller's error as it is.
  }
}

/** The last of an error's causes that is known to be of this call. @param {any} error */
function lastOf(error) {
  let last = error;
  if (fetched.has(error)) {
    for (let depth = 0; depth < MAX_CAUSES && last.cause instanceof Error && !caused.has(last); depth += 1)
      last = last.cause;
  } else while (ours.has(last)) last = last.cause;
  return last;
}

/** Whether an error is among the causes of another: a `fetch` may fail with one object again and again. @param {any} error @param {unknown} cause */
function leadsTo(error, cause) {
  let each = error;
  for (let depth = 0; depth < MAX_CAUSES * MAX_CAUSES && each instanceof Error; depth += 1) {
    if (each === cause) return true;
    each = /** @type {any} */ (each.cause);
  }
  return false;
}

/**
 * Shows a low-level cause, and the failure of the target before behind it: `console.error` would leave that out, as too deep.
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
  takingDeep,
  withCallersOf,
};
