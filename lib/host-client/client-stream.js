'use strict';
/** Opens and closes the stream that a custom client returned. */

const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { read } = require('./untrusted.js');

/**
 * How long the caller's `break` out of a custom client's stream waits for the client's iterator, in milliseconds: first for the chunk that
 * is being read ahead, then for `return()`, which runs the iterator's `finally`. One that never settles must not block the caller.
 */
const RETURN_TIMEOUT = { chunk: 1000, cleanup: 4000 };

/** @param {any} value */
function isIterable(value) {
  try {
    return typeof value?.[Symbol.asyncIterator] === 'function';
  } catch {
    return false;
  }
}

/** Whether a stream is an SDK's `Stream`, as `openai`'s: it opens its iterator by a member function, which can be replaced. @param {any} stream */
function isSdkStream(stream) {
  return (
    typeof stream.iterator === 'function' &&
    typeof stream.tee === 'function' &&
    typeof stream.controller?.signal?.addEventListener === 'function' &&
    Object.isExtensible(stream)
  );
}

/**
 * The object on which a stream's iterator is opened: a shallow copy of an SDK's stream, and any other stream itself. A running generator
 * refers to that object, and an SDK's stream must be collectable when the caller drops it. The copy also keeps a tracing package's proxy
 * around the stream from seeing a second iteration.
 * @param {any} stream
 */
function openedOn(stream) {
  const isPlain = read(
    () =>
      isSdkStream(stream) &&
      typeof stream.constructor.fromSSEResponse === 'function' &&
      !Object.hasOwn(stream, Symbol.asyncIterator),
  );
  if (!isPlain) return stream;
  return Object.create(Object.getPrototypeOf(stream), Object.getOwnPropertyDescriptors(stream));
}

/** @param {any} stream */
function controllerOf(stream) {
  return read(() => stream.controller);
}

/**
 * Ends a client's stream: by its controller, and by its iterator's `return()` or its own `cancel()`.
 * @param {any} stream @param {AsyncIterator<any> | undefined} iterator @param {any} controller
 * @returns {Promise<void>} Settles when it is closed. Never rejects.
 */
function closeStream(stream, iterator, controller) {
  quietly(() => controller?.abort?.());
  if (iterator) return quietly(() => iterator.return?.());
  return quietly(() =>
    typeof stream.cancel === 'function' ? stream.cancel() : stream[Symbol.asyncIterator]().return?.(),
  );
}

/** Runs an action whose errors are ignored. @param {() => unknown} action @returns {Promise<void>} Settles when the action has. Never rejects. */
async function quietly(action) {
  try {
    await action();
  } catch {
    // An error while a stream is being closed changes nothing.
  }
}

/** Waits for the iterator, within `RETURN_TIMEOUT`. @param {Promise<unknown> | undefined} reading The chunk that is being read. @param {Promise<void>} returned */
async function afterReturn(reading, returned) {
  if (await settlesWithin(RETURN_TIMEOUT.chunk, reading)) await settlesWithin(RETURN_TIMEOUT.cleanup, returned);
}

/** @param {number} milliseconds @param {Promise<unknown> | undefined} promise */
async function settlesWithin(milliseconds, promise) {
  let cancel = () => {};
  const late = new Promise((resolve) => (cancel = clock.after(milliseconds, () => resolve(false))));
  // The waiting caller may be all that keeps the process alive.
  native.holdProcess();
  const hasSettled = await Promise.race([quietly(() => promise).then(() => true), late]);
  native.releaseProcess();
  cancel();
  return hasSettled === true;
}

module.exports = { afterReturn, closeStream, controllerOf, isIterable, isSdkStream, openedOn };
