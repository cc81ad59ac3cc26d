'use strict';
/**
 * What a client of ours knows beyond the SDK's: its `openpipe` options, its JavaScript clients, and its native side. Kept
 * beside the client and not in it, so that wrappers, proxies and shallow clones of a client or of its parts still find it.
 */

const { identityOf } = require('../host-client/host-client.js');
const native = require('../native/native.js');
const { OPENPIPE_URL } = require('../openpipe-client/openpipe-client.js');
const reports = require('../reports/reports.js');
const { forCore } = require('../reports/sinks.js');
const transports = require('../reports/transports.js');
const { unwrapperOf } = require('../call/answer.js');
const { isHeaderRefusal } = require('../call/errors.js');
const { hasDefaultHeader, keyHeaders, milliseconds, readHeaders, retries } = require('./arguments.js');
const { readEnv } = require('../native/environment.js');
const { followedBy, followingMocks, isFetchReplaced, isMock } = require('../native/replaced-fetch.js');

/** @typedef {{ chat: { completions: { create(body: any, options?: any): any } } }} ForeignClient */
/** @typedef {ReturnType<typeof import('./arguments.js').readClientOptions>} ClientOptions */

const CHAT = '/chat/completions';

/** The numbers of the SDK's own transport, as JavaScript clients. */
const SDK_OPENAI = 0;
const SDK_OPENPIPE = 1;
/** That of the first declared upstream; the others follow. No client of a user's has such a number. */
const SDK_UPSTREAMS = 1 << 20;

/** Whether a number stands for the SDK's own transport, not for a custom client. @param {number} number */
function isSdkTransport(number) {
  return number <= SDK_OPENPIPE || number >= SDK_UPSTREAMS;
}

/** The hooks of the SDK by which a subclass can change a request: one that does is called through the SDK. */
const HOOKS = [
  'prepareOptions', 'prepareRequest', 'buildRequest', 'buildHeaders', 'buildBody', 'authHeaders', 'bearerAuth',
  'makeRequest', 'fetchWithTimeout', 'fetchWithAuth', 'shouldRetry',
]; // prettier-ignore

/** What else the SDK asks for each request. A subclass's own may give another answer each time. */
const ANSWERS = ['getUserAgent', 'defaultQuery', 'buildURL', 'stringifyQuery', 'validateHeaders'];

const FUNCTIONS = [...HOOKS, ...ANSWERS];

/** @type {WeakMap<object, State>} */
const states = new WeakMap();

/**
 * What gives a client's state, on the client itself: proxies that hand out proxies of all that they reach (Sentry's) hand this
 * on as the function that it is.
 */
const stateKey = Symbol('openpipe-native.state');

/** @param {object} client @param {State} state */
function keepState(client, state) {
  states.set(client, state);
  Object.defineProperty(client, stateKey, { value: () => state, enumerable: false });
}

/** What the user gave to the constructor, as opposed to what the SDK made of it. */
/** @typedef {{ maxRetries: boolean, fetch: boolean, fetchOptions: boolean, httpAgent: boolean }} Given */

