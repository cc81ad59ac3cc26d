'use strict';
/**
 * Sees `[DONE]` pass in the response body below an SDK's stream. Hunyuan, GitHub Copilot and OpenRouter (for images) end streams by
 * `[DONE]` alone, without a finish reason, and the SDK's iterator ends alike for that and for a body that was cut. The bytes are
 * read on their way to the SDK: nothing is read ahead, delayed or copied.
 */

/** One character less than a whole line with its break: so much of the bytes before may belong to one that was cut. */
const KEPT = '\ndata: [DONE]'.length - 1;

class DoneWatch {
  constructor() {
    this.passed = false;
    /** The end of what came; at first there is a line's beginning. */
    this.tail = '\n';
  }

  /** @param {unknown} chunk */
  see(chunk) {
    if (this.passed) return;
    const text = textOf(chunk);
    if (!text) return;
    const seen = this.tail + text;
    this.passed = /[\r\n]data: ?\[DONE\]/.test(seen);
    this.tail = seen.slice(-KEPT);
  }
}

/** Bytes as characters of one byte each: what is looked for is ASCII. @param {unknown} chunk */
function textOf(chunk) {
  if (typeof chunk === 'string') return chunk;
  if (ArrayBuffer.isView(chunk)) {
    return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
  }
  return undefined;
}

/**
 * Watches a body in either way that SDKs read one. What does not let itself be watched is left as it is.
 * @param {any} body A `ReadableStream`, or a stream of Node.js. Not read yet.
 */
function watchForDone(body) {
  const watch = new DoneWatch();
  if (typeof body === 'object' && body !== null) {
    replace(body, 'getReader', (reader) => tap(reader, 'read', watch));
    replace(body, Symbol.asyncIterator, (iterator) => tap(iterator, 'next', watch));
  }
  return watch;
}

/** @param {any} object @param {string | symbol} name A method. @param {(returned: any) => any} change Of what it returns. */
function replace(object, name, change) {
  const method = object[name];
  if (typeof method !== 'function') return object;
  Reflect.defineProperty(object, name, {
    configurable: true,
    writable: true,
    value: (/** @type {unknown[]} */ ...args) => change(Reflect.apply(method, object, args)),
  });
  return object;
}

/** @param {any} source @param {string} step @param {DoneWatch} watch */
function tap(source, step, watch) {
  return replace(source, step, (returned) =>
    Promise.resolve(returned).then((result) => {
      watch.see(result?.value);
      return result;
    }),
  );
}

module.exports = { watchForDone };
