'use strict';
/** Wraps the SDK's promise of a request: follows redirects within the origin, and takes secrets out of errors. */

const { withoutSecret } = require('./own-upstream.js');

/** As natively. */
const MAX_REDIRECTS = 5;

/**
 * Wraps the SDK's promise of a request: follows redirects within the origin that keep method and body.
 * @param {(path: string) => any} send @param {string} path @param {() => string} urlOfFirst
 */
function following(send, path, urlOfFirst) {
  const first = send(path);
  // The promise is in a box: it is not to be waited for, as that would read the answer.
  const last = (async () => {
    let promise = first;
    let url;
    for (let redirects = 0; ; redirects += 1) {
      try {
        await promise.responsePromise;
        return { promise };
      } catch (/** @type {any} */ error) {
        if (error?.status !== 307 && error?.status !== 308) return { promise };
        url ??= urlOfFirst();
        /** @type {string | undefined} */
        const next = redirects < MAX_REDIRECTS ? within(url, error.headers?.get?.('location')) : undefined;
        if (next === undefined) return { promise };
        url = next;
        promise = send(next);
      }
    }
  })();
  return {
    asResponse: () => last.then(({ promise }) => promise.asResponse()),
    then: (/** @type {any} */ resolved, /** @type {any} */ rejected) =>
      // Zone.js reads the state of what is an instance of its promises, and the SDK's promise has its answer in its `then` only.
      last.then(({ promise }) => promise.then(resolved, rejected)),
  };
}

/** Where a location leads, if that is within the origin. @param {string} url @param {unknown} location */
function within(url, location) {
  if (typeof location !== 'string' || !URL.canParse(location, url)) return undefined;
  const next = new URL(location, url);
  return next.origin === new URL(url).origin ? next.href : undefined;
}

/** Wraps a promise of the SDK's, and takes secrets out of its rejection. @param {any} promise @param {any} client */
function keepingSecrets(promise, client) {
  return {
    asResponse: () => promise.asResponse(),
    then: (/** @type {any} */ resolved, /** @type {any} */ rejected) =>
      promise.then(resolved, rejected && ((/** @type {unknown} */ error) => rejected(withoutSecret(error, client)))),
  };
}

module.exports = { following, keepingSecrets };
