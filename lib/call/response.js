'use strict';
/** Makes the `Response` of an answer. */

/** @typedef {import('./openpipe-member.js').Meta} Meta */

/** Loaded with the first response: `node:http` takes longer to load than this package. */
function statusCodes() {
  return require('node:http').STATUS_CODES;
}

/** @param {Meta['head'] | Response} head A custom client's may be malformed. */
function headersOf(head) {
  try {
    return new Headers(head?.headers);
  } catch {
    return new Headers();
  }
}

/**
 * The `Response` of an answer. It is made only when the caller wants one.
 * @param {Meta['head'] | Response} head A custom client's `Response` serves as a head only, since its body has been read.
 * @param {string | ReadableStream} body
 * @param {string} type The media type, where the head has none.
 */
function responseOf(head, body, type) {
  const status = head?.status || 200;
  const headers = headersOf(head);
  if (!headers.has('content-type')) headers.set('content-type', type);
  // The body was decoded, and may have been rewritten, so headers about its encoding and length would be wrong.
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
