'use strict';
/** The class `OpenAI`: the SDK's own, whose requests to the engine's endpoints are taken over. */

const { inspect } = require('node:util');

const { SDK_OPENPIPE } = require('../host-client/numbers.js');
const { keyless } = require('../host-client/thrown.js');
const { readEnv } = require('../native/environment.js');
// An `import` fails where the addon cannot be loaded, not the first client.
require('../native/native.js');
const { Warnings } = require('../native/warnings.js');
const { flushTime, isObject } = require('../options/checks.js');
const { configOf } = require('../options/openpipe.js');
const { baseOf, checkVersion, leadsTo, majorOf } = require('./sdk.js');
const { keepState, stateOf } = require('./state-of.js');

// Loaded by the first client, or the first call: they are most of what there is to compile, and an `import` should not pay for it.
const errors = once(() => require('../call/errors.js'));
const promises = once(() => require('../call/promise.js'));
const clientOptions = once(() => require('../options/client-options.js'));
const reports = once(() => require('../reports/reports.js'));
const checks = once(() => require('./arguments.js'));
const homes = once(() => require('./homes.js'));
const states = once(() => require('./state.js'));
const calls = once(() => require('./take-over.js'));

/** @template T @param {() => T} load @returns {() => T} */
function once(load) {
  /** @type {T | undefined} */
  let loaded;
  return () => (loaded ??= load());
}

/** The option by which `withOptions` passes the user's own options to the new client. */
const inheritance = Symbol('openpipe-native.inheritance');

/** What gives the object that a method was called on: where a proxy stands for a client, the client behind it. */
const itself = Symbol('openpipe-native.itself');

/**
 * Options of requests that are known not to be the engine's, on their way through `request`.
 * @type {WeakSet<PromiseLike<unknown>>}
 */
const passing = new WeakSet();

/**
 * Makes the class on top of one copy of the `openai` package.
 * @param {Omit<import('./sdk.js').Sdk, 'Base'>} exported
 */
