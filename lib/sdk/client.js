'use strict';
/** The class `OpenAI`: the SDK's own, with `chat.completions.create` served by the addon. */

const { inspect } = require('node:util');

const native = require('../native/native.js');
const { promiseClass } = require('../call/answer.js');
const { CLIENT_MEMBERS, readClientOptions } = require('./arguments.js');
const { create } = require('./completions.js');
const { configOf } = require('../openpipe-client/openpipe-client.js');
const reports = require('../reports/reports.js');
const { MISSING_KEY, SDK_OPENPIPE, State, stateOf, states } = require('./state.js');
const { readEnv } = require('../native/environment.js');
const { majorOf } = require('./sdk.js');
const { warnOnce } = require('./warnings.js');

/** How `withOptions` tells the new client what its user had given to the old one. */
const inheritance = Symbol('openpipe-native.inheritance');

/**
 * Makes the class on top of one copy of the `openai` package.
 * @param {import('./sdk.js').Sdk} sdk
 */
function defineClient(sdk) {
  const parts = { ...sdk, APIPromise: promiseClass(sdk.APIPromise), major: majorOf(sdk.OpenAI) };
  const SdkChat = /** @type {import('./sdk.js').SdkClass} */ (sdk.OpenAI.Chat);
  const SdkCompletions = /** @type {import('./sdk.js').SdkClass} */ (SdkChat.Completions);

  class Completions extends SdkCompletions {
    /** @param {any} body @param {any} [options] */
    create(body, options) {
      return create(this._client, body, options);
    }
  }

  class Chat extends SdkChat {
    /** @param {any} client */
    constructor(client) {
      super(client);
      this.completions = new Completions(client);
    }
  }
  Chat.Completions = Completions;

  class OpenAI extends sdk.OpenAI {
    /** @param {any} [options] */
    constructor(options = {}) {
      const { openpipe, [inheritance]: inherited, ...own } = options;
      const missing = missingKey(sdk);
      super(over(options, hasCredentials(options) ? own : { ...own, apiKey: missing }));
      missing.client = this;
      if (this._options.apiKey === missing) Object.assign(this, { apiKey: null });

      /** @type {import('./state.js').ForeignClient[]} */
      const clients = Array(SDK_OPENPIPE + 1);
      const warn = (/** @type {string} */ message) => warnOnce(this, message);
      const read = readClientOptions(openpipe, { clients, warn, nearestName: native.nearestName });
      const given = {
        maxRetries: isGiven(own.maxRetries, inherited?.given.maxRetries, inherited?.asked, 'maxRetries'),
        fetch: isGiven(own.fetch, inherited?.given.fetch, inherited?.asked, 'fetch'),
        fetchOptions: isGiven(own.fetchOptions, inherited?.given.fetchOptions, inherited?.asked, 'fetchOptions'),
        httpAgent: isGiven(own.httpAgent, inherited?.given.httpAgent, inherited?.asked, 'httpAgent'),
      };
      states.set(this, new State(parts, this, read, clients, openpipe, given, inherited?.family));
      this.chat = new Chat(this);
    }

    /** A client with the same options, `openpipe` among them, but for those given here. @param {any} options */
    withOptions(options) {
      const state = stateOf(this);
      // openai 7 has private fields, which a proxy around the client does not have.
      return super.withOptions.call(parts.major < 7 ? this : state.client, {
        ...options,
        openpipe: mergeOpenpipe(state.openpipe, options?.openpipe),
        [inheritance]: { given: state.given, asked: options ?? {}, family: state.family },
      });
    }

    /**
     * How the targets of this client, and of those made from it by `withOptions()`, have done lately: for health checks.
     * @returns {any[]}
     */
    upstreams() {
      return JSON.parse(stateOf(this).family.upstreams());
    }

    /**
     * Delivers the reports that are queued, for serverless functions and graceful shutdowns: those of all clients of this
     * thread. Never rejects; waits for 30 s at most.
     * @returns {Promise<{ delivered: number, dropped: number, pending: number }>}
     */
    flush() {
      return reports.flush();
    }

    /** Takes no more calls, delivers the reports that are queued, and lets go of everything native. */
    async close() {
      const state = stateOf(this);
      state.close();
      await reports.flush();
    }

    /** What may be shown of a client, by `console.log` and by loggers: never a key. */
    toJSON() {
      return { baseURL: withoutSecrets(this.baseURL), timeout: this.timeout, maxRetries: this.maxRetries };
    }

    /** @param {number} _depth @param {import('node:util').InspectOptions} options */
    [inspect.custom](_depth, options) {
      return `${this.constructor.name} ${inspect(this.toJSON(), options)}`;
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
  // Names are seen: in the user agent, in stack traces, by instrumentation.
  OpenAI.OpenAI = OpenAI;
  OpenAI.Chat = Chat;
  return OpenAI;
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
 * What is `undefined` counts as not given. Members are read by their names as well: a class may have them as accessors.
 * @param {any} before @param {any} now
 */
function mergeOpenpipe(before, now) {
  if (now === undefined || now === null) return before;
  // Refused by the constructor.
  if (typeof now !== 'object' || Array.isArray(now)) return now;
  /** @type {any} */
  const merged = { __proto__: null };
  for (const given of [configOf(before) ?? before ?? {}, configOf(now) ?? now]) {
    for (const name of new Set(['baseURL', ...CLIENT_MEMBERS, ...Object.keys(given)])) {
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
 * @param {import('./sdk.js').Sdk} sdk
 */
function missingKey(sdk) {
  const provide = async () => {
    const later = provide.client?.apiKey;
    if (typeof later === 'string' && later) return later;
    throw new sdk.OpenAIError(MISSING_KEY);
  };
  provide.openpipeMissing = true;
  /** @type {any} */
  provide.client = undefined;
  return provide;
}

module.exports = { defineClient };
