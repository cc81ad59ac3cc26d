'use strict';
/**
 * Detects that a test has replaced the global `fetch` (msw, nock, `vi.stubGlobal`, undici's `MockAgent`). Native requests would bypass the
 * mock and reach the real API, so they then go through `fetch`, as those of the `openai` package do.
 *
 * Frameworks and monitoring tools replace `fetch` as well: outside of test runners only a known mock counts.
 */

/** The source of Node's own `fetch`, which loads undici at its first call. */
const OWN_SOURCE = /^function fetch\(input, init = undefined\) \{[^]*undici/;
/** The source of Bun's and Deno's `fetch`, and of bound functions. */
const NATIVE_SOURCE = /\[native code\]\s*\}$/;
/** Variables that vitest, jest, `node --test`, tap and Playwright set. */
const RUNNER_VARIABLES = ['VITEST', 'JEST_WORKER_ID', 'NODE_TEST_CONTEXT', 'TAP', 'TEST_WORKER_INDEX'];
/** The members by which mocks are recognized: of vi.fn and jest.fn, sinon, node:test and Bun, fetch-mock. */
const MOCK_MEMBERS = ['_isMockFunction', 'isSinonProxy', 'mock', 'fetchMock'];

/** Functions made by `createFetch`, which a program may have set as the global `fetch`. @type {WeakSet<object>} */
const ours = new WeakSet();

/** @type {unknown} */
let lastFetch;
/** @type {unknown} */
let lastDispatcher;
let lastAnswer = false;

/** Whether the global `fetch` is replaced now. It runs for each call, so the last result is cached. */
function isFetchReplaced() {
  const { fetch } = globalThis;
  const dispatcher = /** @type {any} */ (globalThis)[Symbol.for('undici.globalDispatcher.1')];
  if (fetch === lastFetch && dispatcher === lastDispatcher) return lastAnswer;
  lastFetch = fetch;
  lastDispatcher = dispatcher;
  lastAnswer = isMock(fetch) || isMockAgent(dispatcher);
  return lastAnswer;
}

/** Whether a function is a test's replacement of `fetch`. @param {unknown} fetch */
function isMock(fetch) {
  if (typeof fetch !== 'function' || ours.has(fetch)) return false;
  try {
    if (MOCK_MEMBERS.some((name) => Boolean(/** @type {any} */ (fetch)[name])) || isPatchedByMsw(fetch)) return true;
    return !isRuntimesOwn(fetch) && isTest();
  } catch {
    return false;
  }
}

/** Whether `@mswjs/interceptors` (msw, nock) has patched `fetch`: it sets a global, older versions a member of the function. @param {Function} fetch */
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

/** Whether this runs under a test runner. Not under happy-dom, whose own `fetch` is no mock. */
function isTest() {
  const all = /** @type {any} */ (globalThis);
  if (all.happyDOM !== undefined) return false;
  if (process.env.NODE_ENV === 'test' || RUNNER_VARIABLES.some((name) => process.env[name] !== undefined)) return true;
  if (typeof all.describe === 'function' && typeof all.it === 'function') return true;
  // A file with `node:test` that is run without the runner.
  return /** @type {any} */ (process).moduleLoadList?.includes('NativeModule test') === true;
}

/** @param {any} dispatcher The global one of undici, which Node's own `fetch` uses too. */
function isMockAgent(dispatcher) {
  return typeof dispatcher?.pendingInterceptors === 'function';
}

/** The original of each function of `followingMocks`. @type {WeakMap<Function, any>} */
const followed = new WeakMap();

/**
 * A `fetch` that calls the global one while that is replaced, and `given` otherwise: a client may be made before the mock is set.
 * @param {any} given
 */
function followingMocks(given) {
  const following = (/** @type {any[]} */ ...args) =>
    (isFetchReplaced() ? globalThis.fetch : given).apply(undefined, args);
  followed.set(following, given);
  return following;
}

/** The original of a function of `followingMocks`; any other function itself. @param {any} fetch */
function followedBy(fetch) {
  return followed.get(fetch) ?? fetch;
}

/** Marks a function of `createFetch`, so that it does not count as a mock. @param {object} fetch */
function markOurs(fetch) {
  ours.add(fetch);
}

module.exports = { followedBy, followingMocks, isFetchReplaced, isMock, markOurs };