class State {
  /**
   * @param {import('./sdk.js').Sdk} sdk
   * @param {any} client
   * @param {ClientOptions} options
   * @param {ForeignClient[]} clients Numbered as `options` refers to them.
   * @param {unknown} openpipe The `openpipe` option as the user gave it, for `withOptions`.
   * @param {Given} given
   * @param {import('./warnings.js').Warnings} warnings
   * @param {import('../native/native.js').Family} [family] That of the client which this one is made from.
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
    /** The global `fetch` as the SDK found it. */
    this.sdkFetch = followedBy(client.fetch);
    this.wasMocked = isMock(this.sdkFetch);
    /** What the caller chose; `undefined` where the requests are native for want of a choice. */
    this.transport = options.transport ?? transportOf(readEnv('OPENPIPE_TRANSPORT'));
    /** Requests go through `fetch` because a test has replaced it. */
    this.isMocked = false;
    /** Where the client's own upstream was last, and the headers that go there. @type {{ baseUrl?: string, url: string, headers: [string, string][] }} */
    this.own = { url: '', headers: [] };
    /** The client's properties as the native sides have them. @type {any} */
    this.seen = undefined;
    /** A function gives the key: the native side asks for it when it is needed. */
    this.asksForKey = false;
    this.needsSdk = false;
    /** @type {Record<'native' | 'sdk', NativeCompletions | Promise<NativeCompletions> | undefined>} */
    this.natives = { native: undefined, sdk: undefined };
    /** @type {any} */
    this.openpipeSdkClient = undefined;
    this.closed = false;
    /** What the SDK's promises of this client's calls are unwrapped by. */
    this.thenUnwrap = unwrapperOf(sdk, client);
    if (options.reports?.some(({ file }) => file === undefined) && !this.apiKey) {
      throw new sdk.OpenAIError(`${MISSING_OPENPIPE_KEY}: \`openpipe.reports\` asks for OpenPipe`);
    }
    this.sinks = forCore(client, options.reports);
    /** The SDK's own clients of declared upstreams, by URL. @type {Map<string, any>} */
    this.upstreamSdkClients = new Map();
    reports.start(client);
  }

  /** Takes no more calls; those that are running come to their end. */
  close() {
    this.closed = true;
    this.seen = undefined;
    this.natives = { native: undefined, sdk: undefined };
    this.openpipeSdkClient = undefined;
    this.upstreamSdkClients.clear();
  }

  /** Warns of something, once for this client and those made from it. @param {string} message */
  warnOnce(message) {
    this.warnings.warnOnce(this.client, message);
  }

  /** Whether every upstream is called through JavaScript's `fetch`: the constructor says how traffic leaves this machine. */
  #isAllThroughSdk() {
    const { given } = this;
    return this.transport === 'fetch' || this.isMocked || given.fetch || given.fetchOptions || given.httpAgent;
  }

  /** Whether the global `fetch` is a test's, now or as the SDK found it when the client was made. */
  #isFetchMocked() {
    if (this.given.fetch) return false;
    return isFetchReplaced() || this.wasMocked;
  }

  /** Sends requests through `fetch` while a test has replaced that, unless the caller chose the native transport. @param {boolean} isMocked */
  #followMocks(isMocked) {
    const { client, transport } = this;
    if (isMocked && transport === 'native') this.warnOnce(PAST_THE_MOCK);
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

  /** Whether a function is not the SDK's. @param {string} name */
  #isOwn(name) {
    return this.client[name] !== this.sdk.Base.prototype[name];
  }

  /**
   * The native side for the client as it is now; a promise where it has to be made first.
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
   * Makes a native side, once for all calls that want it meanwhile.
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

  /** Whether nothing has been set on the client since its native sides were made. Takes note of the present. */
  #isCurrent() {
    const { client, seen } = this;
    const options = client._options;
    if (
      seen !== undefined &&
      // What a function gave last is nobody's but its asker's.
      (this.asksForKey || seen.apiKey === client.apiKey) &&
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
    this.seen = {
      ...{ apiKey, baseURL, timeout, maxRetries, organization, project, adminAPIKey, fetch },
      ...{ defaultHeaders, defaultQuery, isFetchMocked },
      functions: ANSWERS.some((name) => this.#isOwn(name))
        ? undefined
        : Object.fromEntries(FUNCTIONS.map((name) => [name, client[name]])),
      headers: membersOf(defaultHeaders),
      query: membersOf(defaultQuery),
    };
    this.asksForKey = typeof options.apiKey === 'function' && !options.apiKey.openpipeMissing;
    this.natives = { native: undefined, sdk: undefined };
    this.openpipeSdkClient = undefined;
    this.upstreamSdkClients.clear();
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
    const config = JSON.stringify({
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

  /** By which `fetch` reports are sent. */
  #reportTransport() {
    const { client, given } = this;
    return transports.numberOf(this.family, {
      fetch: given.fetch || this.isMocked ? client.fetch : undefined,
      fetchOptions: given.fetchOptions ? client.fetchOptions : undefined,
    });
  }

  /**
   * What the log of a call has to know.
   * @param {boolean} throughSdk As for `native`. @param {import('./take-over.js').Endpoint} endpoint @returns {import('./logging.js').Places}
   */
  places(throughSdk, { path }) {
    const { client } = this;
    return {
      url: (name) => (name === 'openai' ? this.own.url : this.#urlOf(name, path)),
      headers: (name) => (name === 'openai' || name === 'openpipe' ? this.own.headers : this.#upstream(name).headers),
      toldBySdk: (name) => this.#isToldBySdk(name, throughSdk),
      upstreams: this.options.upstreams.map(({ name }) => name),
      showsBodies: (this.sdk.major ?? 0) < 7,
      cached: this.options.cached,
      secrets: () =>
        [client.apiKey, client.adminAPIKey, this.apiKey].filter((key) => typeof key === 'string' && key !== ''),
    };
  }

  /** Where the client's own upstream is, and every header that the SDK in use would send there. @param {boolean} sdk */
  async #ownUpstream(sdk) {
    const { client, asksForKey } = this;
    const missingKey = hasKey(client) ? undefined : MISSING_KEY;
    if (sdk) {
      const url = urlOf(client, CHAT);
      const isRefused = !this.given.fetch && hasPassword(url);
      const identity = identityOf(client);
      // OpenPipe is called natively all the same, but where everything goes through `fetch`.
      const headers = !this.#isAllThroughSdk() ? await this.#openpipeHeaders() : [];
      return {
        ...placeOf(url),
        headers,
        missingKey,
        invalid: isRefused ? HAS_PASSWORD : undefined,
        client: SDK_OPENAI,
        identity,
      };
    }
    if (!missingKey && !asksForKey) return this.#build(keyed());
    // Only who needs the key waits for the function that gives it; without one the SDK would refuse to build a request at all.
    const keyless = { ...keyed(), __security: {}, headers: { authorization: null } };
    const own = await this.#build(keyless);
    return asksForKey ? { ...own, asked: true, identity: identityOf(client) } : { ...own, missingKey };
  }

  /**
   * The headers that a function has to be asked for: all of the client's own upstream, the key's of a declared one.
   * @param {string} upstream @returns {Promise<[string, string][]>}
   */
  async headersOf(upstream) {
    if (upstream === 'openai') return (await this.#build(keyed())).headers;
    return keyHeaders(this.options, upstream);
  }

  /** @param {string} name */
  #upstream(name) {
    const known = this.options.upstreams.find((upstream) => upstream.name === name);
    return known ?? { name, baseUrl: '', query: [], headers: [], asked: false };
  }

  /** Whether an upstream is called through the SDK's transport, which logs for itself. @param {string} name @param {boolean} throughSdk */
  #isToldBySdk(name, throughSdk) {
    if (name === 'openai') return throughSdk || this.needsSdk;
    return this.#isAllThroughSdk();
  }

  /** Where an upstream is, for the log. @param {string} name @param {string} path */
  #urlOf(name, path) {
    const base = name === 'openpipe' ? this.baseUrl : this.#upstream(name).baseUrl;
    return `${base.replace(/\/+$/, '')}${path}`;
  }

  /** Where the SDK would send a request, and with which headers. @param {any} request */
  async #build(request) {
    const { client } = this;
    try {
      // Asks a function for the key in openai 5 and 6; in 7 that is done when the request is built.
      if (request.__security.bearerAuth) await client.prepareOptions(request);
      const { req, url } = await client.buildRequest(request, { retryCount: 0 });
      return { ...placeOf(url), headers: /** @type {[string, string][]} */ ([...req.headers.entries()]) };
    } catch (error) {
      throw withoutSecret(error, client);
    }
  }

  /**
   * What asks a custom client, by its number.
   * @param {number} number
   * @param {ForeignClient[]} calls The clients of the call at hand, numbered after the constructor's.
   * @param {import('./take-over.js').Endpoint} endpoint
   * @returns {(body: any, options: any) => unknown}
   */
  clientFunction(number, calls, endpoint) {
    if (number === SDK_OPENAI || number === SDK_OPENPIPE) {
      const client = number === SDK_OPENAI ? this.client : this.#openpipeClient();
      return (body, options) => keepingSecrets(this.#sendThroughSdk(client, endpoint, body, options), client);
    }
    if (number >= SDK_UPSTREAMS) {
      return (body, options) => {
        const { client, name, asked } = this.#upstreamClient(number - SDK_UPSTREAMS, body);
        if (!asked) return keepingSecrets(this.#sendThroughSdk(client, endpoint, body, options), client);
        const withKey = (/** @type {[string, string][]} */ key) => ({ ...Object.fromEntries(key), ...options.headers });
        return this.headersOf(name).then((key) =>
          this.#sendThroughSdk(client, endpoint, body, { ...options, headers: withKey(key) }),
        );
      };
    }
    const foreign = /** @type {any} */ (calls[number]);
    // One of our own is asked not to log what this one logs (contract.md, section 7), where this one has a key to do so.
    const reports = this.sinks ? this.sinks.length > 0 : this.apiKey !== undefined;
    const ours = reports && isOurs(foreign);
    return (body, options) => {
      const resource = endpoint.name === 'chat' ? foreign.chat.completions : foreign[endpoint.name];
      return resource.create(ours ? { ...body, openpipe: { logRequest: false } } : body, options);
    };
  }

  /**
   * Sends a request by the SDK's own transport, below the take-over: what is patched above has seen the call already.
   * @param {any} client @param {import('./take-over.js').Endpoint} endpoint @param {any} body @param {any} options
   */
  #sendThroughSdk(client, { name, path }, body, options) {
    const stream = body.stream ?? false;
    const request = { method: 'post', path, body, ...options, stream, __security: { bearerAuth: true } };
    // openai 7 looks for `stream` in the body once more when a hook has changed it.
    if ((this.sdk.major ?? 0) >= 7 && name !== 'embeddings') {
      request.__metadata = { ...options.__metadata, streamFromBody: true };
    }
    const send = (/** @type {string} */ to) => {
      // A redirect may lead elsewhere, where neither the key nor the body may go.
      const fetchOptions = { ...options.fetchOptions, redirect: 'manual' };
      return this.sdk.Base.prototype.request.call(client, { ...request, path: to, fetchOptions });
    };
    const place = /** @type {string | undefined} */ (options.path) ?? path;
    return following(send, place, () => urlOf(client, place, options.query, options.defaultBaseURL));
  }

  /**
   * What proves who a JavaScript client is: some upstreams repeat it in their errors.
   * @param {number} number @param {ForeignClient[]} calls @returns {unknown}
   */
  clientKey(number, calls) {
    if (number === SDK_OPENPIPE) return this.apiKey;
    if (number >= SDK_UPSTREAMS) {
      const { headers } = this.options.upstreams[number - SDK_UPSTREAMS] ?? { headers: [] };
      return headers.find(([name]) => name === 'authorization')?.[1].replace(/^\S+ /, '');
    }
    return /** @type {any} */ (number === SDK_OPENAI ? this.client : calls[number])?.apiKey;
  }

  /** The SDK's own client of OpenPipe, where everything goes through `fetch`. */
  #openpipeClient() {
    this.openpipeSdkClient ??= this.#newOpenpipeClient();
    return this.openpipeSdkClient;
  }

  /** The SDK's own client of a declared upstream, where everything goes through `fetch`. @param {number} index @param {any} body */
  #upstreamClient(index, body) {
    const { name, baseUrl, query, headers, asked } = /** @type {ClientOptions['upstreams'][number]} */ (
      this.options.upstreams[index]
    );
    const url = baseUrl.replaceAll('{model}', encodeURIComponent(String(body.model)));
    const known = this.upstreamSdkClients.get(`${name} ${url}`);
    if (known) return { client: known, name, asked };
    const { client } = this;
    const made = this.#newSdkClient(url, 'none');
    made._options.defaultHeaders = headers;
    made._options.defaultQuery = Object.fromEntries(query);
    // The key is one of the headers, or comes from a function with each request.
    made.authHeaders = async () => undefined;
    made.validateHeaders = () => {};
    made.getUserAgent = () => client.getUserAgent();
    // A client for each of very many models is not kept.
    if (this.upstreamSdkClients.size < 100) this.upstreamSdkClients.set(`${name} ${url}`, made);
    return { client: made, name, asked };
  }

  /**
   * What sends a request to a named upstream by the SDK's own transport; `undefined` for the client's own.
   * @param {unknown} name
   * @returns {Promise<{ send(options: any): any, list(options: any): any } | undefined>}
   */
  async homeNamed(name) {
    if (name === 'openai') return undefined;
    if (name === 'openpipe') return this.#homeOf(this.#openpipeClient(), []);
    const index = this.options.upstreams.findIndex((upstream) => upstream.name === name);
    if (index < 0) throw new TypeError('`openpipe.upstream` must be the name of a declared upstream');
    const { client, asked } = this.#upstreamClient(index, { model: '' });
    return this.#homeOf(client, asked ? await this.headersOf(String(name)) : []);
  }

  /** The same for a custom client of the constructor's; `undefined` where it is none of an SDK's. @param {number} number */
  homeOfClient(number) {
    const client = /** @type {any} */ (this.clients[number]);
    if (typeof client?.request !== 'function' || typeof client.makeRequest !== 'function') return undefined;
    return {
      send: (/** @type {any} */ options) => client.request(options),
      list: (/** @type {any} */ options) => client.makeRequest(options, null, undefined),
    };
  }

  /** @param {any} client @param {[string, string][]} headers Of a key that a function gives. */
  #homeOf(client, headers) {
    const { request, makeRequest } = this.sdk.Base.prototype;
    // A credential of the call is the client's own upstream's.
    const over = (/** @type {any} */ options) => {
      const given = (readHeaders(options.headers) ?? []).filter(([name]) => !native.isCredential(name));
      return { ...options, headers: Object.fromEntries([...headers, ...given]) };
    };
    return {
      send: (/** @type {any} */ options) => request.call(client, over(options)),
      list: (/** @type {any} */ options) => makeRequest.call(client, over(options), null, undefined),
    };
  }

  /** What the SDK tells OpenPipe beside the key, where the client's own hooks are not to be asked for it. */
  async #openpipeHeaders() {
    const made = this.#newOpenpipeClient();
    // The core sets the key, and says so where it is none.
    made.apiKey = 'none';
    try {
      return [...(await made.buildRequest(keyed(), { retryCount: 0 })).req.headers.entries()];
    } catch (error) {
      throw withoutSecret(error, this.client);
    }
  }

  /** @param {string} baseURL @param {string | undefined} apiKey */
  #newSdkClient(baseURL, apiKey) {
    const { client } = this;
    return new this.sdk.Base({
      baseURL,
      apiKey,
      // What is not given, the SDK takes from the environment, where it is meant for OpenAI.
      adminAPIKey: null,
      webhookSecret: null,
      organization: null,
      project: null,
      logger: client.logger,
      logLevel: client.logLevel,
      dangerouslyAllowBrowser: client._options.dangerouslyAllowBrowser,
      ...(this.given.fetch || this.isMocked ? { fetch: client.fetch } : {}),
      ...(this.given.fetchOptions ? { fetchOptions: client.fetchOptions } : {}),
      ...(this.given.httpAgent ? { httpAgent: client.httpAgent ?? client._options.httpAgent } : {}),
    });
  }

  #newOpenpipeClient() {
    const { client } = this;
    const made = this.#newSdkClient(this.baseUrl, this.apiKey ?? 'none');
    made.organization = client.organization ?? null;
    made.project = client.project ?? null;
    // The same goes for OPENAI_CUSTOM_HEADERS. As natively, what proves who the caller is to OpenAI stays there.
    const headers = readHeaders(client._options.defaultHeaders) ?? [];
    made._options.defaultHeaders = headers.filter(([name]) => !native.isCredential(name));
    made.getUserAgent = () => client.getUserAgent();
    return made;
  }
}

