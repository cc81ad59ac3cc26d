'use strict';
/**
 * Whether a test has put something in the place of the global `fetch` (msw, nock, `vi.stubGlobal`, undici's `MockAgent`). Native
 * requests would go past it, to the real API, so then they go through `fetch` like those of the `openai` package.
 *
 * Outside of tests `fetch` is replaced too, by frameworks and monitoring tools, which is no reason to leave the native way:
 * there only what is known to be a mock counts.
 */

/** The source of Node's own `fetch`, which loads undici at its first call. */
const OWN_SOURCE = /^function fetch\(input, init = undefined\) \{[^]*undici/;
/** Bun's and Deno's, and what was bound. */
const NATIVE_SOURCE = /\[native code\]\s*\}$/;
/** Set by vitest, jest, `node --test`, tap and Playwright for what they run. */
const RUNNER_VARIABLES = ['VITEST', 'JEST_WORKER_ID', 'NODE_TEST_CONTEXT', 'TAP', 'TEST_WORKER_INDEX'];
/** What mocks are known by: vi.fn and jest.fn, sinon, node:test and Bun, fetch-mock. */
const MOCK_MEMBERS = ['_isMockFunction', 'isSinonProxy', 'mock', 'fetchMock'];

/** Functions made by `createFetch`, which may stand in the place of the global `fetch`. @type {WeakSet<object>} */
const ours = new WeakSet();

/** @type {unknown} */
let lastFetch;
/** @type {unknown} */
let lastDispatcher;
let lastAnswer = false;

/** Whether requests are to go through the global `fetch`, as it is now. Each call asks, so the last answer is kept. */
function isFetchReplaced() {
  const { fetch } = globalThis;
  const dispatcher = /** @type {any} */ (globalThis)[Symbol.for('undici.globalDispatcher.1')];
  if (fetch === lastFetch && dispatcher === lastDispatcher) return lastAnswer;
  lastFetch = fetch;
  lastDispatcher = dispatcher;
  lastAnswer = isMock(fetch) || isMockAgent(dispatcher);
  return lastAnswer;
}

/** Whether a function stands in the place of Node's own `fetch` for a test. @param {unknown} fetch */
function isMock(fetch) {
  if (typeof fetch !== 'function' || ours.has(fetch)) return false;
  try {
    if (MOCK_MEMBERS.some((name) => Boolean(/** @type {any} */ (fetch)[name])) || isPatchedByMsw(fetch)) return true;
    return !isRuntimesOwn(fetch) && isTest();
  } catch {
    return false;
  }
}

/** By the marks of `@mswjs/interceptors`, which msw and nock use: a global, in older versions on the function. @param {Function} fetch */
function isPatchedByMsw(fetch) {
  const isIntercepting = /** @type {any} */ (globalThis)[Symbol.for('fetch-interceptor')] !== undefined;
  if (isIntercepting && fetch === globalThis.fetch && !isRuntimesOwn(fetch)) return true;
  return Object.getOwnPropertySymbols(fetch).some(({ description }) => description === 'isPatchedModule');
}

/** @param {Function} fetch */
function isRuntimesOwn(fetch) {
  const source = Function.prototype.toString.call(fetch);
  return OWN_SOURCE.test(source) || NATIVE_SOURCE.test(source);
}

/** Whether this runs under a test runner. happy-dom has a `fetch` of its own, which is a browser's. */
function isTest() {
  const all = /** @type {any} */ (globalThis);
  if (all.happyDOM !== undefined) return false;
  if (process.env.NODE_ENV === 'test' || RUNNER_VARIABLES.some((name) => process.env[name] !== undefined)) return true;
  if (typeof all.describe === 'function' && typeof all.it === 'function') return true;
  // `node:test` in a file that is run by itself.
  return /** @type {any} */ (process).moduleLoadList?.includes('NativeModule test') === true;
}

/** @param {any} dispatcher The global one of undici, which Node's own `fetch` uses too. */
function isMockAgent(dispatcher) {
  return typeof dispatcher?.pendingInterceptors === 'function';
}

/** What the functions of `followingMocks` were made with. @type {WeakMap<Function, any>} */
const followed = new WeakMap();

/**
 * A `fetch` that goes by the global one for as long as that is replaced, and else by the one given: a client may be made before
 * the mock is in place.
 * @param {any} given
 */
function followingMocks(given) {
  const following = (/** @type {any[]} */ ...args) =>
    (isFetchReplaced() ? globalThis.fetch : given).apply(undefined, args);
  followed.set(following, given);
  return following;
}

/** What stands behind a function of `followingMocks`; any other is itself. @param {any} fetch */
function followedBy(fetch) {
  return followed.get(fetch) ?? fetch;
}

/** Keeps a function of `createFetch` from being taken for a mock. @param {object} fetch */
function markOurs(fetch) {
  ours.add(fetch);
}

module.exports = { followedBy, followingMocks, isFetchReplaced, isMock, markOurs };
