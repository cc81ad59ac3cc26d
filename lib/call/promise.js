'use strict';
/** Makes the SDK's promises (`APIPromise`) for calls of the engine. */

const { Answer, StreamAnswer } = require('./answer.js');
const { defineOpenpipe } = require('./openpipe-member.js');

/** Whether a value is a promise of any class: of another global `Promise`, of a library. @param {any} value @returns {value is PromiseLike<any>} */
function isThenable(value) {
  return typeof value?.then === 'function';
}

/** The SDK's own parser of each response that the SDK received. @type {WeakMap<object, (client: any, props: any) => any>} */
const parsers = new WeakMap();

/**
 * The response of a request that the SDK sends, in a form that {@link parseAnswer} parses like an answer of the engine.
 * @param {any} promise The SDK's.
 */
async function passOn(promise) {
  const props = await promise.responsePromise;
  parsers.set(props, promise.parseResponse);
  return props;
}

/** The parser that the SDK's promises get: the SDK's own for a response of the SDK. @param {any} client @param {any} props */
function parseAnswer(client, props) {
  const parse = parsers.get(props);
  return parse ? parse(client, props) : props.parsed();
}

/** The member with the promise itself, which can also be read through a proxy around the promise. */
const itself = Symbol('openpipe-native.itself');

/**
 * The SDK's `parse`, which also works on a proxy around the promise (langsmith's): the SDK's reads private fields of `this`.
 * @this {any}
 */
function parse() {
  return Object.getPrototypeOf(this).parse.call(this[itself]);
}

/**
 * The SDK's promise of a call.
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

/** As openai 7's, but it waits for the two promises one after the other: so an error's stack names the caller. @this {any} */
async function withResponse() {
  const data = await this.parse();
  const { response } = await this.responsePromise;
  return { data, response, request_id: response.headers.get('x-request-id') };
}

/**
 * A client's `_thenUnwrap`, by which the SDK transforms the value of a promise. Where the transform makes another object (`parse()`)
 * that gets `openpipe` as well. The SDK's own would make a `Response` for each call, only to read the request's id from it.
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

/** Adds `openpipe` and `_request_id` to a transformed value. @param {any} value @param {any} made What the SDK made of it. @param {any} props */
function dressed(value, made, props) {
  if (!(made instanceof Object) || Array.isArray(made)) return made;
  if (made !== value && Object.hasOwn(Object(value), 'openpipe')) defineOpenpipe(made, () => value.openpipe);
  if (props instanceof StreamAnswer) props.dress();
  // A custom client's own object is not changed.
  if (made === value && props.isCustom) return made;
  const id = props instanceof Answer ? props.requestId : props.response.headers.get('x-request-id');
  // Returns false, and does not throw, where the object is frozen.
  Reflect.defineProperty(made, '_request_id', { value: id ?? null, enumerable: false });
  return made;
}

module.exports = { isThenable, newPromise, passOn, unwrapperOf };