const MISSING_KEY =
  'there is no OpenAI key: set the environment variable OPENAI_API_KEY, or the option `apiKey`, as in new OpenAI({ apiKey })';

const MISSING_OPENPIPE_KEY =
  'there is no OpenPipe key: set the environment variable OPENPIPE_API_KEY, or the option `openpipe.apiKey`';

const PAST_THE_MOCK =
  'the global `fetch` is a mock, and native requests go past it to the real API: take `transport: "native"` away, and they go through it';

/** The transport that the environment names; `undefined` where it names none. @param {string | undefined} name @returns {'native' | 'fetch' | undefined} */
function transportOf(name) {
  return name === 'fetch' || name === 'native' ? name : undefined;
}

/** `fetch` would say so too, with the password in its message. */
const PASSWORD = 'holds a user or a password, which `fetch` does not take';
const HAS_PASSWORD = `\`baseURL\` ${PASSWORD}`;

/** What the SDK is asked to build. */
function keyed() {
  return { method: 'post', path: '/chat/completions', body: {}, __security: { bearerAuth: true } };
}

/**
 * Whether a client has these functions still, every one of `FUNCTIONS`. Asked for each call: by their names, one by one, it
 * takes a fortieth of the time.
 * @param {any} client @param {Record<string, unknown> | undefined} seen
 */
