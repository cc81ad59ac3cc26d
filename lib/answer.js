'use strict';
/** What a call came to, as the caller sees it: the completion or stream, its `openpipe`, and the HTTP response behind it. */

/** @typedef {import('./errors.js').Failure} Failure */

/**
 * What the core tells of a call that has an answer (src/call.rs, `Meta`).
 * @typedef {object} Meta
 * @property {{ status: number, headers: [string, string][], url: string } | null} head
 * @property {'primary' | 'fallback'} servedBy
 * @property {string} model
 * @property {import('../types.js').Attempt[]} attempts
 * @property {number} durationMs
 * @property {any} [usage]
 */

/** Settles when the report of a call has been delivered or given up. Nothing is reported yet, so there is none to wait for. */
const reportingFinished = Promise.resolve();

/** Where an object keeps what makes its `openpipe`. */
const maker = Symbol('openpipe-native.maker');

/**
 * One accessor for all objects: a new function for each would cost each of them a shape of its own, which is dearer than
 * all else that is done for a completion.
 * @type {PropertyDescriptor & ThisType<any>}
 */
const openpipeAccessor = {
  configurable: true,
  enumerable: false,
  get() {
    const made = this[maker]?.();
    this.openpipe = made;
    return made;
  },
  set(value) {
    Object.defineProperty(this, 'openpipe', { value, configurable: true, enumerable: false, writable: true });
  },
};

/**
 * Puts `openpipe` on what the caller gets: not enumerable, so that logs and snapshots stay what the API sent; made when it
 * is first looked at; left out where the object is frozen.
 * @param {object} value
 * @param {() => object} make
 */
function defineOpenpipe(value, make) {
  if (!Object.isExtensible(value)) return;
  Object.defineProperty(value, maker, { value: make, enumerable: false, configurable: true, writable: true });
  Object.defineProperty(value, 'openpipe', openpipeAccessor);
}

/** @param {Meta} meta */
function openpipeOf(meta) {
  return { servedBy: meta.servedBy, model: meta.model, attempts: meta.attempts, reportingFinished };
}

/**
 * A real `Response`, made only when it is asked for.
 * @param {Meta['head']} head
 * @param {string | ReadableStream} body
 */
function responseOf(head, body) {
  const response = new Response(body, { status: head?.status || 200, headers: head?.headers ?? [] });
  if (head?.url) Object.defineProperty(response, 'url', { value: head.url });
  return response;
}

/** A completion from an upstream of the core's own. */
class CompletionAnswer {
  /** @param {string | null} requestId @param {string} text @param {string} meta JSON of a {@link Meta} */
  constructor(requestId, text, meta) {
    this.requestId = requestId;
    this.text = text;
    this.metaText = meta;
    /** @type {Meta | undefined} */
    this.parsedMeta = undefined;
    /** @type {Response | undefined} */
    this.madeResponse = undefined;
  }

  get meta() {
    this.parsedMeta ??= /** @type {Meta} */ (JSON.parse(this.metaText));
    return this.parsedMeta;
  }

  /** What `asResponse()` gives. */
  get response() {
    this.madeResponse ??= responseOf(this.meta.head, this.text);
    return this.madeResponse;
  }

  /** What `await` gives. */
  value() {
    const completion = JSON.parse(this.text);
    Object.defineProperty(completion, '_request_id', { value: this.requestId, enumerable: false });
    defineOpenpipe(completion, () => openpipeOf(this.meta));
    return completion;
  }
}

module.exports = { CompletionAnswer, defineOpenpipe, openpipeOf, reportingFinished, responseOf };
