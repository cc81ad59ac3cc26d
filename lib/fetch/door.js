'use strict';
/** The state of one function that `createFetch` made, shared by its calls. */

const { jsonForCore } = require('../host-client/untrusted.js');
const native = require('../native/native.js');
const { readEnv } = require('../native/environment.js');
const { isFetchReplaced, isMock } = require('../native/replaced-fetch.js');
const { OPENPIPE_URL } = require('../options/openpipe.js');
const reports = require('../reports/reports.js');
const { forCore } = require('../reports/sinks.js');
const transports = require('../reports/transports.js');
const { flushTime } = require('../options/checks.js');
const { Warnings } = require('../native/warnings.js');
const { openaiError } = require('./failures.js');
const { Repeats } = require('./repeats.js');
const { readOptions } = require('./options.js');

const MISSING_OPENPIPE_KEY =
  'there is no OpenPipe key: set the environment variable OPENPIPE_API_KEY, or the option `apiKey` of createFetch';

const BYPASSES_THE_MOCK =
  'the global `fetch` has become a mock, and requests bypass it and go to the real API: call createFetch when the mock is in place, ' +
  'and without `transport: "native"`';

/** @typedef {{ create(body: string, options: string | null): number }} Side */

class Door {
  #warnings = new Warnings();
  /** @type {Side | undefined} */ #side;
  #family = native.newFamily();

  /** @param {any} given */
  constructor(given) {
    /** The logger of warnings and its level, by the SDK's names. */
    this.logging = { logger: given?.logger, logLevel: given?.logLevel };
    /** Warns once. @type {(message: string) => void} */
    this.warn = (message) => {
      this.#warnings.warnOnce(this.logging, message);
    };
    this.options = readOptions(given, this.warn);
    /** The `fetch` below: it sends the requests that the engine does not take. */
    this.fetch = this.options.fetch ?? globalThis.fetch;
    this.repeats = new Repeats();
    /** The transport that the caller chose; `undefined` for the default, which is native. */
    this.transport = this.options.transport ?? readEnv('OPENPIPE_TRANSPORT');
    /** Whether all calls go through `fetch`: by the caller's choice, or because a test mocks it. */
    this.isThroughFetch = this.transport === 'fetch' || (this.transport !== 'native' && this.#isMocked());
    this.isClosed = false;
    this.apiKey = this.options.apiKey ?? readEnv('OPENPIPE_API_KEY');
    this.baseUrl = (this.options.baseUrl ?? readEnv('OPENPIPE_BASE_URL') ?? OPENPIPE_URL).replace(/\/+$/, '');
    if (this.options.reports?.some(({ file }) => file === undefined) && !this.apiKey) {
      throw openaiError(`${MISSING_OPENPIPE_KEY}: \`reports\` asks for OpenPipe`);
    }
    this.sinks = forCore(this.logging, this.options.reports);
    reports.start(this.logging);
  }

  /** Whether the `fetch` below is a mock. */
  #isMocked() {
    return (
      this.options.fetch === undefined && (isMock(this.fetch) || (this.fetch === globalThis.fetch && isFetchReplaced()))
    );
  }

  /** Warns if a test has replaced the global `fetch` since this was made: calls do not go through the mock then. */
  warnOfLateMock() {
    if (this.isThroughFetch || this.options.fetch !== undefined || !isFetchReplaced()) return;
    this.warn(BYPASSES_THE_MOCK);
  }

  /** The native side, made with the first call. @returns {Side} */
  get side() {
    this.#side ??= this.#makeSide();
    return this.#side;
  }

  #makeSide() {
    const { apiKey, baseUrl, options } = this;
    const config = jsonForCore({
      // There is no `openai` upstream: each call has the URL and headers of its request.
      openpipeUrl: baseUrl,
      reportUrl: apiKey ? `${baseUrl}/report` : undefined,
      reports: this.sinks,
      reportTransport: this.isThroughFetch
        ? transports.numberOf(this.#family, { fetch: options.fetch, fetchOptions: undefined })
        : undefined,
      openpipeKey: apiKey,
      openpipeMissingKey: apiKey ? undefined : MISSING_OPENPIPE_KEY,
      timeout: options.timeout,
      maxRetries: options.maxRetries,
    });
    try {
      return native.nativeCompletions(`${config.slice(0, -1)},"options":${options.written}}`, this.#family);
    } catch (error) {
      throw native.refusalOf(error);
    }
  }

  /** Whether a call has another target to move on to. @param {unknown} own Its own `fallback`, where it has one. */
  hasFallback(own) {
    if (own === undefined) return this.options.hasFallback;
    return Array.isArray(own) ? own.length > 0 : Boolean(own);
  }

  /** Delivers the reports that are queued. @param {{ timeout?: number } | undefined} [options] */
  async flush(options) {
    return reports.flush(this.#family, flushTime(options));
  }

  /** Refuses new calls, delivers the queued reports, and releases everything native. */
  async close() {
    this.isClosed = true;
    this.#side = undefined;
    await reports.flush(this.#family);
  }
}

module.exports = { Door };
