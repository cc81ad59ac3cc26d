'use strict';
/**
 * The class of the responses: a subclass of the platform's `Response`, with the `url`, `redirected` and `type` of a fetched one.
 *
 * In Node.js the headers, and the stream of a body that is a text, are made lazily: making a `Response` with both takes as long as the rest
 * of a call, and most callers only call `json()`.
 */

/** Whether the runtime is Node.js, whose `Response` is written in JavaScript. Other runtimes read its internal slots, not the overridden members. */
const IS_NODE = !process.versions['bun'] && !process.versions['deno'];
/** Statuses whose response has no body. */
const WITHOUT_BODY = [204, 205, 304];

/**
 * The parts of a response.
 * @typedef {object} Content
 * @property {string | ReadableStream} body
 * @property {{ status: number, statusText: string }} init
 * @property {() => [string, string][] | Headers} headers Called at most once.
 * @property {() => string} url The URL of the upstream that answered.
 * @property {() => boolean} redirected
 * @property {(response: Response) => void} dress Called for the response and for each of its clones.
 */

/** @typedef {new (body: string | ReadableStream | null, init: object) => Response} ResponseClass */

/** @param {ResponseClass} Platform The global `Response`. */
function makeClass(Platform) {
  class FetchedResponse extends Platform {
    #content;
    /** The body, where it is a text whose stream is not made yet. @type {string | undefined} */
    #text;
    #isTextRead = false;
    /** The platform's response with the body, once it is made. @type {Response | undefined} */
    #whole;
    /** @type {Headers | undefined} */
    #headers;

    /** @param {Content} content */
    constructor(content) {
      const { body, init, headers } = content;
      const sent = WITHOUT_BODY.includes(init.status) ? null : body;
      // Not for a text with a byte order mark, which the platform removes.
      const isLate = IS_NODE && typeof sent === 'string' && !sent.startsWith('\ufeff');
      super(isLate ? null : sent, IS_NODE ? init : { ...init, headers: headers() });
      this.#content = content;
      if (isLate) this.#text = sent;
      content.dress(this);
    }

    get headers() {
      if (!IS_NODE) return super.headers;
      this.#headers ??= new Headers(this.#content.headers());
      return this.#headers;
    }

    get url() {
      return this.#content.url();
    }

    get redirected() {
      return this.#content.redirected();
    }

    /** Of a response made by a constructor it would be `default`. */
    get type() {
      return /** @type {const} */ ('basic');
    }

    get body() {
      return this.#text === undefined ? super.body : this.#withBody(this.#text).body;
    }

    get bodyUsed() {
      return this.#isTextRead || (this.#whole ? this.#whole.bodyUsed : super.bodyUsed);
    }

    async text() {
      return this.#take() ?? this.#read('text');
    }

    async json() {
      const text = this.#take();
      return text === undefined ? this.#read('json') : JSON.parse(text);
    }

    async arrayBuffer() {
      return this.#read('arrayBuffer');
    }

    async blob() {
      return this.#read('blob');
    }

    async formData() {
      return this.#read('formData');
    }

    clone() {
      const content = this.#content;
      // A copy, so that later changes of one response's headers do not affect the other.
      const copy = new Headers(this.headers);
      const headers = () => copy;
      // Throws where the body was used, as `clone` must.
      const { body } = this.#text === undefined ? super.clone() : this.#withBody(this.#text).clone();
      return new FetchedResponse({ ...content, headers, body: this.#text ?? /** @type {ReadableStream} */ (body) });
    }

    /** The body's text where its stream was not made, which uses the body; else `undefined`. */
    #take() {
      if (this.#text === undefined || this.#isTextRead || this.#whole) return undefined;
      this.#isTextRead = true;
      return this.#text;
    }

    /** @param {'text' | 'json' | 'arrayBuffer' | 'blob' | 'formData' | 'bytes'} method @returns {Promise<any>} */
    #read(method) {
      if (this.#text === undefined) return super[method]();
      return this.#withBody(this.#text)[method]();
    }

    /** @param {string} text */
    #withBody(text) {
      if (this.#whole) return this.#whole;
      this.#whole = new Platform(text, { headers: this.headers });
      // The text was read already, so the body must be locked and used.
      if (this.#isTextRead) this.#whole.body?.getReader().cancel().catch(ignore);
      return this.#whole;
    }

    /** The method `bytes`, which is added where the platform has it. @param {FetchedResponse} response */
    static bytes(response) {
      return response.#read('bytes');
    }
  }
  const { prototype } = FetchedResponse;
  // `response.constructor` is the platform's class, as of a fetched response.
  Object.defineProperty(prototype, 'constructor', { value: Platform, configurable: true, writable: true });
  if ('bytes' in Platform.prototype) {
    const value = /** @this {FetchedResponse} */ async function bytes() {
      return FetchedResponse.bytes(this);
    };
    Object.defineProperty(prototype, 'bytes', { value, configurable: true, writable: true });
  }
  return FetchedResponse;
}

const ignore = () => {};

/** @type {{ Platform: ResponseClass, FetchedResponse: ReturnType<typeof makeClass> } | undefined} */
let made;

/** A response of the class that is the global `Response` at this moment. @param {Content} content @returns {Response} */
function newResponse(content) {
  const Platform = /** @type {ResponseClass} */ (globalThis.Response);
  if (made?.Platform !== Platform) made = { Platform, FetchedResponse: makeClass(Platform) };
  return new made.FetchedResponse(content);
}

module.exports = { newResponse };