function hasFunctions(client, seen) {
  return (
    seen !== undefined &&
    seen.prepareOptions === client.prepareOptions &&
    seen.prepareRequest === client.prepareRequest &&
    seen.buildRequest === client.buildRequest &&
    seen.buildHeaders === client.buildHeaders &&
    seen.buildBody === client.buildBody &&
    seen.authHeaders === client.authHeaders &&
    seen.bearerAuth === client.bearerAuth &&
    seen.makeRequest === client.makeRequest &&
    seen.fetchWithTimeout === client.fetchWithTimeout &&
    seen.fetchWithAuth === client.fetchWithAuth &&
    seen.shouldRetry === client.shouldRetry &&
    seen.getUserAgent === client.getUserAgent &&
    seen.defaultQuery === client.defaultQuery &&
    seen.buildURL === client.buildURL &&
    seen.stringifyQuery === client.stringifyQuery &&
    seen.validateHeaders === client.validateHeaders
  );
}

/** An option that was not given. @type {unknown[]} */
const NO_MEMBERS = [];

/**
 * The names and values in `defaultHeaders` or `defaultQuery`, which the SDK reads for each request; `undefined` where they
 * have to be read anew each time, because there is no telling whether they have changed.
 * @param {any} option @returns {unknown[] | undefined}
 */
