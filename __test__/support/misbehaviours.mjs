/** The ways in which an upstream fails, and the error that the caller gets for each (contract.md, sections 1 and 3). */

/**
 * @import { FailureKind } from 'openpipe-native'
 * @import { Doing } from './upstreams.mjs'
 */

/** The name of an SDK class. */
/** @typedef {'APIError' | 'APIConnectionError' | 'APIConnectionTimeoutError' | 'BadRequestError' | 'AuthenticationError' | 'PermissionDeniedError' | 'NotFoundError' | 'ConflictError' | 'UnprocessableEntityError' | 'RateLimitError' | 'InternalServerError'} ErrorClass */

/**
 * @typedef {object} Failing
 * @property {Doing} doing
 * @property {FailureKind} kind
 * @property {ErrorClass} error The class that it has where it is the answer.
 * @property {number} [status] The error's.
 * @property {string | RegExp} [cause] The `code` of the error's cause.
 * @property {number} [timeout] Which the call needs to notice.
 * @property {boolean} [late] Streams: comes from the iterator, where no other target follows.
 */

/** @typedef {{ name: string, completion: Failing, stream: Failing }} Misbehaviour `name` follows "an upstream that". */

/** Short enough for a test, long enough for a busy machine to answer a well-behaved request. */
export const TIMEOUT = 250;

/** @type {Misbehaviour[]} */
export const misbehaviours = [
  answers(500, 'server_error', 'InternalServerError'),
  answers(503, 'server_error', 'InternalServerError'),
  answers(429, 'rate_limit', 'RateLimitError'),
  answers(400, 'bad_request', 'BadRequestError'),
  answers(401, 'auth', 'AuthenticationError'),
  answers(403, 'auth', 'PermissionDeniedError'),
  answers(404, 'not_found', 'NotFoundError'),
  answers(408, 'server_error', 'APIError'),
  answers(409, 'server_error', 'ConflictError'),
  answers(422, 'bad_request', 'UnprocessableEntityError'),
  answers(302, 'invalid_response', 'APIError', { location: 'http://127.0.0.1:1/elsewhere' }),
  answers(304, 'invalid_response', 'APIError'),
  {
    name: 'answers 400 for a context that is too long',
    ...alike({
      doing: { kind: 'status', status: 400, error: { code: 'context_length_exceeded' } },
      kind: 'context_length',
      error: 'BadRequestError',
      status: 400,
    }),
  },
  {
    name: 'answers 400 by its content filter',
    ...alike({
      doing: { kind: 'status', status: 400, error: { code: 'content_filter' } },
      kind: 'content_filter',
      error: 'BadRequestError',
      status: 400,
    }),
  },
  {
    name: 'answers 500 with a page of HTML',
    ...alike({
      doing: { kind: 'status', status: 500, body: 'html' },
      kind: 'server_error',
      error: 'InternalServerError',
      status: 500,
    }),
  },
  {
    name: 'answers 200 with a page of HTML',
    ...alike({ doing: { kind: 'status', status: 200, body: 'html' }, kind: 'invalid_response', error: 'APIError' }),
  },
  {
    name: 'answers 200 with nothing',
    completion: {
      doing: { kind: 'status', status: 200, body: 'empty' },
      kind: 'invalid_response',
      error: 'APIError',
    },
    // Its headers do not announce an empty body.
    stream: {
      doing: { kind: 'status', status: 200, body: 'empty' },
      kind: 'invalid_response',
      error: 'APIError',
      late: true,
    },
  },
  {
    name: 'answers 200 with JSON that is no completion',
    ...alike({
      doing: { kind: 'status', status: 200, body: { json: { choices: null } } },
      kind: 'invalid_response',
      error: 'APIError',
    }),
  },
  {
    name: 'answers 200 with an error',
    ...alike({
      doing: {
        kind: 'status',
        status: 200,
        body: { json: { error: { message: 'overloaded' }, choices: [] } },
      },
      kind: 'invalid_response',
      error: 'APIError',
    }),
  },
  {
    name: 'answers 200 in an encoding that it does not speak',
    completion: {
      doing: { kind: 'status', status: 200, headers: { 'content-encoding': 'gzip' }, body: { bytes: 'not gzip' } },
      kind: 'invalid_response',
      error: 'APIError',
    },
    stream: {
      doing: { kind: 'sse', headers: { 'content-encoding': 'gzip' }, sse: ['data: not gzip\n\n'] },
      kind: 'invalid_response',
      error: 'APIError',
      late: true,
    },
  },
  {
    name: 'answers 204',
    ...alike({ doing: { kind: 'status', status: 204, body: 'empty' }, kind: 'invalid_response', error: 'APIError' }),
  },
  {
    name: 'sends bytes that are not HTTP',
    ...alike({ doing: { kind: 'garbage' }, kind: 'connection', error: 'APIConnectionError' }),
  },
  {
    name: 'refuses connections',
    ...alike({ doing: 'refused', kind: 'connection', error: 'APIConnectionError', cause: 'ECONNREFUSED' }),
  },
  {
    name: 'resets the connection',
    ...alike({ doing: { kind: 'reset' }, kind: 'connection', error: 'APIConnectionError', cause: 'ECONNRESET' }),
  },
  {
    name: 'closes the connection',
    ...alike({
      doing: { kind: 'close' },
      kind: 'connection',
      error: 'APIConnectionError',
      cause: /^(UND_ERR_SOCKET|ECONNRESET)$/,
    }),
  },
  {
    name: 'dies in the middle of its body',
    completion: {
      doing: { kind: 'half-body' },
      kind: 'connection',
      error: 'APIConnectionError',
      cause: /^(UND_ERR_SOCKET|ECONNRESET)$/,
    },
    stream: {
      doing: { kind: 'answer', fault: { after: 'role', how: 'cut' } },
      kind: 'stream',
      error: 'APIConnectionError',
      cause: /^(UND_ERR_SOCKET|ECONNRESET)$/,
      late: true,
    },
  },
  {
    name: 'never answers',
    ...alike({
      doing: { kind: 'silence' },
      kind: 'timeout',
      error: 'APIConnectionTimeoutError',
      timeout: TIMEOUT,
    }),
  },
  {
    name: 'stalls in the middle of its body',
    completion: {
      doing: { kind: 'stall-body' },
      kind: 'timeout',
      error: 'APIConnectionTimeoutError',
      timeout: TIMEOUT,
    },
    stream: {
      doing: { kind: 'answer', fault: { after: 'role', how: 'stall' } },
      kind: 'timeout',
      error: 'APIConnectionTimeoutError',
      timeout: TIMEOUT,
      late: true,
    },
  },
];

/**
 * @param {number} status
 * @param {FailureKind} kind
 * @param {ErrorClass} error
 * @param {Record<string, string>} [headers]
 * @returns {Misbehaviour}
 */
function answers(status, kind, error, headers) {
  const body = status === 304 ? 'empty' : 'error';
  return {
    name: `answers ${status}`,
    ...alike({ doing: { kind: 'status', status, headers, body }, kind, error, status }),
  };
}

/** The same for completions and streams. @param {Failing} failing */
function alike(failing) {
  return { completion: failing, stream: failing };
}
