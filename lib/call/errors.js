'use strict';
/**
 * From a failure, which is data, to the SDK's error (contract.md, section 1). The one place where errors are made.
 */

/** @typedef {import('../sdk/sdk.js').Sdk} Sdk */

/**
 * A failure as the core tells it (crates/core/src/failure/mod.rs).
 * @typedef {object} Failure
 * @property {string} kind
 * @property {'status' | 'timeout' | 'connection' | 'protocol' | 'client'} surface
 * @property {string} message
 * @property {{ status: number, headers: [string, string][], url: string }} [head]
 * @property {string} [body]
 * @property {string} [code]
 * @property {number} [ticket]
 */

/**
 * @param {Sdk} sdk
 * @param {any} client The client that was called; `makeStatusError` is a hook of the SDK that subclasses may have.
 * @param {Failure} failure
 * @param {(ticket: number) => unknown} thrownBy What a foreign client threw, by its ticket.
 * @returns {Error}
 */
function errorOf(sdk, client, failure, thrownBy) {
  const headers = failure.head && new Headers(failure.head.headers);
  switch (failure.surface) {
    case 'status': {
      const json = parsed(failure.body);
      return client.makeStatusError(failure.head?.status, json, json ? undefined : failure.body, headers);
    }
    case 'timeout':
      return new sdk.APIConnectionTimeoutError(failure.kind === 'timeout' ? {} : { message: failure.message });
    case 'connection': {
      const cause = causeOfConnection(failure);
      return new sdk.APIConnectionError({ message: failure.kind === 'stream' ? failure.message : undefined, cause });
    }
    case 'client': {
      const thrown = thrownBy(/** @type {number} */ (failure.ticket));
      if ((typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function') {
        return /** @type {Error} */ (thrown);
      }
      const error = new sdk.APIError(undefined, undefined, `the fallback client threw ${String(thrown)}`, undefined);
      return Object.defineProperty(error, 'cause', { value: thrown, writable: true, configurable: true });
    }
    default: {
      const json = parsed(failure.body);
      const error = json?.error ?? json ?? undefined;
      return new sdk.APIError(undefined, error, failure.message, headers);
    }
  }
}

/**
 * The reason of a connection's failure, where the contract says it is, and where programs look for it that were written for
 * the SDK: there `fetch` stands in between, so the code is that of the cause's cause.
 * @param {Failure} failure
 */
function causeOfConnection({ kind, message, code }) {
  const cause = code === undefined ? new Error(message) : Object.assign(new Error(message), { code });
  // A stream that breaks off has no `fetch` in between there.
  if (kind === 'stream') return cause;
  const inner = code === undefined ? new Error(message) : Object.assign(new Error(message), { code });
  // It tells nothing that its owner does not: printed, it is one line.
  inner.stack = String(inner);
  return Object.defineProperty(cause, 'cause', { value: inner, writable: true, configurable: true });
}

/**
 * What a caller gets who aborted: in openai 7 with the reason as its cause.
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

/** How `fetch` refuses a header; it repeats what it refuses, which may be a key. */
const HEADER_REFUSAL = /invalid header value|ByteString|valid HTTP token/;

/** Whether an error is the refusal of a header by `fetch`. @param {any} error */
function isHeaderRefusal(error) {
  return error?.name === 'TypeError' && HEADER_REFUSAL.test(String(error.message));
}

/** The message of what a client threw, without what must not be seen. @param {string} message */
function withoutHeader(message) {
  return HEADER_REFUSAL.test(message) ? 'a header holds a character that HTTP does not allow' : message;
}

/** Errors of foreign clients whose cause is of our making. @type {WeakSet<object>} */
const caused = new WeakSet();

/**
 * Of a foreign client's error the failure before it is the cause, unless it has one of its own.
 * @param {any} error @param {Error | undefined} cause
 */
function addCause(error, cause) {
  try {
    if (cause === undefined || cause === error || !Object.isExtensible(error)) return;
    if ('cause' in error && !caused.has(error)) return;
    Object.defineProperty(error, 'cause', { value: cause, writable: true, configurable: true, enumerable: false });
    caused.add(error);
  } catch {
    // Whatever was thrown, it is the caller's error as it is.
  }
}

/** The cause that an error has of itself: what we made its cause says nothing about it. @param {any} error */
function causeOf(error) {
  return caused.has(error) ? undefined : error.cause;
}

module.exports = { abortErrorOf, addCause, causeOf, errorOf, isHeaderRefusal, withoutHeader };
