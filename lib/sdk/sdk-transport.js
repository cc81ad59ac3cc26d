'use strict';
/** Requests that go out through the SDK's own transport: those of a client with its own `fetch` or hooks, and of calls with options that only the SDK can honour. */

const { takingDeep } = require('../call/errors.js');
const { SDK_OPENAI, SDK_OPENPIPE, SDK_UPSTREAMS, isSdkTransport } = require('../host-client/numbers.js');
const { defaultsOf, keysIn } = require('../host-client/identity.js');
const native = require('../native/native.js');
const { readHeaders } = require('../options/headers.js');
const { remember } = require('./call-clients.js');
const { askedOfClient } = require('./client-home.js');
const { keyed, urlOf, withoutSecret } = require('./own-upstream.js');
const { following, keepingSecrets } = require('./sdk-promise.js');
const { isOurs } = require('./state-of.js');

/** @typedef {import('../options/writer.js').CustomClient} CustomClient */
/** @typedef {import('../options/client-options.js').ClientOptions} ClientOptions */

const NOTHING = { headers: [], query: [] };

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

  /** Forgets the SDK's clients, which were made from the client as it was. */
  clear() {
    this.openpipe = undefined;
    this.upstreams.clear();
  }

  /**
   * The function that calls a custom client, by its number.
   * @param {number} number
   * @param {CustomClient[]} calls The clients of the call at hand, numbered after the constructor's.
   * @param {import('./take-over.js').Endpoint} endpoint
   * @returns {(body: any, options: any) => unknown}
   */
  clientFunction(number, calls, endpoint) {
    if (number === SDK_OPENAI || number === SDK_OPENPIPE) {
      const client = number === SDK_OPENAI ? this.state.client : this.#openpipeClient();
      return (body, options) => keepingSecrets(this.#sendThroughSdk(client, endpoint, body, options), client);
    }
    if (number >= SDK_UPSTREAMS) {
      return (body, options) => {
        const { client, name, asked } = this.#upstreamClient(number - SDK_UPSTREAMS, body);
        if (!asked) return keepingSecrets(this.#sendThroughSdk(client, endpoint, body, options), client);
        const withKey = (/** @type {[string, string][]} */ key) => ({ ...Object.fromEntries(key), ...options.headers });
        return this.state
          .headersOf(name)
          .then((key) => this.#sendThroughSdk(client, endpoint, body, { ...options, headers: withKey(key) }));
      };
    }
    const custom = /** @type {any} */ (calls[number]);
    // A custom client of this package must not report what this client reports (contract.md, section 7), if this one can.
    const reports = this.state.sinks ? this.state.sinks.length > 0 : this.state.apiKey !== undefined;
    const ours = reports && isOurs(custom);
    const isOfCall = number >= this.state.clients.length;
    return (body, options) => {
      if (isOfCall && endpoint.name === 'responses') remember(custom);
      const resource = endpoint.name === 'chat' ? custom.chat.completions : custom[endpoint.name];
      return resource.create(ours ? { ...body, openpipe: { logRequest: false } } : body, options);
    };
  }

  /**
   * The function that cancels a response on a custom client, by its number.
   * @param {number} number @param {CustomClient[]} calls As for `clientFunction`.
   * @returns {(id: string, options: any) => unknown}
   */
  cancelFunction(number, calls) {
    if (!isSdkTransport(number))
      return (id, options) => /** @type {any} */ (calls[number]).responses.cancel(id, options);
    return (id, options) => {
      const path = `/responses/${encodeURIComponent(id)}/cancel`;
      return this.clientFunction(number, calls, { name: 'responses', path, result: 'a response' })({}, options);
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
    if ((this.state.sdk.major ?? 0) >= 7 && name !== 'embeddings') {
      request.__metadata = { ...options.__metadata, streamFromBody: true };
    }
    const send = (/** @type {string} */ to) => {
      // A redirect may lead elsewhere, where neither the key nor the body may go.
      const fetchOptions = { ...options.fetchOptions, redirect: 'manual' };
      return this.state.sdk.Base.prototype.request.call(client, { ...request, path: to, fetchOptions });
    };
    const place = /** @type {string | undefined} */ (options.path) ?? path;
    return following(send, place, () => urlOf(client, place, options.query, options.defaultBaseURL));
  }

  /**
   * The keys of a custom client, or of the SDK's own: some upstreams repeat them in their errors.
   * @param {number} number @param {CustomClient[]} calls @returns {unknown[]}
   */
  clientKeys(number, calls) {
    if (number === SDK_OPENPIPE) return [this.state.apiKey];
    if (number >= SDK_UPSTREAMS) return keysIn(this.state.options.upstreams[number - SDK_UPSTREAMS] ?? NOTHING);
    const client = /** @type {any} */ (number === SDK_OPENAI ? this.state.client : calls[number]);
    return [client?.apiKey, ...keysIn(defaultsOf(client))];
  }

  /** The SDK's own client of OpenPipe, where everything goes through `fetch`. */
  #openpipeClient() {
    this.openpipe ??= this.#newOpenpipeClient();
    return this.openpipe;
  }

  /** The SDK's own client of a declared upstream, where everything goes through `fetch`. @param {number} index @param {any} body */
  #upstreamClient(index, body) {
    const { name, baseUrl, query, headers, removed, asked } = /** @type {ClientOptions['upstreams'][number]} */ (
      this.state.options.upstreams[index]
    );
    const url = baseUrl.replaceAll('{model}', () => percentEncoded(String(body.model)));
    const known = this.upstreams.get(`${name} ${url}`);
    if (known) return { client: known, name, asked };
    const { client } = this.state;
    const made = this.#newSdkClient(url, 'none');
    made._options.defaultHeaders = [...headers, ...removed.map((header) => [header, null])];
    made._options.defaultQuery = Object.fromEntries(query);
    // The key is one of the headers, or comes from a function with each request.
    made.authHeaders = async () => undefined;
    made.validateHeaders = () => {};
    made.getUserAgent = () => client.getUserAgent();
    // A client for each of very many models is not kept.
    if (this.upstreams.size < 100) this.upstreams.set(`${name} ${url}`, made);
    return { client: made, name, asked };
  }

  /**
   * The function that sends a request to a named upstream by the SDK's own transport; `undefined` for the client's own.
   * @param {unknown} name
   * @returns {Promise<{ send(options: any): any, list(options: any): any } | undefined>}
   */
  async homeNamed(name) {
    if (name === 'openai') return undefined;
    if (name === 'openpipe') return this.#homeOf(this.#openpipeClient(), []);
    const index = this.state.options.upstreams.findIndex((upstream) => upstream.name === name);
    if (index < 0) throw new TypeError('`openpipe.upstream` must be the name of a declared upstream');
    const { client, asked } = this.#upstreamClient(index, { model: '' });
    return this.#homeOf(client, asked ? await this.state.headersOf(String(name)) : []);
  }

  /** The same for a custom client. @param {any} client */
  homeOfClient(client) {
    const { sdk } = this.state;
    if (typeof client?.request !== 'function' || typeof client.makeRequest !== 'function') {
      const list = (/** @type {any} */ options) => askedOfClient(sdk, client, withHeaders(options, []));
      return { send: (/** @type {any} */ options) => new sdk.APIPromise(this.state.client, list(options)), list };
    }
    return {
      send: (/** @type {any} */ options) => client.request(withHeaders(options, [])),
      list: (/** @type {any} */ options) => client.makeRequest(withHeaders(options, []), null, undefined),
    };
  }

  /** @param {any} client @param {[string, string][]} headers Of a key that a function gives. */
  #homeOf(client, headers) {
    const { request, makeRequest } = this.state.sdk.Base.prototype;
    return {
      send: (/** @type {any} */ options) => request.call(client, withHeaders(options, headers)),
      list: (/** @type {any} */ options) => makeRequest.call(client, withHeaders(options, headers), null, undefined),
    };
  }

  /** The SDK's headers for OpenPipe beside the key, made without the client's own hooks. */
  async openpipeHeaders() {
    const made = this.#newOpenpipeClient();
    // The core sets the key, and reports a missing one.
    made.apiKey = 'none';
    try {
      return [...(await made.buildRequest(keyed(), { retryCount: 0 })).req.headers.entries()];
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
      // What is not given, the SDK takes from the environment, where it is meant for OpenAI.
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
    made.makeStatusError = takingDeep(sdk, sdk.Base.prototype.makeStatusError);
    return made;
  }

  #newOpenpipeClient() {
    const { client } = this.state;
    const made = this.#newSdkClient(this.state.baseUrl, this.state.apiKey ?? 'none');
    made.organization = client.organization ?? null;
    made.project = client.project ?? null;
    // OPENAI_CUSTOM_HEADERS likewise. As natively, credentials for OpenAI are not sent to OpenPipe.
    const headers = readHeaders(client._options.defaultHeaders) ?? [];
    made._options.defaultHeaders = headers.filter(([name]) => !native.isCredential(name));
    made.getUserAgent = () => client.getUserAgent();
    return made;
  }
}

/** A text for a URL's path, with all but unreserved characters encoded (RFC 3986), as the core does it. @param {string} text */
function percentEncoded(text) {
  const encoded = encodeURIComponent(/** @type {any} */ (text).toWellFormed());
  return encoded.replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * The options of a request with these headers, under the caller's; a credential of the call is the client's own upstream's.
 * @param {any} options @param {[string, string][]} headers
 */
function withHeaders(options, headers) {
  const given = (readHeaders(options.headers) ?? []).filter(([name]) => !native.isCredential(name));
  return { ...options, headers: Object.fromEntries([...headers, ...given]) };
}

module.exports = { SdkTransport };
