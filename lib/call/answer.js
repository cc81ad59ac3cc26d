'use strict';
/** What a call came to, as the caller sees it: the completion or stream, its `openpipe`, and the HTTP response behind it. */

const { whenReported } = require('../reports/reports.js');

/** @typedef {import('./errors.js').Failure} Failure */

/**
 * What the core tells of a call that has an answer (src/call.rs, `Meta`).
 * @typedef {object} Meta
 * @property {{ status: number, headers: [string, string][], url: string } | null} head
 * @property {'primary' | 'fallback'} servedBy
 * @property {string} model
 * @property {import('../../types.js').Attempt[]} attempts
 * @property {number} durationMs
 * @property {any} [usage]
 */

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
    // Not where the object has been frozen or sealed since.
    Reflect.defineProperty(this, 'openpipe', { value: made, configurable: true, enumerable: false, writable: true });
    return made;
  },
  set(value) {
    Object.defineProperty(this, 'openpipe', { value, configurable: true, enumerable: false, writable: true });
  },
};

/**
 * Puts `openpipe` on what the caller gets: not enumerable, so that logs and snapshots stay what the API sent; made when it
 * is first looked at; left out where the object does not take it.
 * @param {object} value
 * @param {() => object} make
 */
function defineOpenpipe(value, make) {
  try {
    if (!Object.isExtensible(value)) return;
    Object.defineProperty(value, maker, { value: make, enumerable: false, configurable: true, writable: true });
    Object.defineProperty(value, 'openpipe', openpipeAccessor);
  } catch {
    // A foreign object that does not take it is handed on as it is.
  }
}

/**
 * The SDK's promise. What `parse()` makes of a completion is an object of its own: it keeps the completion's `openpipe`.
 * @param {any} SdkPromise
 */
function promiseClass(SdkPromise) {
  return class APIPromise extends SdkPromise {
    /** As the SDK's, but without its private field, which a proxy around the promise (langsmith's) does not have. */
    parse() {
      this.parsedPromise ??= this.responsePromise.then((/** @type {any} */ props) =>
        this.parseResponse(undefined, props),
      );
      return this.parsedPromise;
    }

    /** @param {(value: any, props: any) => any} transform */
    _thenUnwrap(transform) {
      return super._thenUnwrap((/** @type {any} */ value, /** @type {any} */ props) => {
        const made = transform(value, props);
        if (made !== value && made instanceof Object && Object.hasOwn(value, 'openpipe'))
          defineOpenpipe(made, () => value.openpipe);
        return made;
      });
    }
  };
}

/**
 * What `openpipe` says of a call; of a stream as it is at the moment of looking.
 * @param {number} call
 * @param {() => Meta} meta
 * @param {unknown[]} [errors] Of a call that failed: every target's error.
 */
function openpipeOf(call, meta, errors) {
  return {
    get servedBy() {
      return meta().servedBy;
    },
    get model() {
      return meta().model;
    },
    get attempts() {
      return meta().attempts;
    },
    get reportingFinished() {
      return whenReported(call);
    },
    ...(errors ? { errors } : {}),
  };
}

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
  // What was said of the body as it came over the wire does not hold for one that was decoded or written anew.
  headers.delete('content-encoding');
  headers.delete('transfer-encoding');
  const isOfLength = typeof body === 'string' && headers.get('content-length') === String(Buffer.byteLength(body));
  if (!isOfLength) headers.delete('content-length');
  // The core does not tell the words that came with the status: those of HTTP's own, as every server says them.
  const statusText = /** @type {any} */ (head)?.statusText ?? statusCodes()[status] ?? '';
  const response = new Response(body, { status, statusText, headers });
  if (head?.url) Object.defineProperty(response, 'url', { value: head.url });
  return response;
}

/** @param {string} text JSON of a {@link Meta} @returns {() => Meta} */
function readOnce(text) {
  /** @type {Meta | undefined} */
  let meta;
  return () => (meta ??= /** @type {Meta} */ (JSON.parse(text)));
}

/**
 * Made apart from the answer, whose text would else be held by the completion for as long as that is kept.
 * @param {number} call @param {() => Meta} meta
 */
function makerOf(call, meta) {
  return () => openpipeOf(call, meta);
}

/** A completion from an upstream of the core's own. */
class CompletionAnswer {
  /**
   * @param {number} call @param {string | null} requestId @param {string} text @param {string} meta JSON of a {@link Meta}
   * @param {import('../sdk/logging.js').CallLog} [log]
   */
  constructor(call, requestId, text, meta, log) {
    this.call = call;
    this.requestId = requestId;
    this.text = text;
    this.meta = readOnce(meta);
    this.log = log;
    /** @type {Response | undefined} */
    this.madeResponse = undefined;
  }

  /** What `asResponse()` gives. */
  get response() {
    this.madeResponse ??= responseOf(this.meta().head, this.text, 'application/json');
    return this.madeResponse;
  }

  /** What `await` gives. */
  value() {
    const completion = JSON.parse(this.text);
    Object.defineProperty(completion, '_request_id', { value: this.requestId, enumerable: false });
    defineOpenpipe(completion, makerOf(this.call, this.meta));
    this.log?.parsed(this.meta().head, completion, this.text.length);
    return completion;
  }
}

module.exports = { CompletionAnswer, defineOpenpipe, openpipeOf, promiseClass, responseOf };