function membersOf(option) {
  if (option === undefined || option === null) return NO_MEMBERS;
  if (typeof option !== 'object') return undefined;
  // As the SDK keeps what came from several places.
  const isNullable = option.values instanceof Headers && option.nulls instanceof Set;
  if (isNullable) return [...option.values].flat().concat(...option.nulls);
  if (option instanceof Headers) return [...option].flat();
  const prototype = Object.getPrototypeOf(option);
  const members = Object.getOwnPropertyDescriptors(option);
  const isPlain = prototype === Object.prototype || prototype === null;
  if (!isPlain || Object.values(members).some((member) => member.get ?? isObject(member.value))) return undefined;
  return Object.entries(option).flat();
}

/** Whether an option has these members still. @param {any} option @param {unknown[] | undefined} seen */
function hasMembers(option, seen) {
  if (option === undefined || option === null) return true;
  if (seen === undefined) return false;
  if (Object.getPrototypeOf(option) === Headers.prototype || typeof option.values === 'object') {
    const now = membersOf(option);
    return now?.length === seen.length && now.every((member, index) => member === seen[index]);
  }
  let index = 0;
  for (const name of Object.keys(option)) {
    if (seen[index] !== name || seen[index + 1] !== option[name]) return false;
    index += 2;
  }
  return index === seen.length;
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}

