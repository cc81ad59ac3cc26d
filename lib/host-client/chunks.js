'use strict';
/**
 * Sends the chunks of a client's stream to Rust: reads ahead within bounds, and sends what is ready in batches, because each
 * crossing of the boundary costs more than most chunks do.
 */

const clock = require('../native/clock.js');

/** The most bytes that are read ahead of Rust, which sends a receipt for each half of it (src/host_client.rs). */
const AHEAD_BYTES = 64 * 1024;
/** The most bytes of a batch. */
const BATCH_BYTES = 16 * 1024;
/** The memory of a kept chunk beside its text; as src/host_client.rs counts it. */
const CHUNK_COST = 160;

class ChunkPump {
  /**
   * @param {() => Promise<IteratorResult<any>>} next Asks the client's iterator.
   * @param {(chunk: any) => string} write A chunk as JSON.
   * @param {{ chunks(texts: string[]): void, done(): void, failed(error: unknown): void, broken(error: unknown): void }} to
   *   `broken`: a chunk that cannot be written; the stream itself has not failed.
   */
  constructor(next, write, to) {
    this.next = next;
    this.write = write;
    this.to = to;
    /** Bytes that Rust has not taken yet. */
    this.ahead = 0;
    /** @type {string[]} */
    this.batch = [];
    this.batchBytes = 0;
    this.isReading = false;
    /** Settles with the last chunk that was asked for. @type {Promise<unknown>} */
    this.reading = Promise.resolve();
    this.isOver = false;
    /** The batch is sent when what is ready by itself has been read. */
    this.isSending = false;
  }

  /** The core consumed this many bytes. @param {number} bytes */
  took(bytes) {
    this.ahead -= bytes;
    this.read();
  }

  stop() {
    this.isOver = true;
    this.batch = [];
  }

  /** Reads on while there is room. */
  read() {
    if (this.isReading || this.isOver || this.ahead >= AHEAD_BYTES) return;
    this.isReading = true;
    let next;
    try {
      next = Promise.resolve(this.next());
    } catch (error) {
      this.#end(() => this.to.failed(error));
      return;
    }
    this.reading = next;
    next.then(
      (result) => this.#got(result),
      (error) => this.#end(() => this.to.failed(error)),
    );
  }

  /** @param {any} result */
  #got(result) {
    this.isReading = false;
    if (this.isOver) return;
    try {
      if (result?.done) {
        this.#end(() => this.to.done());
        return;
      }
      this.#add(this.write(result.value));
    } catch (error) {
      this.#end(() => this.to.broken(error));
      return;
    }
    this.read();
  }

  /** @param {string} text */
  #add(text) {
    const bytes = Buffer.byteLength(text) + CHUNK_COST;
    this.ahead += bytes;
    this.batch.push(text);
    this.batchBytes += bytes;
    if (this.batchBytes >= BATCH_BYTES) {
      this.#send();
      return;
    }
    if (this.isSending) return;
    this.isSending = true;
    // After all that is ready: chunks of one read of a socket come one microtask after the other.
    clock.soon(() => {
      this.isSending = false;
      this.#send();
    });
  }

  #send() {
    if (this.batch.length === 0) return;
    const texts = this.batch;
    this.batch = [];
    this.batchBytes = 0;
    this.to.chunks(texts);
  }

  /** @param {() => void} say */
  #end(say) {
    this.isReading = false;
    if (this.isOver) return;
    this.#send();
    this.isOver = true;
    say();
  }
}

module.exports = { ChunkPump };
