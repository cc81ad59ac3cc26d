'use strict';
/**
 * Sends requests through the SDK's own transport: those of a client with its own `fetch` or hooks, and of calls with options that only
 * the SDK can honour.
 */

const { statusErrorHook } = require('../call/errors.js');
const { SDK_OPENAI, SDK_OPENPIPE, SDK_UPSTREAMS, isSdkTransport } = require('../host-client/numbers.js');
const { defaultsOf, keysIn } = require('../host-client/identity.js');
const native = require('../native/native.js');
const { endpointAt } = require('../options/endpoints.js');
const { readHeaders } = require('../options/headers.js');
const { remember } = require('./call-clients.js');
const { sendToClientHome } = require('./client-home.js');
const { requestWithKey, urlOf, withoutSecret } = require('./own-upstream.js');
const { following, keepingSecrets } = require('./sdk-promise.js');
const { isOurs } = require('./state-of.js');

/** @typedef {import('../options/endpoints.js').Endpoint} Endpoint */

/** @typedef {import('../options/writer.js').CustomClient} CustomClient */
/** @typedef {import('../options/client-options.js').ClientOptions} ClientOptions */

const NO_CREDENTIALS = { headers: [], query: [] };

/** The SDK's own transport: calls the client's own upstream, OpenPipe and declared upstreams where the core does not call them itself. */
class SdkTransport {
  /** @param {import('./state.js').State} state */
  constructor(state) {
    this.state = state;
    /** The SDK's own client of OpenPipe. @type {any} */
    this.openpipe = undefined;
    /** The SDK's own clients of declared upstreams, by URL. @type {Map<string, any>} */
    this.upstreams = new Map();
  }

  /** Drops the SDK's clients, which were made from an earlier state of the client. */
  clear() {
    this.openpipe = undefined;
    this.upstreams.clear();
  }