function defineClient(exported) {
  const Base = baseOf(exported);
  checkVersion(Base);
  const parts = { ...exported, Base, major: majorOf(Base) };
  const Extended = /** @type {import('./sdk.js').SdkClass} */ (leadsTo(exported.OpenAI, Base) ? exported.OpenAI : Base);
  const SdkChat = /** @type {import('./sdk.js').SdkClass} */ (Base.Chat);
  const Completions = checkingArguments(SdkChat.Completions, '/chat/completions');
  const resources = [
    { name: 'completions', Resource: checkingArguments(Base.Completions, '/completions') },
    { name: 'responses', Resource: checkingArguments(Base.Responses, '/responses') },
    { name: 'embeddings', Resource: checkingArguments(Base.Embeddings, '/embeddings') },
  ];

  class Chat extends SdkChat {
    /** @param {any} client */
    constructor(client) {
      super(client);
      this.completions = new Completions(client);
    }
  }
  Chat.Completions = Completions;

  class OpenAI extends Extended {
    /** @param {any} [options] */
    constructor(options = {}) {
      const { openpipe: _, [inheritance]: inherited, ...own } = options;
      // Only an own member counts: an inherited one may be prototype pollution.
      const openpipe = Object.hasOwn(Object(options), 'openpipe') ? options.openpipe : undefined;
      const missing = missingKey(exported);
      super(over(options, hasCredentials(options) ? own : { ...own, apiKey: missing }));
      // A function or a proxy in the place of the SDK's class gives an object of that class, perhaps a proxy around it.
      if (!(this instanceof OpenAI)) Object.setPrototypeOf(this, new.target.prototype);
      const client = this[itself]();
      missing.client = client;
      if (client._options.apiKey === missing) Object.assign(client, { apiKey: null });

      /** @type {import('../options/writer.js').CustomClient[]} */
      const clients = Array(SDK_OPENPIPE + 1);
      const warnings = inherited?.warnings ?? new Warnings();
      const warn = (/** @type {string} */ message) => warnings.warnOnce(client, message);
      warnOfMisplaced(options, warn);
      const read = clientOptions().readClientOptions(openpipe, { clients, warn });
      const given = {
        maxRetries: isGiven(own.maxRetries, inherited?.given.maxRetries, inherited?.asked, 'maxRetries'),
        fetch: isGiven(own.fetch, inherited?.given.fetch, inherited?.asked, 'fetch'),
        fetchOptions: isGiven(own.fetchOptions, inherited?.given.fetchOptions, inherited?.asked, 'fetchOptions'),
        httpAgent: isGiven(own.httpAgent, inherited?.given.httpAgent, inherited?.asked, 'httpAgent'),
      };
      keepState(
        client,
        new (states().State)(parts, client, read, clients, openpipe, given, warnings, inherited?.family),
      );
      client.chat = new Chat(client);
      for (const { name, Resource } of resources) client[name] = new Resource(client);
    }

    /**
     * Where the SDK's resource methods come together. What is the engine's is taken over here already, not in `request`, where
     * its options are a promise: so the body is written before `create` returns.
     * @param {string} method @param {string} path @param {any} given
     */
    methodRequest(method, path, given) {
      const endpoint = calls().endpointOf(method, path);
      const isOurs = endpoint !== undefined && this.request === OpenAI.prototype.request;
      if (isOurs && !promises().isThenable(given) && calls().isTaken(given))
        return calls().takeOver(this, endpoint, given);
      const asked = (/** @type {any} */ options) => ({ method, path, ...options });
      if (isOurs && promises().isThenable(given)) {
        const endpointFor = (/** @type {any} */ options) => (calls().isTaken(options) ? endpoint : undefined);
        const send = (/** @type {any} */ options) => super.request(calls().withoutOpenpipe(this, asked(options)));
        return calls().takeOverLater(this, given, endpointFor, send);
      }
      const resolved = Promise.resolve(given).then(asked);
      const id = this.request === OpenAI.prototype.request ? homes().responseIdOf(method, path) : undefined;
      if (id !== undefined)
        return homes().sendHome(this, id, resolved, (options) => super.request(calls().withoutOpenpipe(this, options)));
      if (endpoint) return this.request(resolved);
      const options = resolved.then((all) => calls().withoutOpenpipe(this, all));
      passing.add(options);
      return this.request(options);
    }

    /** @param {any} options May be a promise. @param {number | null} [remainingRetries] */
    request(options, remainingRetries = null) {
      const send = (/** @type {any} */ asked) => super.request(calls().withoutOpenpipe(this, asked), remainingRetries);
      if (passing.has(options)) return super.request(options, remainingRetries);
      if (promises().isThenable(options)) return calls().takeOverLater(this, options, endpointOfRequest, send);
      const id = homes().responseIdOf(options?.method, options?.path);
      if (id !== undefined) return homes().sendHome(this, id, options, send);
      const endpoint = endpointOfRequest(options);
      return endpoint ? calls().takeOver(this, endpoint, options) : send(options);
    }

    /** The first page of a list. @param {string} path @param {any} Page @param {any} given May be a promise. */
    getAPIList(path, Page, given) {
      const id = homes().responseIdOf('get', path);
      return listing(this, id, () => super.getAPIList(path, Page, given));
    }

    /** Further pages. @param {any} Page @param {any} given May be a promise. */
    requestAPIList(Page, given) {
      const id = promises().isThenable(given) ? undefined : homes().responseIdOf(given?.method, given?.path);
      return listing(this, id, () => super.requestAPIList(Page, given));
    }

    /** Asks the function that gives the key; a failure of that is not one of the upstream. @param {any[]} given */
    async _callApiKey(...given) {
      try {
        return await super._callApiKey(...given);
      } catch (error) {
        throw keyless(error);
      }
    }

    /** The very object, also where a proxy around it binds its methods. */
    [itself]() {
      return this;
    }

    /** A client with the same options, `openpipe` among them, but for those given here. @param {any} options */
    withOptions(options) {
      const state = stateOf(this);
      // openai 7 has private fields, which a proxy around the client does not have.
      return super.withOptions.call(parts.major < 7 ? this : state.client, {
        ...options,
        openpipe: mergeOpenpipe(state.openpipe, options?.openpipe),
        [inheritance]: { given: state.given, asked: options ?? {}, family: state.family, warnings: state.warnings },
      });
    }

    /**
     * The recent outcomes of the targets of this client and of those made from it by `withOptions()`, for health checks.
     * @returns {any[]}
     */
    upstreams() {
      return JSON.parse(stateOf(this).family.upstreams());
    }

    /**
     * Delivers the reports that this client and those made from it have queued, for serverless functions and graceful
     * shutdowns. Rejects only where its options are malformed.
     * @param {{ timeout?: number } | undefined} [options]
     * @returns {Promise<{ delivered: number, dropped: number, pending: number }>} Since the last flush.
     */
    async flush(options) {
      return reports().flush(stateOf(this).family, flushTime(options));
    }

    /** Refuses new calls, delivers the queued reports, and releases everything native. */
    async close() {
      const state = stateOf(this);
      state.close();
      await reports().flush(state.family);
    }

    /** The members that `console.log` and loggers show of a client: never a key. */
    toJSON() {
      return { baseURL: withoutSecrets(this.baseURL), timeout: this.timeout, maxRetries: this.maxRetries };
    }

    /** @param {number} _depth @param {import('node:util').InspectOptions} options */
    [inspect.custom](_depth, options) {
      return `${Object.getPrototypeOf(this).constructor.name} ${inspect(this.toJSON(), options)}`;
    }
  }
  // Not in every Node.js 20.
  if (Symbol.asyncDispose) {
    Object.defineProperty(OpenAI.prototype, Symbol.asyncDispose, {
      configurable: true,
      writable: true,
      /** @this {OpenAI} */
      value() {
        return this.close();
      },
    });
  }
  const makeStatusError = errors().takingDeep(parts, Base.prototype.makeStatusError);
  Object.defineProperty(OpenAI.prototype, 'makeStatusError', {
    configurable: true,
    writable: true,
    value: makeStatusError,
  });
  // Names are seen: in the user agent, in stack traces, by instrumentation.
  OpenAI.OpenAI = OpenAI;
  OpenAI.Chat = Chat;
  return OpenAI;
}

