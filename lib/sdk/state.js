'use strict';
/** The state of a client beyond the SDK's: its `openpipe` options, its custom clients, and its native side. */

const { unwrapperOf } = require('../call/promise.js');
const { identityOf, keysIn } = require('../host-client/identity.js');
const { SDK_OPENAI, SDK_OPENPIPE, SDK_UPSTREAMS } = require('../host-client/numbers.js');
const { jsonForCore } = require('../host-client/untrusted.js');
const { readEnv } = require('../native/environment.js');
const native = require('../native/native.js');
const { followedBy, followingMocks, isFetchReplaced, isMock } = require('../native/replaced-fetch.js');
const { functionOf, milliseconds, retries } = require('../options/checks.js');
const { keyHeaders } = require('../options/client-options.js');
const { hasDefaultHeader } = require('../options/headers.js');
const { OPENPIPE_URL } = require('../options/openpipe.js');
const reports = require('../reports/reports.js');
const { forCore } = require('../reports/sinks.js');
const transports = require('../reports/transports.js');
const { hasKey, hasPassword, requestWithKey, placeOf, urlOf, withoutSecret } = require('./own-upstream.js');
const { SdkTransport } = require('./sdk-transport.js');
const { GETTERS, FUNCTIONS, HOOKS, hasFunctions, hasMembers, membersOf } = require('./snapshot.js');

/** @typedef {import('../options/writer.js').CustomClient} CustomClient */
/** @typedef {import('../options/client-options.js').ClientOptions} ClientOptions */

const CHAT = '/chat/completions';

/** Which options the user gave to the constructor, as opposed to the SDK's defaults. */
/** @typedef {{ maxRetries: boolean, fetch: boolean, fetchOptions: boolean, httpAgent: boolean }} Given */

class State {
  /**
   * @param {import('./sdk.js').Sdk} sdk
   * @param {any} client
   * @param {ClientOptions} options
   * @param {CustomClient[]} clients By the numbers with which `options` refers to them.
   * @param {unknown} openpipe The `openpipe` option as the user gave it, for `withOptions`.
   * @param {Given} given
   * @param {import('../native/warnings.js').Warnings} warnings
   * @param {import('../native/native.js').Family} [family] The family of the client that this one was made from by `withOptions`.
   */
  constructor(sdk, client, options, clients, openpipe, given, warnings, family = native.newFamily()) {
    this.sdk = sdk;
    this.client = client;
    this.options = options;
    this.clients = clients;
    this.openpipe = openpipe;
    this.given = given;
    this.family = family;
    this.warnings = warnings;
    this.apiKey = options.apiKey ?? readEnv('OPENPIPE_API_KEY');
    this.baseUrl = (options.baseUrl ?? readEnv('OPENPIPE_BASE_URL') ?? OPENPIPE_URL).replace(/\/+$/, '');
    this.initialMaxRetries = client.maxRetries;
    this.initialFetch = client.fetch;
    /** The global `fetch` when the client was made. */
    this.sdkFetch = followedBy(client.fetch);
    this.wasMocked = isMock(this.sdkFetch);
    /** The transport that the caller chose; `undefined` for the default, which is native. */
    this.transport = options.transport ?? transportOf(readEnv('OPENPIPE_TRANSPORT'));
    /** Requests go through `fetch` because a test has replaced it. */
    this.isMocked = false;
    /** URL and headers of the client's own upstream, as the native sides have them. @type {{ baseUrl?: string, url: string, headers: [string, string][] }} */
    this.own = { url: '', headers: [] };
    /** The client's properties from which the native sides were made. @type {any} */
    this.seen = undefined;
    /** A function returns the key: the native side has it called for each request that needs the key. */
    this.keyIsFunction = false;
    this.needsSdk = false;
    /** @type {Record<'native' | 'sdk', NativeCompletions | Promise<NativeCompletions> | undefined>} */
    this.natives = { native: undefined, sdk: undefined };
    this.sdkTransport = new SdkTransport(this);
    this.closed = false;
    /** `_thenUnwrap` of the promises of this client's calls. */
    this.thenUnwrap = unwrapperOf(sdk, client);
    if (options.reports?.some(({ file }) => file === undefined) && !this.apiKey) {
      throw new sdk.OpenAIError(`${MISSING_OPENPIPE_KEY}: \`openpipe.reports\` asks for OpenPipe`);
    }
    this.sinks = forCore(client, options.reports);
    reports.start(client);
  }

