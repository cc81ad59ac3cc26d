'use strict';
/**
 * The class of our responses: a `Response` of the platform, with the URL, redirect and type of one that `fetch` gave.
 *
 * In Node.js, headers and the stream of a body that is here as text are made when they are first looked at. To make a `Response`
 * with both costs there three times what the rest of a call does, and most callers read `json()` and nothing else.
 */

/** Whether the runtime is Node.js, whose `Response` is written in JavaScript. The others read its insides natively. */
const IS_NODE = !process.versions['bun'] && !process.versions['deno'];
/** Statuses whose response has no body. */
const WITHOUT_BODY = [204, 205, 304];

/**
 * What a response is made of.
 * @typedef {object} Content
 * @property {string | ReadableStream} body
 * @property {{ status: number, statusText: string }} init
 * @property {() => [string, string][] | Headers} headers Called once at most.
 * @property {() => string} url Where it came from.
 * @property {() => boolean} redirected
 * @property {(response: Response) => void} dress Called for the response and for each of its clones.
 */

/** @typedef {new (body: string | ReadableStream | null, init: object) => Response} ResponseClass */

/** @param {ResponseClass} Platform The global `Response`. */
function makeClass(Platform) {
  class Answer extends Platform {
    #content;
    /** A body that nobody has read or looked at yet. @type {string | undefined} */
    #text;
    #isTextRead = false;
    /** Has the body, where that is a text. @type {Response | undefined} */
    #whole;
    /** @type {Headers | undefined} */
    #headers;

    /** @param {Content} content */
    constructor(content) {
      const { body, init, headers } = content;
      const sent = WITHOUT_BODY.includes(init.status) ? null : body;
      // A byte order mark is for the platform to take off.
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

    /** One that was made by hand says `default`. */
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
      const headers = () => new Headers(this.headers);
      // Refuses where the body is used.
      const { body } = this.#text === undefined ? super.clone() : this.#withBody(this.#text).clone();
      return new Answer({ ...content, headers, body: this.#text ?? /** @type {ReadableStream} */ (body) });
    }

    /** The text of a body that nobody has looked at, which is used by that. */
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
      // Locked and used, as a body is that was read.
      if (this.#isTextRead) this.#whole.body?.getReader().cancel().catch(ignore);
      return this.#whole;
    }

    /** Not in every Node.js. @param {Answer} response */
    static bytes(response) {
      return response.#read('bytes');
    }
  }
  const { prototype } = Answer;
  // As of `fetch`: it is a subclass by how it is made, not by what it is for the caller.
  Object.defineProperty(prototype, 'constructor', { value: Platform, configurable: true, writable: true });
  if ('bytes' in Platform.prototype) {
    const value = /** @this {Answer} */ async function bytes() {
      return Answer.bytes(this);
    };
    Object.defineProperty(prototype, 'bytes', { value, configurable: true, writable: true });
  }
  return Answer;
}

const ignore = () => {};

/** @type {{ Platform: ResponseClass, Answer: ReturnType<typeof makeClass> } | undefined} */
let made;

/** A response of the class that is the global `Response` at this moment. @param {Content} content @returns {Response} */
function newResponse(content) {
  const Platform = /** @type {ResponseClass} */ (globalThis.Response);
  if (made?.Platform !== Platform) made = { Platform, Answer: makeClass(Platform) };
  return new made.Answer(content);
}

module.exports = { newResponse };
