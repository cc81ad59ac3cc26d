'use strict';
/**
 * One request through `fetch`, because only `fetch` can honour the caller's dispatcher, agent or proxy, or because a test has mocked it. The
 * response is passed to the core, which follows redirects and classifies it like that of its own HTTP client
 * (crates/core/src/upstream/host_http.rs). No decision is made here.
 */

const { ChunkPump } = require('../host-client/chunks.js');
const { describe } = require('../host-client/thrown.js');
const { wellFormed } = require('../host-client/untrusted.js');
const native = require('../native/native.js');
const { TRANSPORT_MEMBERS } = require('./request.js');

class Exchange {
  /** @param {number} call @param {number} ask */
  constructor(call, ask) {
    this.call = call;
    this.ask = ask;
    this.controller = new AbortController();
    this.isDropped = false;
    /** @type {ReadableStreamDefaultReader<Uint8Array> | undefined} */
    this.reader = undefined;
    /** @type {ChunkPump | undefined} */
    this.pump = undefined;
  }

  /**
   * @param {(url: string, init: any) => Promise<Response>} fetch @param {any} init What the caller gave.
   * @param {{ url: string, headers: [string, string][] }} to @param {string} body
   */
  async start(fetch, init, { url, headers }, body) {
    const { signal } = this.controller;
    try {
      const given = { ...ownTransport(init), method: 'POST', headers, body, signal, redirect: 'manual' };
      const response = await fetch(url, given);
      this.reader = /** @type {any} */ (response.body?.getReader());
      if (this.isDropped) return this.#cancel();
      this.#answer({ response: { status: response.status, headers: [...response.headers] } });
      this.#readBody();
    } catch (error) {
      this.#fail(error);
    }
  }

  #readBody() {
    const { reader } = this;
    // All endpoints answer in UTF-8. The decoder keeps a character that is split over two chunks until the second one.
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const next = () => reader?.read() ?? Promise.resolve({ done: true, value: undefined });
    const write = (/** @type {Uint8Array} */ bytes) => decoder.decode(bytes, { stream: true });
    this.pump = new ChunkPump(/** @type {any} */ (next), write, {
      chunks: (texts) => this.#answer({ chunks: {} }, texts),
      done: () => {
        const rest = decoder.decode();
        if (rest !== '') this.#answer({ chunks: {} }, [rest]);
        this.#answer('done');
      },
      failed: (error) => this.#fail(error),
      broken: (error) => this.#fail(error),
    });
    this.pump.read();
  }

  /** The core consumed this many bytes. @param {number} bytes */
  pull(bytes) {
    this.pump?.credit(bytes);
  }

  /** Aborts the request, whose outcome is not needed any more. */
  drop() {
    if (this.isDropped) return;
    this.isDropped = true;
    this.pump?.stop();
    this.controller.abort();
    this.#cancel();
  }

  #cancel() {
    this.reader?.cancel().catch(() => {});
  }

  /** @param {unknown} error */
  #fail(error) {
    // Whatever `fetch` throws, there is no response: to the core that is a connection failure.
    const { codes, message } = describe(error);
    this.#answer({ error: { codes, names: ['FetchError'], message: innermost(error) ?? message, ticket: 0 } });
  }

  /** @param {unknown} answer @param {string[]} [texts] */
  #answer(answer, texts) {
    if (!this.isDropped) native.answer(this.call, this.ask, answer, texts);
  }
}

/** The message of the last cause: `fetch`'s own says only that it failed. @param {any} error @returns {string | undefined} */
function innermost(error) {
  try {
    const cause = error.cause?.cause ?? error.cause;
    return typeof cause?.message === 'string' && cause.message !== '' ? wellFormed(cause.message) : undefined;
  } catch {
    return undefined;
  }
}

/** The members of the caller's `init` that say how the request leaves the machine. @param {any} init */
function ownTransport(init) {
  const given = TRANSPORT_MEMBERS.map((name) => [name, init?.[name]]);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== null));
}

module.exports = { Exchange };