/** The endpoint of a request in the SDK's form, where it is the engine's. @param {any} options */
function endpointOfRequest(options) {
  const endpoint = calls().endpointOf(options?.method, options?.path);
  return endpoint && calls().isTaken(options) ? endpoint : undefined;
}

/**
 * Lets the SDK ask for a page of what belongs to a response, and sends the request to the response's home. The SDK calls
 * `makeRequest` within the call, on the very client, whose private fields nothing else has.
 * @param {any} client @param {string | undefined} id @param {() => any} list
 */
function listing(client, id, list) {
  if (id === undefined || Object.hasOwn(client, 'makeRequest')) return list();
  const { makeRequest } = client;
  const send = (/** @type {any} */ options) => makeRequest.call(client, options, null, undefined);
  client.makeRequest = (/** @type {any} */ options) => homes().listHome(client, id, options, send);
  try {
    return list();
  } finally {
    delete client.makeRequest;
  }
}

/**
 * A resource of the SDK whose `create` rejects where the SDK's would throw, or take nonsense, because its arguments are no
 * objects. All else is the SDK's.
 * @param {import('./sdk.js').SdkClass} Resource @param {string} path That of its endpoint.
 */
function checkingArguments(Resource, path) {
  const Checking = class extends Resource {
    /** @param {any} body @param {any} [options] */
    create(body, options) {
      if (isObject(body) && (options === undefined || isObject(options))) {
        const { isThenable } = promises();
        const isLater = isThenable(options) && (stateOf(this._client).sdk.major ?? 0) < 7;
        const given = isLater ? { [calls().LATER]: options } : options;
        const isUnpacked = path === '/embeddings' && !body.encoding_format && !isThenable(given);
        return super.create(body, isUnpacked ? { ...given, [calls().UNPACKED]: true } : given);
      }
      try {
        const endpoint = /** @type {import('./take-over.js').Endpoint} */ (calls().ENDPOINTS.get(path));
        checks().readBody(body, endpoint);
        if (options !== null) checks().checkOptions(options);
      } catch (error) {
        return calls().refused(this._client, error);
      }
      return super.create(body, options ?? undefined);
    }
  };
  // Names are seen: in stack traces, by instrumentation.
  Object.defineProperty(Checking, 'name', { value: Resource.name });
  return Checking;
}

