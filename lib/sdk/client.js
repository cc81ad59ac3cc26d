'use strict';
/** The class `OpenAI`: a subclass of the SDK's, whose requests to the engine's endpoints become calls of the engine. */

const { inspect } = require('node:util');

const { SDK_OPENPIPE } = require('../host-client/numbers.js');
const { markKeyError } = require('../host-client/thrown.js');
const { readEnv } = require('../native/environment.js');
// Loaded here, so that `import` fails where the addon cannot be loaded, and not the first `new OpenAI()`.
require('../native/native.js');
const { Warnings } = require('../native/warnings.js');
const { flushTime, isObject } = require('../options/checks.js');
const { ENDPOINTS } = require('../options/endpoints.js');
const { configOf } = require('../options/openpipe.js');
const { baseOf, checkVersion, leadsTo, majorOf } = require('./sdk.js');
const { keepState, stateOf } = require('./state-of.js');

// Loaded by the first client or the first call: these modules are most of the code to compile, which would slow the `import`.
const errors = once(() => require('../call/errors.js'));
const promises = once(() => require('../call/promise.js'));
const clientOptions = once(() => require('../options/client-options.js'));
const reports = once(() => require('../reports/reports.js'));
const checks = once(() => require('./arguments.js'));
const homes = once(() => require('./homes.js'));
const states = once(() => require('./state.js'));
const calls = once(() => require('./take-over.js'));

/** A module that is loaded when it is first used. @template T @param {() => T} load @returns {() => T} */
function once(load) {
  /** @type {T | undefined} */
  let loaded;
  return () => (loaded ??= load());
}

/** The constructor's option by which `withOptions` passes this client's state to the new client. */
const inheritance = Symbol('openpipe-native.inheritance');

/** The name of the method that returns the client itself: called on a proxy, it returns the client behind the proxy. */
const itself = Symbol('openpipe-native.itself');

/**
 * Options of requests that `methodRequest` found not to be the engine's: `request` passes them to the SDK unchecked.
 * @type {WeakSet<PromiseLike<unknown>>}
 */
const notOurs = new WeakSet();

/** A resource of the class whose `create` calls an endpoint. @typedef {{ name: string, Resource: import('./sdk.js').SdkClass }} Resource */

/**
 * Makes the class that extends the one of a copy of the `openai` package.
 * @param {Omit<import('./sdk.js').Sdk, 'Base'>} exported
 */