  /**
   * The function that calls a custom client, by its number.
   * @param {number} number
   * @param {CustomClient[]} clients The custom clients of this call: the constructor's, then its own.
   * @param {Endpoint} endpoint
   * @returns {(body: any, options: any) => unknown}
   */
  clientFunction(number, clients, endpoint) {
    if (number === SDK_OPENAI || number === SDK_OPENPIPE) {
      const client = number === SDK_OPENAI ? this.state.client : this.#openpipeClient();
      return (body, options) => keepingSecrets(this.#sendThroughSdk(client, endpoint, body, options), client);
    }
    if (number >= SDK_UPSTREAMS) {
      return (body, options) => {
        const { client, name, keyIsFunction } = this.#upstreamClient(number - SDK_UPSTREAMS, body);
        if (!keyIsFunction) return keepingSecrets(this.#sendThroughSdk(client, endpoint, body, options), client);
        const withKey = (/** @type {[string, string][]} */ key) => ({ ...Object.fromEntries(key), ...options.headers });
        return this.state
          .headersOf(name)
          .then((key) => this.#sendThroughSdk(client, endpoint, body, { ...options, headers: withKey(key) }));
      };
    }
    const custom = /** @type {any} */ (clients[number]);
    // Where this client reports the call, a custom client of this package must not report it too (contract.md, section 7).
    const reports = this.state.sinks ? this.state.sinks.length > 0 : this.state.apiKey !== undefined;
    const ours = reports && isOurs(custom);
    const isOfCall = number >= this.state.clients.length;
    return (body, options) => {
      if (isOfCall && endpoint.name === 'responses') remember(custom);
      return endpoint.resource(custom).create(ours ? { ...body, openpipe: { logRequest: false } } : body, options);
    };
  }

  /**
   * The function that cancels a response on a custom client, by its number.
   * @param {number} number @param {CustomClient[]} clients As for `clientFunction`.
   * @returns {(id: string, options: any) => unknown}
   */
  cancelFunction(number, clients) {
    if (!isSdkTransport(number))
      return (id, options) => /** @type {any} */ (clients[number]).responses.cancel(id, options);
    return (id, options) => {
      const responses = /** @type {Endpoint} */ (endpointAt('/responses'));
      const path = `${responses.path}/${encodeURIComponent(id)}/cancel`;
      return this.clientFunction(number, clients, { ...responses, path })({}, options);
    };
  }

  /**
   * Sends a request through the SDK's `request`, below the resource methods: instrumentations that patch those saw the call already.
   * @param {any} client @param {Endpoint} endpoint @param {any} body @param {any} options
   */
  #sendThroughSdk(client, { hasStreams, path }, body, options) {
    const stream = body.stream ?? false;
    const request = { method: 'post', path, body, ...options, stream, __security: { bearerAuth: true } };
    // Makes openai 7 read `stream` from the body again, after hooks that may have changed it.
    if ((this.state.sdk.major ?? 0) >= 7 && hasStreams) {
      request.__metadata = { ...options.__metadata, streamFromBody: true };
    }
    const send = (/** @type {string} */ to) => {
      // `following` follows redirects: the key and the body must not go to another origin.
      const fetchOptions = { ...options.fetchOptions, redirect: 'manual' };
      return this.state.sdk.Base.prototype.request.call(client, { ...request, path: to, fetchOptions });
    };
    const first = /** @type {string | undefined} */ (options.path) ?? path;
    return following(send, first, () => urlOf(client, first, options.query, options.defaultBaseURL));
  }

  /**
   * The keys of a custom client or of one of the SDK's clients, to be redacted in its errors.
   * @param {number} number @param {CustomClient[]} clients @returns {unknown[]}
   */
  clientKeys(number, clients) {
    if (number === SDK_OPENPIPE) return [this.state.apiKey];
    if (number >= SDK_UPSTREAMS) return keysIn(this.state.options.upstreams[number - SDK_UPSTREAMS] ?? NO_CREDENTIALS);
    const client = /** @type {any} */ (number === SDK_OPENAI ? this.state.client : clients[number]);
    return [client?.apiKey, ...keysIn(defaultsOf(client))];
  }

  /** The SDK's own client of OpenPipe, for clients whose requests all go through `fetch`. */
  #openpipeClient() {
    this.openpipe ??= this.#newOpenpipeClient();
    return this.openpipe;
  }

  /** The SDK's own client of a declared upstream, for clients whose requests all go through `fetch`. @param {number} index @param {any} body */
  #upstreamClient(index, body) {
    const { name, baseUrl, query, headers, removed, keyIsFunction } =
      /** @type {ClientOptions['upstreams'][number]} */ (this.state.options.upstreams[index]);
    const url = baseUrl.replaceAll('{model}', () => percentEncoded(String(body.model)));
    const known = this.upstreams.get(`${name} ${url}`);
    if (known) return { client: known, name, keyIsFunction };
    const { client } = this.state;
    const made = this.#newSdkClient(url, 'none');
    made._options.defaultHeaders = [...headers, ...removed.map((header) => [header, null])];
    made._options.defaultQuery = Object.fromEntries(query);
    // The key is one of the default headers, or a header of each request where a function returns it.
    made.authHeaders = async () => undefined;
    made.validateHeaders = () => {};
    made.getUserAgent = () => client.getUserAgent();
    // Bounded, as the URL may hold the model's name and there may be any number of models.
    if (this.upstreams.size < 100) this.upstreams.set(`${name} ${url}`, made);
    return { client: made, name, keyIsFunction };
  }

  /**
   * A named upstream as a response's home, called through the SDK's own transport; `undefined` for the client's own upstream.
   * @param {unknown} name
   * @returns {Promise<{ send(options: any): any, list(options: any): any } | undefined>}
   */
  async homeNamed(name) {
    if (name === 'openai') return undefined;
    if (name === 'openpipe') return this.#homeOf(this.#openpipeClient(), []);
    const index = this.state.options.upstreams.findIndex((upstream) => upstream.name === name);
    if (index < 0) throw new TypeError('`openpipe.upstream` must be the name of a declared upstream');
    const { client, keyIsFunction } = this.#upstreamClient(index, { model: '' });
    return this.#homeOf(client, keyIsFunction ? await this.state.headersOf(String(name)) : []);
  }

