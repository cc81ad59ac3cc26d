/** One request to the fault server, and the means to answer it, well or not: a socket and the bytes to be written to it. */

import { sseEvent } from '../../../demo/upstream/payload.mjs';
import { shapeOf } from '../../support/shapes.mjs';

/** @import { Socket } from 'node:net' */

/**
 * What the server knows of a request.
 * @typedef {object} Entry
 * @property {string} key Of the test that asked.
 * @property {string} fault
 * @property {string} path
 * @property {Record<string, string>} headers
 * @property {string} model
 * @property {boolean} stream
 * @property {any} body The parsed JSON; undefined if it is malformed or has not arrived.
 * @property {number} bodyBytes That have arrived.
 * @property {number} connection The number of its connection, from 1.
 * @property {boolean} reused Its connection had served before.
 * @property {number} nth Of its key and its model, from 1.
 * @property {number} at In ms, by the server's clock.
 * @property {number} [closedAt] When its connection closed.
 * @property {number} written Bytes that the socket took for all of its connection, those that wait in it left out.
 */

export class Exchange {
  /** @type {() => void} */
  #next;

  /**
   * @param {Socket} socket
   * @param {Socket} raw The socket below TLS; the same socket without TLS.
   * @param {Entry} entry
   * @param {() => void} next The connection may serve again.
   */
  constructor(socket, raw, entry, next) {
    this.socket = socket;
    this.raw = raw;
    this.entry = entry;
    this.shape = shapeOf(entry.path);
    this.#next = next;
  }

  get isStream() {
    return this.entry.stream;
  }

  /** The whole of what a good answer says; each test's is its own. */
  get text() {
    return answerTo(this.entry.key);
  }

  // === bytes ===

  /** Resolves when the socket has room for more, with whether it is still open. @param {string | Uint8Array} bytes */
  write(bytes) {
    const { socket } = this;
    if (socket.destroyed || !socket.writable) return Promise.resolve(false);
    if (socket.write(bytes)) return Promise.resolve(true);
    return new Promise((/** @type {(open: boolean) => void} */ resolve) => {
      const settle = () => {
        socket.off('drain', settle).off('close', settle);
        resolve(!socket.destroyed);
      };
      socket.once('drain', settle).once('close', settle);
    });
  }

  /** Says that no more will come, as a server does that closes. */
  close() {
    this.socket.end();
  }

  /** Ends the connection below TLS without a word of it. */
  cut() {
    this.raw.destroy();
  }

  reset() {
    this.raw.resetAndDestroy();
  }

  /** What was written first arrives first, also before a reset. @param {string | Uint8Array} bytes */
  async writeAndReset(bytes) {
    await this.write(bytes);
    await this.pause(50);
    this.reset();
  }

  /** The answer is complete: the connection may serve the next request. */
  done() {
    this.#next();
  }

  /** Resolves after a while, or when the connection has closed; with whether it is open. @param {number} ms */
  pause(ms) {
    const { socket } = this;
    return new Promise((/** @type {(open: boolean) => void} */ resolve) => {
      const settle = () => {
        clearTimeout(timer);
        socket.off('close', settle);
        resolve(!socket.destroyed);
      };
      const timer = setTimeout(settle, ms);
      if (socket.destroyed) settle();
      else socket.once('close', settle);
    });
  }

  // === HTTP ===

  /** A whole response. @param {number} status @param {Record<string, string>} headers @param {string | Uint8Array} [body] */
  async respond(status, headers, body = '') {
    const bytes = Buffer.from(/** @type {string} */ (body));
    await this.write(
      Buffer.concat([Buffer.from(head(status, { 'content-length': String(bytes.length), ...headers })), bytes]),
    );
    this.done();
  }

  /** A whole response of JSON, or of a text that is said to be. @param {unknown} value @param {number} [status] */
  async json(value, status = 200) {
    const body = typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value);
    await this.respond(status, JSON_TYPE, body);
  }

  /** A good answer. */
  async answer() {
    if (!this.isStream) return this.json(this.completion());
    await this.openStream();
    for (const event of this.events()) if (!(await this.piece(event))) return;
    await this.lastPiece();
  }

  /** The start of a stream's response. @param {Record<string, string>} [headers] */
  openStream(headers = {}) {
    return this.write(head(200, { ...EVENTS_TYPE, 'transfer-encoding': 'chunked', ...headers }));
  }

  /** @param {string | Uint8Array} data */
  piece(data) {
    return this.write(chunked(data));
  }

  async lastPiece() {
    await this.write('0\r\n\r\n');
    this.done();
  }

  // === what good answers are made of ===

  completion(text = this.text) {
    return this.shape.whole(this.entry.model, text);
  }

  /** An event with a delta. @param {Record<string, any>} delta As chat has it. */
  event(delta) {
    return this.shape.delta(this.entry.model, delta);
  }

  get role() {
    return this.shape.opening(this.entry.model, this.text);
  }

  get finish() {
    return this.shape.finish(this.entry.model, this.text);
  }

  /** All events of a good stream. */
  events(text = this.text) {
    const words = text.match(/\S+\s*/g) ?? [];
    return [this.role, ...words.map((content) => this.event({ content })), this.finish, DONE];
  }
}

export const DONE = sseEvent('[DONE]');
export const JSON_TYPE = { 'content-type': 'application/json' };
export const EVENTS_TYPE = { 'content-type': 'text/event-stream' };

/** What a good answer says to the test of this key. @param {string} key */
export function answerTo(key) {
  return `A healthy answer to ${key}, whole.`;
}

/** @param {number | string} status @param {Record<string, string>} headers */
export function head(status, headers) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Whatever\r\n${lines.join('')}\r\n`;
}

/** @param {string | Uint8Array} data */
export function chunked(data) {
  const bytes = Buffer.from(/** @type {string} */ (data));
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}
