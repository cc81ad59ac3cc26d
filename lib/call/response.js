'use strict';
/** The `Response` behind an answer, made when it is asked for. */

/** @typedef {import('./openpipe-member.js').Meta} Meta */

/** Loaded when the first response is asked for: it takes longer than all of this package. */
function statusCodes() {
  return require('node:http').STATUS_CODES;
}

/** @param {Meta['head'] | Response} head That of a client may be of any make. */
function headersOf(head) {
  try {
    return new Headers(head?.headers);
  } catch {
    return new Headers();
  }
}

/**
 * A real `Response`, made only when it is asked for.
 * @param {Meta['head'] | Response} head Of a client's own response no more than this is used: its body has been read.
 * @param {string | ReadableStream} body
 * @param {string} type The media type, where the head has none.
 */
function responseOf(head, body, type) {
  const status = head?.status || 200;
  const headers = headersOf(head);
  if (!headers.has('content-type')) headers.set('content-type', type);
  // Headers about the bytes on the wire are wrong for a body that was decoded or rewritten.
  headers.delete('content-encoding');
  headers.delete('transfer-encoding');
  const isOfLength = typeof body === 'string' && headers.get('content-length') === String(Buffer.byteLength(body));
  if (!isOfLength) headers.delete('content-length');
  // The core drops the reason phrase; the standard one of the status takes its place.
  const statusText = /** @type {any} */ (head)?.statusText ?? statusCodes()[status] ?? '';
  const response = new Response(body, { status, statusText, headers });
  if (head?.url) Object.defineProperty(response, 'url', { value: head.url });
  return response;
}

module.exports = { responseOf };