  /** Refuses new calls; running ones continue. */
  close() {
    this.closed = true;
    this.seen = undefined;
    this.natives = { native: undefined, sdk: undefined };
    this.sdkTransport.clear();
  }

  /** Warns of something, once for this client and those made from it. @param {string} message */
  warnOnce(message) {
    this.warnings.warnOnce(this.client, message);
  }

  /** Whether every upstream is called through JavaScript's `fetch`: an option of the constructor says how requests leave the machine. */
  #isAllThroughSdk() {
    const { given } = this;
    return this.transport === 'fetch' || this.isMocked || given.fetch || given.fetchOptions || given.httpAgent;
  }

  /** Whether a test has replaced the global `fetch`, now or when the client was made. */
  #isFetchMocked() {
    if (this.given.fetch) return false;
    return isFetchReplaced() || this.wasMocked;
  }

  /** Sends requests through `fetch` while a test has replaced it, unless the caller chose the native transport. @param {boolean} isMocked */
  #followMocks(isMocked) {
    const { client, transport } = this;
    if (isMocked && transport === 'native') this.warnOnce(BYPASSES_THE_MOCK);
    this.isMocked = isMocked && transport !== 'native';
    if (!this.isMocked || client.fetch !== this.initialFetch) return;
    // The SDK keeps the `fetch` that was global when the client was made.
    client.fetch = this.initialFetch = followingMocks(this.sdkFetch);
  }

  /** Whether the client's own upstream has to be called through the SDK. */
  #needsSdk() {
    const { client } = this;
    return (
      this.#isAllThroughSdk() ||
      client.fetch !== this.initialFetch ||
      Boolean(client._provider ?? client._workloadIdentityAuth) ||
      HOOKS.some((hook) => this.#isOwn(hook))
    );
  }

  /** Whether a method of the client is not the SDK's. @param {string} name */
  #isOwn(name) {
    return this.client[name] !== this.sdk.Base.prototype[name];
  }

  /**
   * The native side for the client's present state; a promise where it has to be made first.
   * @param {boolean} throughSdk This call has options that only the SDK's transport can honour.
   * @returns {NativeCompletions | Promise<NativeCompletions>}
   */
  native(throughSdk) {
    const isCurrent = this.#isCurrent();
    const sdk = throughSdk || this.needsSdk;
    const name = sdk ? 'sdk' : 'native';
    const known = isCurrent ? this.natives[name] : undefined;
    return known ?? this.#make(sdk, name);
  }

  /**
   * Makes a native side, once for all calls that wait for it (single flight).
   * A failure is not kept: the next call tries again.
   * @param {boolean} sdk @param {'native' | 'sdk'} name @returns {Promise<NativeCompletions>}
   */
  #make(sdk, name) {
    const { natives } = this;
    const made = this.#nativeSide(sdk).then(
      (completions) => (natives[name] = completions),
      (error) => {
        natives[name] = undefined;
        throw error;
      },
    );
    natives[name] = made;
    return made;
  }

  /** Whether nothing has been set on the client since its native sides were made. Remembers its present state. */
  #isCurrent() {
    const { client, seen } = this;
    const options = client._options;
    if (
      seen !== undefined &&
      // Where a function returns the key, the SDK sets `client.apiKey` itself: that is no change by the user.
      (this.keyIsFunction || seen.apiKey === client.apiKey) &&
      seen.baseURL === client.baseURL &&
      seen.timeout === client.timeout &&
      seen.maxRetries === client.maxRetries &&
      seen.organization === client.organization &&
      seen.project === client.project &&
      seen.adminAPIKey === client.adminAPIKey &&
      seen.fetch === client.fetch &&
      seen.isFetchMocked === this.#isFetchMocked() &&
      seen.defaultHeaders === options.defaultHeaders &&
      seen.defaultQuery === options.defaultQuery &&
      hasFunctions(client, seen.functions) &&
      hasMembers(options.defaultHeaders, seen.headers) &&
      hasMembers(options.defaultQuery, seen.query)
    ) {
      return true;
    }
    const isFetchMocked = this.#isFetchMocked();
    this.#followMocks(isFetchMocked);
    const { apiKey, baseURL, timeout, maxRetries, organization, project, adminAPIKey, fetch } = client;
    const { defaultHeaders, defaultQuery } = options;
    milliseconds('timeout', timeout);
    retries('maxRetries', maxRetries);
    functionOf('fetch', fetch);
    this.seen = {
      ...{ apiKey, baseURL, timeout, maxRetries, organization, project, adminAPIKey, fetch },
      ...{ defaultHeaders, defaultQuery, isFetchMocked },
      functions: GETTERS.some((name) => this.#isOwn(name))
        ? undefined
        : Object.fromEntries(FUNCTIONS.map((name) => [name, client[name]])),
      headers: membersOf(defaultHeaders),
      query: membersOf(defaultQuery),
    };
    this.keyIsFunction = typeof options.apiKey === 'function' && !options.apiKey.openpipeMissing;
    this.natives = { native: undefined, sdk: undefined };
    this.sdkTransport.clear();
    this.needsSdk = this.#needsSdk();
    return false;
  }

  /** @param {boolean} sdk @returns {Promise<NativeCompletions>} */
  async #nativeSide(sdk) {
    const openai = await this.#ownUpstream(sdk);
    this.own = openai;
    const { client, options, given } = this;
    const isAllThroughSdk = this.#isAllThroughSdk();
    const isRefused = isAllThroughSdk && !given.fetch && hasPassword(this.baseUrl);
    const apiKey = isRefused ? undefined : this.apiKey;
    const numbers = options.upstreams.map(({ name }, index) => [name, SDK_UPSTREAMS + index]);
    const config = jsonForCore({
      openai,
      openpipeUrl: this.baseUrl,
      reportUrl: apiKey ? `${this.baseUrl}/report` : undefined,
      reports: this.sinks,
      openpipeKey: apiKey,
      openpipeMissingKey: apiKey ? undefined : MISSING_OPENPIPE_KEY,
      openpipeInvalid: isRefused ? `\`openpipe.baseUrl\` ${PASSWORD}` : undefined,
      openpipeClient: isAllThroughSdk ? SDK_OPENPIPE : undefined,
      reportTransport: isAllThroughSdk ? this.#reportTransport() : undefined,
      upstreamClients: isAllThroughSdk ? Object.fromEntries(numbers) : undefined,
      keepsTimeout: hasDefaultHeader(client, 'x-stainless-timeout') || undefined,
      timeout: client.timeout === Infinity ? 'Infinity' : client.timeout,
      maxRetries: given.maxRetries || client.maxRetries !== this.initialMaxRetries ? client.maxRetries : undefined,
    });
    return native.nativeCompletions(`${config.slice(0, -1)},"options":${options.written}}`, this.family);
  }

  /** The number of the `fetch` by which reports are sent. */
  #reportTransport() {
    const { client, given } = this;
    return transports.numberOf(this.family, {
      fetch: given.fetch || this.isMocked ? client.fetch : undefined,
      fetchOptions: given.fetchOptions ? client.fetchOptions : undefined,
    });
  }

  /**
   * The URLs, headers and secrets for the log of a call.
   * @param {boolean} throughSdk As for `native`. @param {import('../options/endpoints.js').Endpoint} endpoint @returns {import('./logging.js').Places}
   */
  places(throughSdk, { path }) {
    const { client } = this;
    return {
      url: (name) => (name === 'openai' ? this.own.url : this.#urlOf(name, path)),
      headers: (name) => (name === 'openai' || name === 'openpipe' ? this.own.headers : this.#upstream(name).headers),
      isLoggedBySdk: (name) => this.#isLoggedBySdk(name, throughSdk),
      upstreams: this.options.upstreams.map(({ name }) => name),
      showsBodies: (this.sdk.major ?? 0) < 7,
      cached: this.options.cached,
      secrets: () =>
        [client.apiKey, client.adminAPIKey, this.apiKey, ...this.options.upstreams.flatMap(keysIn)].filter(
          (key) => typeof key === 'string' && key !== '',
        ),
    };
  }

  /** The client's own upstream as the core reads it: URL, and every header that the SDK would send. @param {boolean} sdk Through the SDK's transport. */
  async #ownUpstream(sdk) {
    const { client, keyIsFunction } = this;
    const missingKey = hasKey(client) ? undefined : MISSING_KEY;
    if (sdk) {
      const url = urlOf(client, CHAT);
      const isRefused = !this.given.fetch && hasPassword(url);
      const identity = identityOf(client);
      // OpenPipe is still called natively, unless all requests go through `fetch`.
      const headers = !this.#isAllThroughSdk() ? await this.sdkTransport.openpipeHeaders() : [];
      return {
        ...placeOf(url),
        headers,
        missingKey,
        invalid: isRefused ? HAS_PASSWORD : undefined,
        client: SDK_OPENAI,
        identity,
      };
    }
    if (!missingKey && !keyIsFunction) return this.#build(requestWithKey());
    // The request is built without a key: only a target that needs the key waits for the function that returns it, and where there is
    // none the SDK would refuse to build a request that needs it.
    const keyless = { ...requestWithKey(), __security: {}, headers: { authorization: null } };
    const own = await this.#build(keyless);
    return keyIsFunction ? { ...own, keyIsFunction: true, identity: identityOf(client) } : { ...own, missingKey };
  }

  /**
   * The headers of an upstream whose key a function returns: all headers of the client's own upstream, the key's of a declared one.
   * @param {string} upstream @returns {Promise<[string, string][]>}
   */
  async headersOf(upstream) {
    if (upstream === 'openai') return (await this.#build(requestWithKey())).headers;
    return keyHeaders(this.options, upstream);
  }

  /** @param {string} name */
  #upstream(name) {
    const known = this.options.upstreams.find((upstream) => upstream.name === name);
    return known ?? { name, baseUrl: '', query: [], headers: [], removed: [], keyIsFunction: false };
  }

  /** Whether an upstream is called through the SDK's transport, which logs for itself. @param {string} name @param {boolean} throughSdk */
  #isLoggedBySdk(name, throughSdk) {
    if (name === 'openai') return throughSdk || this.needsSdk;
    return this.#isAllThroughSdk();
  }

  /** An upstream's URL for the log. @param {string} name @param {string} path */
  #urlOf(name, path) {
    const base = name === 'openpipe' ? this.baseUrl : this.#upstream(name).baseUrl;
    return `${base.replace(/\/+$/, '')}${path}`;
  }

  /** The URL and headers that the SDK makes for a request. @param {any} request */
  async #build(request) {
    const { client } = this;
    try {
      // openai 5 and 6 call the function that returns the key here; 7 does so in `buildRequest`.
      if (request.__security.bearerAuth) await client.prepareOptions(request);
      const { req, url } = await client.buildRequest(request, { retryCount: 0 });
      return { ...placeOf(url), headers: /** @type {[string, string][]} */ ([...req.headers.entries()]) };
    } catch (error) {
      throw withoutSecret(error, client);
    }
  }
}

const MISSING_KEY =
  'there is no OpenAI key: set the environment variable OPENAI_API_KEY, or the option `apiKey`, as in new OpenAI({ apiKey })';

const MISSING_OPENPIPE_KEY =
  'there is no OpenPipe key: set the environment variable OPENPIPE_API_KEY, or the option `openpipe.apiKey`';

const BYPASSES_THE_MOCK =
  'the global `fetch` is a mock, and native requests bypass it and reach the real API: remove `transport: "native"` to send them through the mock';

/** The transport that the environment names; `undefined` where it names none. @param {string | undefined} name @returns {'native' | 'fetch' | undefined} */
function transportOf(name) {
  return name === 'fetch' || name === 'native' ? name : undefined;
}

/** Refused here, because `fetch` would repeat the password in its error message. */
const PASSWORD = 'holds a user or a password, which `fetch` does not take';
const HAS_PASSWORD = `\`baseURL\` ${PASSWORD}`;

/** @typedef {{ create(body: string, options: string | null): number, home(id: string, others: string[]): string }} NativeCompletions */

module.exports = { MISSING_KEY, State };