function defineClient(exported) {
  const Base = baseOf(exported);
  checkVersion(Base);
  const parts = { ...exported, Base, major: majorOf(Base) };
  const Extended = /** @type {import('./sdk.js').SdkClass} */ (leadsTo(exported.OpenAI, Base) ? exported.OpenAI : Base);
  const SdkChat = /** @type {import('./sdk.js').SdkClass} */ (Base.Chat);
  // `chat` is a resource that holds the one of its endpoint; those of the others are the client's own.
  const [{ Resource: Completions }, ...resources] = /** @type {[Resource, ...Resource[]]} */ (
    ENDPOINTS.map((endpoint) => ({
      name: endpoint.name,
      Resource: checkingArguments(endpoint.classOf(Base), endpoint),
    }))
  );

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
      super(inheriting(options, hasCredentials(options) ? own : { ...own, apiKey: missing }));
      // An instrumentation may have replaced the SDK's class by a function or a proxy, which returns an object of that class.
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
        maxRetries: isGiven(own.maxRetries, inherited, 'maxRetries'),
        fetch: isGiven(own.fetch, inherited, 'fetch'),
        fetchOptions: isGiven(own.fetchOptions, inherited, 'fetchOptions'),
        httpAgent: isGiven(own.httpAgent, inherited, 'httpAgent'),
      };
      keepState(
        client,
        new (states().State)(parts, client, read, clients, openpipe, given, warnings, inherited?.family),
      );
      client.chat = new Chat(client);
      for (const { name, Resource } of resources) client[name] = new Resource(client);
    }

    /**
     * The SDK's resource methods all call this. Requests to the engine's endpoints are taken over here and not in `request`, which
     * gets its options as a promise: the body must be serialized before `create` returns.
     * @param {string} method @param {string} path @param {any} given
     */
    methodRequest(method, path, given) {
      const endpoint = calls().endpointOf(method, path);
      const isOurs = endpoint !== undefined && this.request === OpenAI.prototype.request;
      if (isOurs && !promises().isThenable(given) && calls().isTaken(given))
        return calls().takeOver(this, endpoint, given);
      const withPath = (/** @type {any} */ options) => ({ method, path, ...options });
      if (isOurs && promises().isThenable(given)) {
        const endpointFor = (/** @type {any} */ options) => (calls().isTaken(options) ? endpoint : undefined);
        const send = (/** @type {any} */ options) => super.request(calls().withoutOpenpipe(this, withPath(options)));
        return calls().takeOverLater(this, given, endpointFor, send);
      }
      const resolved = Promise.resolve(given).then(withPath);
      const id = this.request === OpenAI.prototype.request ? homes().responseIdOf(method, path) : undefined;
      if (id !== undefined)
        return homes().sendHome(this, id, resolved, (options) => super.request(calls().withoutOpenpipe(this, options)));
      if (endpoint) return this.request(resolved);
      const options = resolved.then((all) => calls().withoutOpenpipe(this, all));
      notOurs.add(options);
      return this.request(options);
    }

    /** @param {any} options May be a promise. @param {number | null} [remainingRetries] */
    request(options, remainingRetries = null) {
      const send = (/** @type {any} */ own) => super.request(calls().withoutOpenpipe(this, own), remainingRetries);
      if (notOurs.has(options)) return super.request(options, remainingRetries);
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

    /** Calls the function that returns the key, and marks its errors: they are no failure of the upstream. @param {any[]} given */
    async _callApiKey(...given) {
      try {
        return await super._callApiKey(...given);
      } catch (error) {
        throw markKeyError(error);
      }
    }

    /** The client itself, also where this is called on a proxy around it that binds methods to their target. */
    [itself]() {
      return this;
    }

    /** A client with the same options, `openpipe` among them, but for those given here. @param {any} options */
    withOptions(options) {
      const state = stateOf(this);
      // openai 7 reads private fields of `this`, which a proxy around the client does not have.
      return super.withOptions.call(parts.major < 7 ? this : state.client, {
        ...options,
        openpipe: mergeOpenpipe(state.openpipe, options?.openpipe),
        [inheritance]: { given: state.given, changes: options ?? {}, family: state.family, warnings: state.warnings },
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
  // Early releases of Node.js 20 lack `Symbol.asyncDispose`.
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
  const makeStatusError = errors().statusErrorHook(parts, Base.prototype.makeStatusError);
  Object.defineProperty(OpenAI.prototype, 'makeStatusError', {
    configurable: true,
    writable: true,
    value: makeStatusError,
  });
  // As in the SDK, whose class has itself and its resources as static members.
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
 * Lists what belongs to a response at the response's home. The SDK calls `makeRequest` synchronously, on this client, whose private
 * fields no other object has: so it is replaced on the client for the time of that call.
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
 * A subclass of one of the SDK's resources, whose `create` checks that its arguments are objects and rejects where they are not:
 * the SDK's would throw, or send nonsense.
 * @param {import('./sdk.js').SdkClass} Resource @param {import('../options/endpoints.js').Endpoint} endpoint The one that `create` calls.
 */
function checkingArguments(Resource, endpoint) {
  const Checking = class extends Resource {
    /** @param {any} body @param {any} [options] */
    create(body, options) {
      if (isObject(body) && (options === undefined || isObject(options))) {
        const { isThenable } = promises();
        const isLater = isThenable(options) && (stateOf(this._client).sdk.major ?? 0) < 7;
        const given = isLater ? { [calls().LATER]: options } : options;
        const isUnpacked = endpoint.name === 'embeddings' && !body.encoding_format && !isThenable(given);
        return super.create(body, isUnpacked ? { ...given, [calls().UNPACKED]: true } : given);
      }
      try {
        checks().readBody(body, endpoint);
        if (options !== null) checks().checkOptions(options);
      } catch (error) {
        return calls().refused(this._client, error);
      }
      return super.create(body, options ?? undefined);
    }
  };
  // The name stands in stack traces, and instrumentations read it.
  Object.defineProperty(Checking, 'name', { value: Resource.name });
  return Checking;
}

/**
 * An object that has `own` as its members and inherits all others from `options`. A copy of `options` would lack what those inherit
 * themselves, such as the accessors of a user's class of options.
 * @param {any} options @param {Record<string, unknown>} own
 */
function inheriting(options, own) {
  return Object.create(Object(options), Object.getOwnPropertyDescriptors(own));
}

/**
 * Warns of options of `openpipe` that stand beside it, where they have no effect.
 * @param {any} options @param {(message: string) => void} warn
 */
function warnOfMisplaced(options, warn) {
  for (const name of ['fallback', 'fallbackClient']) {
    if (!Object.hasOwn(Object(options), name) || options[name] === undefined) continue;
    warn(`\`${name}\` does nothing there: it belongs in \`openpipe: { ${name} }\` of the client's options`);
  }
}

/**
 * Whether the user gave an option. The SDK's `withOptions` passes every option of the client to the new one, its defaults among them,
 * so there it counts what was given to the first client, or as a change.
 * @param {unknown} value @param {any} inherited What `withOptions` passes on; `undefined` for other clients. @param {string} name
 */
function isGiven(value, inherited, name) {
  if (inherited === undefined) return value !== undefined && value !== null;
  const change = inherited.changes[name];
  return change !== undefined && change !== null ? true : Boolean(inherited.given[name]);
}

/** A URL without user, password and query, which may hold a key. A text that is no URL may itself be a key, so it is not shown. @param {string} url */
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
  // Passed on as it is, for the constructor to refuse.
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
 * An `apiKey` function for a client without a key: the client can be made, since it may call OpenPipe's models only, and a request
 * that needs the key fails with an error that says how to set it. A key that is set on the client later is used.
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
