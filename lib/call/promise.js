'use strict';
/** The SDK's promise of a request (`APIPromise`), which is settled by an answer of the engine. */

const { Answer, StreamAnswer } = require('./answer.js');
const { defineOpenpipe } = require('./openpipe-member.js');

/** Promises may be of any make: another global `Promise`, or an SDK of its own. @param {any} value @returns {value is PromiseLike<any>} */
function isThenable(value) {
  return typeof value?.then === 'function';
}

/** How the SDK reads responses that it got itself. @type {WeakMap<object, (client: any, props: any) => any>} */
const parsers = new WeakMap();

/**
 * Wraps the SDK's own promise of a request that the engine does not run, so that it is read like an answer of the engine.
 * @param {any} promise The SDK's.
 */
async function passOn(promise) {
  const props = await promise.responsePromise;
  parsers.set(props, promise.parseResponse);
  return props;
}

/** What the SDK's promise is given to parse by. @param {any} client @param {any} props */
function parseAnswer(client, props) {
  const parse = parsers.get(props);
  return parse ? parse(client, props) : props.parsed();
}

/** The promise itself, which is found through a proxy around it too. */
const itself = Symbol('openpipe-native.itself');

/**
 * The SDK's `parse`, but that a proxy around the promise (langsmith's) can call it: that has none of the private fields.
 * @this {any}
 */
function parse() {
  return Object.getPrototypeOf(this).parse.call(this[itself]);
}

/**
 * The SDK's promise of a request.
 * @param {import('../sdk/state.js').State} state @param {Promise<any>} answered
 */
function newPromise({ sdk, client, thenUnwrap }, answered) {
  return prepared(new sdk.APIPromise(client, answered, parseAnswer), sdk, thenUnwrap);
}

/** @param {any} promise @param {import('../sdk/sdk.js').Sdk} sdk @param {Function} thenUnwrap */
function prepared(promise, sdk, thenUnwrap) {
  promise[itself] = promise;
  promise.parse = parse;
  promise._thenUnwrap = thenUnwrap;
  if ((sdk.major ?? 0) >= 7) promise.withResponse = withResponse;
  return promise;
}

/** As openai 7's, which waits for the one after the other, so that an error names the function that waits. @this {any} */
async function withResponse() {
  const data = await this.parse();
  const { response } = await this.responsePromise;
  return { data, response, request_id: response.headers.get('x-request-id') };
}

/**
 * A client's `_thenUnwrap`, by which the SDK dresses what its promises come to: what it makes is an object of its own at times
 * (`parse()`), and keeps `openpipe`. The SDK's would make the response for the sake of the id of the request.
 * @param {import('../sdk/sdk.js').Sdk} sdk @param {any} client
 */
function unwrapperOf(sdk, client) {
  /** @this {any} @param {(value: any, props: any) => any} transform */
  return function thenUnwrap(transform) {
    const { parseResponse } = this;
    /** @param {any} parser @param {any} props */
    const parseAndDress = (parser, props) => {
      const dress = (/** @type {any} */ value) => dressed(value, transform(value, props), props);
      const value = parseResponse(parser, props);
      return isThenable(value) ? value.then(dress) : dress(value);
    };
    return prepared(new sdk.APIPromise(client, this.responsePromise, parseAndDress), sdk, thenUnwrap);
  };
}

/** @param {any} value @param {any} made What the SDK made of it. @param {any} props */
function dressed(value, made, props) {
  if (!(made instanceof Object) || Array.isArray(made)) return made;
  if (made !== value && Object.hasOwn(Object(value), 'openpipe')) defineOpenpipe(made, () => value.openpipe);
  if (props instanceof StreamAnswer) props.dress();
  // A custom client's own object is left as it is.
  if (made === value && props.isCustom) return made;
  const id = props instanceof Answer ? props.requestId : props.response.headers.get('x-request-id');
  // Not where it is frozen.
  Reflect.defineProperty(made, '_request_id', { value: id ?? null, enumerable: false });
  return made;
}

module.exports = { isThenable, newPromise, passOn, unwrapperOf };
