'use strict';
/** Makes what the caller of `fetch` gets for a failed call: a `Response`, a rejection, or the error of a body. */

const { codeOf } = require('../call/fault-codes.js');

/** @typedef {import('../call/errors.js').Failure} Failure */
/** @typedef {import('../call/openpipe-member.js').Meta} Meta */

/** The response with which a failed call is resolved. @typedef {{ status: number, headers: [string, string][], body: string }} FailedResponse */

/** The status by kind of failure, where the last target sent no error response. @type {Record<string, number>} */
const STATUSES = { timeout: 504, connection: 503, auth: 401, rate_limit: 429, quota: 429 };
const BAD_GATEWAY = 502;

/** The codes of Node.js's own `fetch`, for failures without a code. */
const CODES = { timeout: 'UND_ERR_HEADERS_TIMEOUT', idle: 'UND_ERR_BODY_TIMEOUT', connection: 'UND_ERR_SOCKET' };

/**
 * Whether the upstream's own response is returned: an error response, or a redirect that the caller handles itself.
 * @param {Failure | undefined} failure @param {string | undefined} redirect That of the request.
 */
function isHandedThrough(failure, redirect) {
  const status = failure?.head?.status ?? 0;
  return failure?.kind !== 'timeout' && status >= (redirect === 'manual' ? 300 : 400) && status <= 599;
}

/** @param {Meta & { failures: Failure[] }} failed @param {string | undefined} redirect @returns {FailedResponse} */
function failedResponse({ failures, attempts }, redirect) {
  const last = failures.at(-1);
  if (last?.head && isHandedThrough(last, redirect))
    return { status: last.head.status, headers: last.head.headers, body: last.body ?? '' };
  const status = last?.head && last.kind !== 'timeout' ? BAD_GATEWAY : (STATUSES[last?.kind ?? ''] ?? BAD_GATEWAY);
  const message = `Every target failed. ${attempts.map(described).join('; ')}`;
  return {
    status,
    headers: [
      ['content-type', 'application/json'],
      // The targets were retried already: an SDK's retry would run the whole chain again.
      ['x-should-retry', 'false'],
    ],
    body: JSON.stringify({ error: { message, type: 'openpipe_error', param: null, code: last?.kind ?? null } }),
  };
}

/** @param {import('../../types.js').Attempt} attempt */
function described({ upstream, model, outcome, message }) {
  return `${upstream} (${model}): ${outcome}${message ? `, ${message}` : ''}`;
}

/** The error with which `fetch` rejects. @param {Failure | undefined} failure */
function rejectionOf(failure) {
  const isTimeout = failure?.kind === 'timeout';
  return new TypeError('fetch failed', { cause: causeOf(failure, isTimeout ? CODES.timeout : CODES.connection) });
}

/** The error with which the body of a `fetch` response fails. @param {Failure | undefined} failure */
function bodyErrorOf(failure) {
  const isIdle = failure?.surface === 'timeout';
  return new TypeError('terminated', { cause: causeOf(failure, isIdle ? CODES.idle : CODES.connection) });
}

/** @param {Failure | undefined} failure @param {string} code */
function causeOf(failure, code) {
  return Object.assign(new Error(failure?.message ?? 'the call failed'), { code: codeOf(failure) ?? code });
}

/**
 * The error that an upstream sent within its stream, as an event of its endpoint.
 * @param {Failure | undefined} failure @param {import('../options/endpoints.js').Endpoint} endpoint
 */
function errorEvent(failure, endpoint) {
  if (failure?.surface !== 'protocol' || failure.body === undefined) return '';
  if (endpoint.namesEvents) return `event: error\ndata: ${responsesError(failure.body)}\n\n`;
  const lines = failure.body.split('\n').map((line) => `data: ${line}\n`);
  return `${saysError(failure.body) ? '' : 'event: error\n'}${lines.join('')}\n`;
}

/** The data of an error event of Responses: as it was sent, else with the error's members both flat and nested, as SDKs read either. @param {string} body */
function responsesError(body) {
  const sent = parsed(body);
  if (sent?.type === 'error') return JSON.stringify(sent);
  const given = sent?.error ?? sent ?? body;
  const error = typeof given === 'object' ? given : { message: String(given) };
  const { code = null, message = body, param = null } = error;
  return JSON.stringify({ type: 'error', sequence_number: 0, code, message, param, error });
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether an event's data has a member `error`; otherwise the event's name must say that it is one. @param {string} data */
function saysError(data) {
  return Boolean(parsed(data)?.error);
}

/** Every target's failure as an error, for `openpipe.errors`. @param {Failure[]} failures */
function errorsOf(failures) {
  return failures.map((failure) => {
    const { kind, message, head } = failure;
    const code = codeOf(failure);
    return Object.assign(new Error(message), { kind, ...(code && { code }), ...(head && { status: head.status }) });
  });
}

/** An error named `OpenAIError`, as the class throws it; not of the `openai` package, which may not be installed. @param {string} message */
function openaiError(message) {
  return Object.assign(new Error(message), { name: 'OpenAIError' });
}

module.exports = { bodyErrorOf, errorEvent, errorsOf, failedResponse, isHandedThrough, openaiError, rejectionOf };
