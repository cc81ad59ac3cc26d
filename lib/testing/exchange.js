'use strict';
/** One request and its response: pauses, writes with back-pressure, resets. */

const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');
const { createBrotliCompress, createDeflate, createGzip } = require('node:zlib');

/**
 * @typedef {object} Exchange
 * @property {import("./upstream.js").LoggedRequest} request
 * @property {import("node:http").ServerResponse} response
 * @property {import("node:net").Socket} socket The response's, which loses its reference to it when it ends.
 * @property {AbortSignal} gone Aborted when the response or its connection is closed. Every wait
 *   ends with it, so that nothing is left running for a client that has left.
 * @property {string} upstreamName
 */

/**
 * How long to wait before the connection is destroyed, in ms: after a reset some systems drop bytes
 * that the client's program has not read yet.
 */
const DELIVERY_MS = 20;

/**
 * @param {Exchange} exchange
 * @param {number | undefined} ms
 */
async function pause({ gone }, ms) {
  gone.throwIfAborted();
  if (ms) await sleep(ms, undefined, { signal: gone });
}

/**
 * Writes, and waits while the client is slower (back-pressure).
 *
 * @param {Exchange} exchange
 * @param {import("node:stream").Writable} out The response, or the socket itself.
 * @param {string | Uint8Array} bytes
 */
async function send({ gone }, out, bytes) {
  gone.throwIfAborted();
  if (!out.write(bytes)) await once(out, 'drain', { signal: gone });
}

/** @param {Exchange} exchange */
async function resetAfterDelivery(exchange) {
  await pause(exchange, DELIVERY_MS);
  exchange.socket.resetAndDestroy();
}

/** @param {Exchange} exchange */
async function destroyAfterDelivery(exchange) {
  await pause(exchange, DELIVERY_MS);
  exchange.socket.destroy();
}

/**
 * Closes the connection with a FIN before the response is complete.
 *
 * @param {Exchange} exchange
 */
function cutOff({ socket }) {
  socket.end();
}

/** @typedef {{ write(bytes: string | Uint8Array): Promise<void>, end(): void }} BodyWriter */

const compressors = { gzip: createGzip, br: createBrotliCompress, deflate: createDeflate };

/**
 * Writes a response's body; with an encoding each write is flushed, so that events arrive one by one.
 *
 * @param {Exchange} exchange
 * @param {keyof typeof compressors} [encoding]
 * @returns {BodyWriter}
 */
function bodyWriter(exchange, encoding) {
  const { response, gone } = exchange;
  if (!encoding) return { write: (bytes) => send(exchange, response, bytes), end: () => void response.end() };

  const compressor = compressors[encoding]();
  compressor.pipe(response);
  gone.addEventListener('abort', () => compressor.destroy(), { once: true });
  return {
    async write(bytes) {
      await send(exchange, compressor, bytes);
      await new Promise((resolve) => compressor.flush(() => resolve(undefined)));
    },
    end: () => void compressor.end(),
  };
}

module.exports = { pause, send, resetAfterDelivery, destroyAfterDelivery, cutOff, bodyWriter };
