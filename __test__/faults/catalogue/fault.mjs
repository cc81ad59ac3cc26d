/** What a fault is: what the server does, and what that is to a caller (contract.md, sections 1, 3 and 5). */

/**
 * @import { FailureKind } from 'openpipe-native'
 * @import { ErrorClass } from '../../support/misbehaviours.mjs'
 * @import { Exchange } from '../server/exchange.mjs'
 */

/**
 * What a call makes of a fault.
 * @typedef {object} Expected
 * @property {FailureKind} kind
 * @property {ErrorClass} error Its class where it is the answer of a native upstream.
 * @property {FailureKind | 'ok'} [js] The kind where the `openai` package is what met it, and says less, or takes it well.
 * @property {FailureKind} [client] The kind where a custom client met it, which follows redirects and reads any body as events.
 * @property {string | RegExp} [cause] The `code` of the error's cause.
 * @property {number} [status]
 */

/**
 * @typedef {object} Fault
 * @property {string} name Follows "an upstream that". It is in the URL, by which the server knows what to do.
 * @property {(exchange: Exchange) => unknown} [serve] What it does with a request. Without it, `at` is all that there is.
 * @property {boolean} [early] It starts at the request's head, when the body has not come yet.
 * @property {string} [at] The listener; default `plain`. `nobody`: a port on which nothing listens.
 * @property {string} [host] Default `127.0.0.1`.
 * @property {'http' | 'https'} [scheme]
 * @property {Expected} [completion] Left out if completions do not have the fault.
 * @property {Expected} [stream]
 * @property {number} [timeout] Which the call needs to notice it (ms).
 * @property {number} [requests] How many requests arrive at it. Default 1; 0 where no request gets through.
 * @property {import('openpipe-native').OpenPipeCallOptions} [openpipe] Options without which it is not a fault, or not one before the commit.
 * @property {string} [notJs] Why it is not tried with the `openai` package.
 */

/** Short enough for a test; what must come within it has no work to do. */
export const STALL_TIMEOUT = 300;

/** @param {Expected} expected */
export function both(expected) {
  return { completion: expected, stream: expected };
}

/** A connection that failed. @param {Partial<Expected>} [more] @returns {Expected} */
export function connection(more) {
  return { kind: 'connection', error: 'APIConnectionError', ...more };
}

/** A good status and no completion. @param {Partial<Expected>} [more] @returns {Expected} */
export function invalid(more) {
  return { kind: 'invalid_response', error: 'APIError', ...more };
}

/** A stream whose events, or whose end, are wrong. @param {Partial<Expected>} [more] @returns {Expected} */
export function badStream(more) {
  return { kind: 'stream', error: 'APIError', ...more };
}

/** A stream whose connection broke. @param {Partial<Expected>} [more] @returns {Expected} */
export function brokenStream(more) {
  return { kind: 'stream', error: 'APIConnectionError', ...more };
}

/** @param {Partial<Expected>} [more] @returns {Expected} */
export function timeout(more) {
  return { kind: 'timeout', error: 'APIConnectionTimeoutError', ...more };
}