/** @param {string} url */
function hasPassword(url) {
  if (!URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return username !== '' || password !== '';
}

/**
 * Where the SDK would send a request.
 * @param {any} client @param {string} path @param {unknown} [query] @param {unknown} [base] @returns {string}
 */
function urlOf(client, path, query, base) {
  try {
    return client.buildURL(path, query, base);
  } catch (error) {
    throw withoutSecret(error, client);
  }
}

/**
 * Where the client's own upstream is: its base URL, with the query that the SDK adds. A subclass may build URLs that have none in
 * common; then only that of chat completions is known, and other calls bring theirs along.
 * @param {string} url That of chat completions.
 */
function placeOf(url) {
  const base = url.replace(/\/chat\/completions(?=$|[?#])/, '');
  return base === url ? { url } : { url, baseUrl: base };
}

/**
 * What the SDK threw, but that what it refused is not repeated: a URL may hold a password, a header a key.
 * @param {any} error @param {any} client
 */
function withoutSecret(error, client) {
  if (error?.code === 'ERR_INVALID_URL') return new TypeError('`baseURL` is not a valid URL');
  if (!isHeaderRefusal(error)) return error;
  const options = isHeaderValue(client.apiKey) ? '`defaultHeaders`, `organization` or `project`' : '`apiKey`';
  return new TypeError(`${options} holds a character that an HTTP header cannot carry`);
}

/** As natively. */
const MAX_REDIRECTS = 5;

/**
 * What stands for the SDK's promise of a request: redirects that keep method and body are followed within the origin.
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
      last.then(({ promise }) => promise).then(resolved, rejected),
  };
}

/** Where a location leads, if that is within the origin. @param {string} url @param {unknown} location */
function within(url, location) {
  if (typeof location !== 'string' || !URL.canParse(location, url)) return undefined;
  const next = new URL(location, url);
  return next.origin === new URL(url).origin ? next.href : undefined;
}

/** What stands for a promise of the SDK's, but that it is rejected without secrets. @param {any} promise @param {any} client */
function keepingSecrets(promise, client) {
  return {
    asResponse: () => promise.asResponse(),
    then: (/** @type {any} */ resolved, /** @type {any} */ rejected) =>
      promise.then(resolved, rejected && ((/** @type {unknown} */ error) => rejected(withoutSecret(error, client)))),
  };
}

/** Whether HTTP has a way to write it: no control character, none beyond Latin-1. @param {unknown} value */
function isHeaderValue(value) {
  return typeof value !== 'string' || /^[\t\x20-\x7e\x80-\xff]*$/.test(value.trim());
}

/** Whether the client has some way to prove who it is to its own upstream. @param {any} client */
function hasKey(client) {
  if (client.apiKey || client.adminAPIKey || client._provider || client._workloadIdentityAuth) return true;
  if (typeof client._options.apiKey === 'function') return !client._options.apiKey.openpipeMissing;
  const headers = client._options.defaultHeaders;
  return headers ? declaresKey(headers) : false;
}

/** The user sends, or expressly removes, the header that a key goes in. @param {any} headers */
function declaresKey(headers) {
  const pairs =
    headers.values instanceof Headers
      ? headers.values
      : typeof headers[Symbol.iterator] === 'function'
        ? headers
        : Object.entries(headers);
  for (const [name] of pairs) if (/^(authorization|api-key)$/i.test(String(name))) return true;
  return false;
}

/**
 * The state of a client, also by what stands for one: a proxy around it, or an object made from it.
 * @param {any} client @returns {State}
 */
function stateOf(client) {
  const state = findState(client);
  if (!state) throw new TypeError('this was called on an object that is not a client of openpipe-native');
  return state;
}

/** @param {any} client @returns {State | undefined} */
function findState(client) {
  return (
    states.get(client) ??
    stateBehind(client) ??
    states.get(client?.chat?.completions?._client) ??
    states.get(Object.getPrototypeOf(client ?? {}))
  );
}

/** By what a client carries itself; whatever stands in its place may answer to every name. @param {any} client @returns {State | undefined} */
function stateBehind(client) {
  const tell = client?.[stateKey];
  const state = typeof tell === 'function' ? tell() : undefined;
  return state instanceof State ? state : undefined;
}

/** Whether a foreign client is one of this package, or stands for one. @param {any} foreign */
function isOurs(foreign) {
  try {
    return findState(foreign) !== undefined;
  } catch {
    // It is not to be looked at, only to be called.
    return false;
  }
}

/** @typedef {{ create(body: string, options: string | null): number, home(id: string): string }} NativeCompletions */

module.exports = { MISSING_KEY, SDK_OPENAI, SDK_OPENPIPE, State, isSdkTransport, keepState, stateOf, urlOf };
