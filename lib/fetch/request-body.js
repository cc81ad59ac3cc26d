'use strict';
/** Reads the body of a request as text, once and bounded, from any type that `fetch` takes. */

/** The largest body that is read; the `fetch` below sends a larger one. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * A body that was read.
 * @typedef {object} ReadBody
 * @property {string | undefined} text `undefined` where the body cannot be a JSON object.
 * @property {unknown} again The body to send by the `fetch` below; `undefined` where the given one was not consumed.
 */

/**
 * @param {unknown} body @param {AbortSignal | undefined} signal
 * @returns {ReadBody | Promise<ReadBody>}
 */
function readBody(body, signal) {
  if (typeof body === 'string') return untouched(isWithin(body) ? body : undefined);
  if (typeof body !== 'object' || body === null) return untouched(undefined);
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return untouched(textOf(bytesOf(body)));
  if (isBlob(body))
    return body.size > MAX_BYTES
      ? untouched(undefined)
      : blobBytes(body, signal).then((bytes) => untouched(textOf(bytes)));
  // `FormData` has a synchronous iterator only.
  const isStream = typeof (/** @type {any} */ (body).getReader) === 'function' || Symbol.asyncIterator in body;
  return isStream ? readStream(/** @type {any} */ (body), signal) : untouched(undefined);
}

/** Whether a text is no longer than a body may be. A unit of UTF-16 takes at most three bytes. @param {string} text */
function isWithin(text) {
  return text.length * 3 <= MAX_BYTES || Buffer.byteLength(text) <= MAX_BYTES;
}

/** @param {string | undefined} text @returns {ReadBody} */
function untouched(text) {
  return { text: looksLikeObject(text) ? text : undefined, again: undefined };
}

/** @param {string | undefined} text */
function looksLikeObject(text) {
  return text !== undefined && /^[\t\n\r ]*\{/.test(text);
}

/** @param {ArrayBuffer | ArrayBufferView} body */
function bytesOf(body) {
  return body instanceof ArrayBuffer
    ? new Uint8Array(body)
    : new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
}

/** @param {unknown} chunk Of a stream. */
function bytesOfChunk(chunk) {
  if (typeof chunk === 'string') return new TextEncoder().encode(chunk);
  if (chunk instanceof ArrayBuffer || ArrayBuffer.isView(chunk)) return bytesOf(chunk);
  throw new TypeError(`a body's stream must give bytes, got ${typeof chunk}`);
}

/** Throws for bytes that are not UTF-8. Keeps a byte order mark, with which a text is not JSON. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @param {Uint8Array} bytes @returns {string | undefined} */
function textOf(bytes) {
  if (bytes.byteLength > MAX_BYTES) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** @param {any} body @returns {body is Blob} */
function isBlob(body) {
  return typeof body.arrayBuffer === 'function' && typeof body.size === 'number';
}

/** @param {Blob} blob @param {AbortSignal | undefined} signal */
async function blobBytes(blob, signal) {
  return new Uint8Array(await orAborted(blob.arrayBuffer(), signal));
}

/** @param {ReadableStream | AsyncIterable<any>} stream @param {AbortSignal | undefined} signal @returns {Promise<ReadBody>} */
async function readStream(stream, signal) {
  const chunks = chunksOf(stream);
  /** @type {Uint8Array[]} */
  const read = [];
  let size = 0;
  try {
    for (;;) {
      const { value, done } = await orAborted(Promise.resolve(chunks.next()), signal);
      if (done) break;
      const bytes = bytesOfChunk(value);
      read.push(bytes);
      size += bytes.byteLength;
      if (size > MAX_BYTES) return { text: undefined, again: allOf(read, chunks) };
    }
  } catch (error) {
    Promise.resolve(chunks.return?.(error)).catch(() => {});
    throw error;
  }
  const bytes = new Uint8Array(Buffer.concat(read, size));
  return { ...untouched(textOf(bytes)), again: bytes };
}

/** @param {any} stream @returns {{ next(): Promise<IteratorResult<any>>, return?: (why?: any) => Promise<any> }} */
function chunksOf(stream) {
  if (typeof stream.getReader !== 'function') return stream[Symbol.asyncIterator]();
  const reader = stream.getReader();
  return { next: () => reader.read(), return: (why) => reader.cancel(why) };
}

/** A stream of the chunks that were read and of those that follow. @param {Uint8Array[]} read @param {ReturnType<typeof chunksOf>} rest */
function allOf(read, rest) {
  return new ReadableStream({
    async pull(controller) {
      const first = read.shift();
      if (first) return controller.enqueue(first);
      const { value, done } = await rest.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(why) {
      await rest.return?.(why);
    },
  });
}

/**
 * The result of `work`, or a rejection as soon as the signal aborts.
 * @template T @param {Promise<T>} work @param {AbortSignal | undefined} signal @returns {Promise<T>}
 */
function orAborted(work, signal) {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

module.exports = { readBody };
