'use strict';
/** A call that failed as `fetch` would show it: a `Response`, a rejection, or the error of a body. */

/** @typedef {import('../call/errors.js').Failure} Failure */
/** @typedef {import('../call/answer.js').Meta} Meta */

/** What a failed call is resolved with. @typedef {{ status: number, headers: [string, string][], body: string }} FailedResponse */

/** The status where the last target had no response that is an error. @type {Record<string, number>} */
const STATUSES = { timeout: 504, connection: 503, auth: 401, rate_limit: 429, quota: 429 };
const BAD_GATEWAY = 502;

/** Where the core knows no code, that by which Node.js' own `fetch` says the same. */
const CODES = { timeout: 'UND_ERR_HEADERS_TIMEOUT', idle: 'UND_ERR_BODY_TIMEOUT', connection: 'UND_ERR_SOCKET' };

/** A response that is an error in itself, and is handed through. @param {Failure | undefined} failure */
function hasErrorResponse(failure) {
  const status = failure?.head?.status ?? 0;
  return failure?.kind !== 'timeout' && status >= 400 && status <= 599;
}

/** @param {Meta & { failures: Failure[] }} failed @returns {FailedResponse} */
function failedResponse({ failures, attempts }) {
  const last = failures.at(-1);
  if (last?.head && hasErrorResponse(last))
    return { status: last.head.status, headers: last.head.headers, body: last.body ?? '' };
  const status = last?.head && last.kind !== 'timeout' ? BAD_GATEWAY : (STATUSES[last?.kind ?? ''] ?? BAD_GATEWAY);
  const message = `Every target failed. ${attempts.map(described).join('; ')}`;
  return {
    status,
    headers: [
      ['content-type', 'application/json'],
      // The targets had their retries: the whole chain once more is nothing that an SDK should add by itself.
      ['x-should-retry', 'false'],
    ],
    body: JSON.stringify({ error: { message, type: 'openpipe_error', param: null, code: last?.kind ?? null } }),
  };
}

/** @param {import('../../types.js').Attempt} attempt */
function described({ upstream, model, outcome, message }) {
  return `${upstream} (${model}): ${outcome}${message ? `, ${message}` : ''}`;
}

/** As `fetch` rejects. @param {Failure | undefined} failure */
function rejectionOf(failure) {
  const isTimeout = failure?.kind === 'timeout';
  return new TypeError('fetch failed', { cause: causeOf(failure, isTimeout ? CODES.timeout : CODES.connection) });
}

/** As the body of a response of `fetch` fails. @param {Failure | undefined} failure */
function bodyErrorOf(failure) {
  const isIdle = failure?.surface === 'timeout';
  return new TypeError('terminated', { cause: causeOf(failure, isIdle ? CODES.idle : CODES.connection) });
}

/** @param {Failure | undefined} failure @param {string} code */
function causeOf(failure, code) {
  return Object.assign(new Error(failure?.message ?? 'the call failed'), { code: failure?.code ?? code });
}

/** The error that an upstream sent within its stream, as the event that it was. @param {Failure | undefined} failure */
function errorEvent(failure) {
  if (failure?.surface !== 'protocol' || failure.body === undefined) return '';
  const lines = failure.body.split('\n').map((line) => `data: ${line}\n`);
  return `${saysError(failure.body) ? '' : 'event: error\n'}${lines.join('')}\n`;
}

/** Whether data says by itself that it is an error; else the event's name did. @param {string} data */
function saysError(data) {
  try {
    return Boolean(JSON.parse(data)?.error);
  } catch {
    return false;
  }
}

/** Every target's failure as an error, for `openpipe.errors`. @param {Failure[]} failures */
function errorsOf(failures) {
  return failures.map(({ kind, message, code, head }) =>
    Object.assign(new Error(message), { kind, ...(code ? { code } : {}), ...(head ? { status: head.status } : {}) }),
  );
}

module.exports = { bodyErrorOf, errorEvent, errorsOf, failedResponse, hasErrorResponse, rejectionOf };