  /** A custom client as a response's home. @param {any} client */
  homeOfClient(client) {
    const { sdk } = this.state;
    if (typeof client?.request !== 'function' || typeof client.makeRequest !== 'function') {
      const list = (/** @type {any} */ options) => sendToClientHome(sdk, client, withHeaders(options, []));
      return { send: (/** @type {any} */ options) => new sdk.APIPromise(this.state.client, list(options)), list };
    }
    return {
      send: (/** @type {any} */ options) => client.request(withHeaders(options, [])),
      list: (/** @type {any} */ options) => client.makeRequest(withHeaders(options, []), null, undefined),
    };
  }

  /** @param {any} client @param {[string, string][]} headers The key's, where a function returns it. */
  #homeOf(client, headers) {
    const { request, makeRequest } = this.state.sdk.Base.prototype;
    return {
      send: (/** @type {any} */ options) => request.call(client, withHeaders(options, headers)),
      list: (/** @type {any} */ options) => makeRequest.call(client, withHeaders(options, headers), null, undefined),
    };
  }

  /** The SDK's headers for OpenPipe, but for the key, made without the client's own hooks. */
  async openpipeHeaders() {
    const made = this.#newOpenpipeClient();
    // A placeholder: the core sets the key, and refuses calls that need one where there is none.
    made.apiKey = 'none';
    try {
      return [...(await made.buildRequest(requestWithKey(), { retryCount: 0 })).req.headers.entries()];
    } catch (error) {
      throw withoutSecret(error, this.state.client);
    }
  }

  /** @param {string} baseURL @param {string | undefined} apiKey */
  #newSdkClient(baseURL, apiKey) {
    const { client, sdk } = this.state;
    const made = new sdk.Base({
      baseURL,
      apiKey,
      // `null`, because the SDK reads a missing option from the environment, which is meant for OpenAI.
      adminAPIKey: null,
      webhookSecret: null,
      organization: null,
      project: null,
      logger: client.logger,
      logLevel: client.logLevel,
      dangerouslyAllowBrowser: client._options.dangerouslyAllowBrowser,
      ...(this.state.given.fetch || this.state.isMocked ? { fetch: client.fetch } : {}),
      ...(this.state.given.fetchOptions ? { fetchOptions: client.fetchOptions } : {}),
      ...(this.state.given.httpAgent ? { httpAgent: client.httpAgent ?? client._options.httpAgent } : {}),
    });
    made.makeStatusError = statusErrorHook(sdk, sdk.Base.prototype.makeStatusError);
    return made;
  }

  #newOpenpipeClient() {
    const { client } = this.state;
    const made = this.#newSdkClient(this.state.baseUrl, this.state.apiKey ?? 'none');
    made.organization = client.organization ?? null;
    made.project = client.project ?? null;
    // As in native requests, credentials for OpenAI (default headers, OPENAI_CUSTOM_HEADERS) are not sent to OpenPipe.
    const headers = readHeaders(client._options.defaultHeaders) ?? [];
    made._options.defaultHeaders = headers.filter(([name]) => !native.isCredential(name));
    made.getUserAgent = () => client.getUserAgent();
    return made;
  }
}

/** Percent-encodes all but RFC 3986's unreserved characters, as the core does. @param {string} text */
function percentEncoded(text) {
  const encoded = encodeURIComponent(/** @type {any} */ (text).toWellFormed());
  return encoded.replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * The options of a request with these headers; the caller's replace them, without credentials, which are for the client's own upstream.
 * @param {any} options @param {[string, string][]} headers
 */
function withHeaders(options, headers) {
  const given = (readHeaders(options.headers) ?? []).filter(([name]) => !native.isCredential(name));
  return { ...options, headers: Object.fromEntries([...headers, ...given]) };
}

module.exports = { SdkTransport };