/**
 * What the SDK reads by its name it also finds where it is inherited, such as the accessors of a class of the user's: a copy
 * would not have them.
 * @param {any} options @param {Record<string, unknown>} own
 */
function over(options, own) {
  return Object.create(Object(options), Object.getOwnPropertyDescriptors(own));
}

/**
 * Options of `openpipe` that stand beside it, where they do nothing.
 * @param {any} options @param {(message: string) => void} warn
 */
function warnOfMisplaced(options, warn) {
  for (const name of ['fallback', 'fallbackClient']) {
    if (!Object.hasOwn(Object(options), name) || options[name] === undefined) continue;
    warn(`\`${name}\` does nothing there: it belongs in \`openpipe: { ${name} }\` of the client's options`);
  }
}

/**
 * Only what the user gave counts as given: `withOptions` of the SDK passes its own defaults on as if they were.
 * @param {unknown} value @param {boolean | undefined} before @param {any} asked @param {string} name
 */
function isGiven(value, before, asked, name) {
  if (asked === undefined) return value !== undefined && value !== null;
  const here = asked[name];
  return here !== undefined && here !== null ? true : Boolean(before);
}

/** A URL without what may be a key: user, password, query. What is no URL may be one altogether. @param {string} url */
function withoutSecrets(url) {
  if (!URL.canParse(url)) return 'not a URL';
  return url.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//');
}

/**
 * Merges options member by member; `undefined` counts as not given.
 * @param {any} before @param {any} now
 */
function mergeOpenpipe(before, now) {
  if (now === undefined || now === null) return before;
  // Refused by the constructor.
  if (typeof now !== 'object' || Array.isArray(now)) return now;
  /** @type {any} */
  const merged = { __proto__: null };
  for (const given of [configOf(before) ?? before ?? {}, configOf(now) ?? now]) {
    for (const name of Object.keys(given)) {
      const value = given[name];
      if (value !== undefined) merged[name === 'baseURL' ? 'baseUrl' : name] = value;
    }
  }
  return merged;
}

/** Whether the SDK's constructor will find a key. @param {any} options */
function hasCredentials(options) {
  const own = options.apiKey ?? options.adminAPIKey ?? options.workloadIdentity ?? options.provider;
  if (own !== undefined && own !== null && own !== '' && !own.openpipeMissing) return true;
  if (options.apiKey === '') return Boolean(options.adminAPIKey);
  return !own?.openpipeMissing && Boolean(readEnv('OPENAI_API_KEY') ?? readEnv('OPENAI_ADMIN_KEY'));
}

/**
 * A key's function that stands where there is no key: the client can be made, as it may serve OpenPipe's models, and
 * whatever needs the key says what is missing. A key that is set on the client later is used.
 * @param {{ OpenAIError: any }} sdk
 */
function missingKey(sdk) {
  const provide = async () => {
    const later = provide.client?.apiKey;
    if (typeof later === 'string' && later) return later;
    throw new sdk.OpenAIError(states().MISSING_KEY);
  };
  provide.openpipeMissing = true;
  /** @type {any} */
  provide.client = undefined;
  return provide;
}

module.exports = { defineClient };
