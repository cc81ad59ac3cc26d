'use strict';
/**
 * Sends the chunks of a custom client's stream to the core: reads ahead within bounds (back-pressure), and in batches, because crossing
 * the boundary costs more than most chunks.
 */

const clock = require('../native/clock.js');

/** How many bytes are read ahead of the core, which sends a credit for each half of it (src/host_client.rs). */
const AHEAD_BYTES = 64 * 1024;
/** A batch is sent when it has this many bytes. */
const BATCH_BYTES = 16 * 1024;
/** The memory of a chunk beside its text; src/host_client.rs counts the same. */
const CHUNK_COST = 160;

class ChunkPump {
  /**
   * @param {() => Promise<IteratorResult<any>>} next Reads from the client's iterator.
   * @param {(chunk: any) => string} write A chunk as JSON.
   * @param {{ chunks(texts: string[]): void, done(): void, failed(error: unknown): void, broken(error: unknown): void }} to
   *   `broken`: a chunk cannot be written as JSON; the stream itself has not failed.
   */
  constructor(next, write, to) {
    this.next = next;
    this.write = write;
    this.to = to;
    /** Bytes that the core has not consumed yet. */
    this.ahead = 0;
    /** @type {string[]} */
    this.batch = [];
    this.batchBytes = 0;
    this.isReading = false;
    /** The last call of `next`. @type {Promise<unknown>} */
    this.reading = Promise.resolve();
    this.isOver = false;
    /** The batch is about to be sent, after the chunks that are ready now. */
    this.isScheduled = false;
  }

  /** The core consumed this many bytes. @param {number} bytes */
  credit(bytes) {
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
      if (typeof result !== 'object' || result === null) {
        throw new TypeError(`the stream of the client is no async iterator: its next() returned ${String(result)}`);
      }
      if (result.done) {
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
    if (this.isScheduled) return;
    this.isScheduled = true;
    // After the microtasks: the chunks of one read of a socket arrive in successive microtasks, and so are one batch.
    clock.soon(() => {
      this.isScheduled = false;
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

  /** Sends the last batch, then the end. @param {() => void} sendEnd */
  #end(sendEnd) {
    this.isReading = false;
    if (this.isOver) return;
    this.#send();
    this.isOver = true;
    sendEnd();
  }
}

module.exports = { ChunkPump };
