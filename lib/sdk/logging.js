'use strict';
/**
 * Logs calls to the client's logger in the form of the SDK's own log lines (`logger`, `logLevel`, `OPENAI_LOG`): one line for each
 * target, with an id of its own. Where the level is off nothing is made. Requests through the SDK's transport are logged by the SDK.
 *
 * The core reports a target when its attempt has ended, so retries are not logged one by one: the line has their number.
 */

const clock = require('../native/clock.js');
const native = require('../native/native.js');
const { LEVELS } = require('../native/warnings.js');

/** @typedef {import('../../types.js').Attempt} Attempt */
/** @typedef {{ status: number, headers: [string, string][], url: string }} Head */
/**
 * The URLs and headers of the client's upstreams.
 * @typedef {object} Places
 * @property {(service: string) => string | undefined} url
 * @property {(service: string) => [string, string][]} headers
 * @property {string[]} upstreams The names of the declared upstreams.
 * @property {(service: string) => boolean} isLoggedBySdk Whether the upstream is called through the SDK's transport, which logs.
 * @property {boolean} cached The client asks for OpenPipe's cache by default.
 * @property {() => string[]} secrets The present keys: a function may return another one each time.
 * @property {boolean} showsBodies openai 5 and 6 log bodies, 7 logs their length.
 */

const INFO = 400;
const DEBUG = 500;

/** @param {any} client */
function levelOf(client) {
  return client.logger ? (LEVELS[client.logLevel] ?? LEVELS.off ?? 0) : 0;
}

/**
 * The log of one call; `undefined` where the level is off.
 * @param {any} client @param {() => Places} places @param {import('../options/endpoints.js').Endpoint} endpoint
 */
function callLog(client, places, endpoint) {
  return levelOf(client) >= INFO ? new CallLog(client, places(), endpoint) : undefined;
}

class CallLog {
  /** @param {any} client @param {Places} places @param {import('../options/endpoints.js').Endpoint} endpoint */
  constructor(client, places, endpoint) {
    this.path = endpoint.path;
    this.client = client;
    this.places = places;
    this.isDebug = levelOf(client) >= DEBUG;
    this.id = newId();
    /** The id of the target before this one. @type {string | undefined} */
    this.before = undefined;
    this.startedAt = clock.unixTime();
    /** @type {{ text: string, options: any, given: any } | undefined} */
    this.request = undefined;
    /** The URL that the call's own options make for the client's own upstream. @type {string | undefined} */
    this.ownUrl = undefined;
  }

  /**
   * Logs the start of the call.
   * @param {string} text The body. @param {any} options The caller's. @param {string | null} given The options for the core.
   */
  started(text, options, given) {
    const read = given === null ? {} : JSON.parse(given);
    this.ownUrl = read.url;
    if (!this.isDebug) return;
    this.request = { text, options, given: read };
    const body = JSON.parse(text);
    this.#sending(
      this.#primaryOf(
        String(body?.model),
        this.places.cached || Boolean(read.openpipe?.cache ?? read.bodyOpenpipe?.cache),
      ),
      body,
    );
  }

  /**
   * The upstream of the first target. The core decides it, but reports it only when the attempt has ended.
   * @param {string} model @param {boolean} isCached
   */
  #primaryOf(model, isCached) {
    const { upstream } = this.request?.given.openpipe ?? {};
    if (upstream) return upstream;
    const prefix = model.slice(0, Math.max(model.indexOf(':'), 0));
    if (!isCached && this.places.upstreams.includes(prefix)) return prefix;
    return isCached || /^(openpipe|openai|anthropic|gemini)$/.test(prefix) ? 'openpipe' : 'openai';
  }

  /** Logs the move to another target. @param {{ from: Attempt, to: { upstream: string, model: string } }} event */
  movedOn({ from, to }) {
    this.#ended(from, undefined);
    const [there, here] = [to, from].map(({ upstream, model }) => `${model} (${upstream})`);
    this.#info(`[${this.id}] falling back from ${here} to ${there} - ${from.outcome}`);
    this.before = this.id;
    this.id = newId();
    this.startedAt = clock.unixTime();
    if (this.request) this.#sending(to.upstream, { ...JSON.parse(this.request.text), model: to.model });
  }

  /** Logs the end of the last target's attempt. @param {Attempt | undefined} attempt @param {Head | null} [head] */
  ended(attempt, head) {
    if (attempt) this.#ended(attempt, head ?? undefined);
  }

  /** Logs that a stream failed after it was handed over. @param {Attempt | undefined} attempt */
  brokeOff(attempt) {
    if (!attempt || this.#isLoggedElsewhere(attempt)) return;
    this.#info(`[${this.id}] stream failed after ${Math.round(attempt.durationMs)}ms - ${attempt.outcome}`);
    this.#debug(`[${this.id}] stream failed`, {
      durationMs: attempt.durationMs,
      message: this.#clean(attempt.message),
    });
  }

  /** Logs the body of the answer. @param {Head | null} head @param {unknown} body @param {number} [length] The length of its text. */
  parsed(head, body, length) {
    const { url, status } = head ?? {};
    this.#debug(`[${this.id}] response parsed`, {
      fallbackOf: this.before,
      url: url && redactUrl(url),
      status,
      body: length === undefined || this.places.showsBodies ? this.#cleanBody(body) : { type: 'json', length },
      durationMs: clock.unixTime() - this.startedAt,
    });
  }

  /** @param {string} service @param {any} body */
  #sending(service, body) {
    const { request } = this;
    // The SDK, or the custom client, logs its own requests.
    if (!request || service === 'client' || this.places.isLoggedBySdk(service)) return;
    const { headers, query, body: _, openpipe, __security, __metadata, ...options } = request.options;
    this.#debug(`[${this.id}] sending request`, {
      fallbackOf: this.before,
      method: 'post',
      url: this.#urlOf(service),
      options: {
        method: 'post',
        path: this.path,
        body: this.places.showsBodies ? body : { type: 'string', length: request.text.length },
        ...options,
        ...(query ? { query: redactQuery(query) } : {}),
        stream: body?.stream ?? false,
      },
      headers: this.#headersOf(service, request.given),
    });
  }

  /** @param {string} service @param {any} given */
  #headersOf(service, given) {
    const headers = new Headers(this.places.headers(service).filter(([name]) => !native.isCredential(name)));
    // Every upstream has a key of its own, which must not be logged.
    headers.set('authorization', '***');
    if (typeof given.timeout === 'number') headers.set('x-stainless-timeout', String(Math.trunc(given.timeout / 1000)));
    /** @type {[string, string | null][]} */
    const own = given.headers ?? [];
    for (const [name] of own) if (isHeader(name, '')) headers.delete(name);
    for (const [name, value] of own) {
      // The core refuses a header that HTTP does not allow; `Headers` would throw an error that repeats it, and it may be a key.
      if (value !== null && isHeader(name, value)) headers.append(name, native.isCredential(name) ? '***' : value);
    }
    return redactHeaders([...headers]);
  }

  /** Logs the end of an attempt: a line, and at the level `debug` a second one with details. @param {Attempt} attempt @param {Head} [head] */
  #ended(attempt, head) {
    if (this.#isLoggedElsewhere(attempt)) return;
    const { outcome, status, requestId, tries } = attempt;
    const ms = Math.round(attempt.durationMs);
    const url = head ? redactUrl(head.url) : this.#urlOf(attempt.upstream);
    const again = tries > 1 ? ` (try ${tries})` : '';
    const why = native.isTransient(outcome) ? 'error; no more retries left' : 'error; not retryable';
    const details = {
      fallbackOf: this.before,
      url,
      ...(status === undefined ? {} : { status }),
      ...(head && this.isDebug ? { headers: this.#cleanHeaders(head.headers) } : {}),
      durationMs: ms,
    };
    const failed = { ...details, message: this.#clean(attempt.message) };
    if (tries === 0) {
      // Its circuit is open, so no request was sent.
      this.#info(`[${this.#tag()}] not sent - ${outcome}`);
      this.#debug(`[${this.id}] not sent`, failed);
    } else if (attempt.upstream === 'client') {
      const result = outcome === 'ok' ? 'succeeded' : 'failed';
      this.#info(`[${this.#tag()}] client ${attempt.model} ${result} in ${ms}ms${outcome === 'ok' ? '' : ` - ${why}`}`);
      if (outcome !== 'ok') this.#debug(`[${this.id}] client error (${why})`, failed);
    } else if (status === undefined) {
      const what = outcome === 'timeout' ? 'connection timed out' : 'connection failed';
      this.#info(`[${this.#tag()}] ${what} - ${why}${again}`);
      this.#debug(`[${this.id}] ${what} (${why})`, failed);
    } else if (outcome === 'ok') {
      this.#info(`[${this.#tag(requestId)}] post ${url} succeeded with status ${status} in ${ms}ms${again}`);
      this.#debug(`[${this.id}] response start`, details);
    } else {
      // A success status can be a failure: a page of HTML, a body that never ends. So the outcome is named as well.
      const actual = status < 300 ? `${outcome}; ` : '';
      this.#info(
        `[${this.#tag(requestId)}] post ${url} failed with status ${status} in ${ms}ms - ${actual}${why}${again}`,
      );
      this.#debug(`[${this.id}] response error (${why})`, failed);
    }
  }

  /** @param {string} [requestId] */
  #tag(requestId) {
    const before = this.before === undefined ? '' : `, fallbackOf: ${this.before}`;
    return (
      this.id + before + (requestId === undefined ? '' : `, x-request-id: ${JSON.stringify(this.#clean(requestId))}`)
    );
  }

  /** @param {Attempt} attempt */
  #isLoggedElsewhere({ upstream }) {
    return upstream !== 'client' && this.places.isLoggedBySdk(upstream);
  }

  /** @param {string} service */
  #urlOf(service) {
    const url = (service === 'openai' ? this.ownUrl : undefined) ?? this.places.url(service);
    return url && redactUrl(url);
  }

  /** @param {string | undefined} text */
  #clean(text) {
    return text && native.redact(text, this.places.secrets());
  }

  /** Redacts keys in response headers, as some upstreams repeat them. @param {[string, string][]} headers */
  #cleanHeaders(headers) {
    const secrets = this.places.secrets();
    return redactHeaders(headers.map(([name, value]) => [name, native.redact(value, secrets)]));
  }

  /** Redacts keys in a response's body. @param {unknown} body */
  #cleanBody(body) {
    if (!this.isDebug) return body;
    const text = JSON.stringify(body);
    const clean = text && native.redact(text, this.places.secrets());
    return clean === text ? body : parsedOrText(clean);
  }

  /** @param {string} line */
  #info(line) {
    write(this.client, 'info', [line]);
  }

  /** @param {string} line @param {Record<string, unknown>} details */
  #debug(line, details) {
    if (this.isDebug) write(this.client, 'debug', [line, withoutUndefined(details)]);
  }
}

/** @param {any} client @param {'info' | 'debug'} level @param {unknown[]} what */
function write(client, level, what) {
  try {
    client.logger[level](...what);
  } catch {
    // A logger that throws must not fail a call, and nothing else could report it.
  }
}

/** An id in the SDK's format, which connects the log lines of one request; it is not the API's request id. */
function newId() {
  return `log_${((Math.random() * (1 << 24)) | 0).toString(16).padStart(6, '0')}`;
}

/** @param {Record<string, unknown>} details */
function withoutUndefined(details) {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined));
}

/** @param {string} name @param {string} value */
function isHeader(name, value) {
  try {
    new Headers([[name, value]]);
    return true;
  } catch {
    return false;
  }
}

/** @param {[string, string][]} headers */
function redactHeaders(headers) {
  return Object.fromEntries(headers.map(([name, value]) => [name, native.isCredential(name) ? '***' : value]));
}

/** The value of a redacted JSON text; the text itself where redaction broke the JSON. @param {string} text */
function parsedOrText(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** @param {Record<string, unknown>} query */
function redactQuery(query) {
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => [name, native.isCredential(name) ? '***' : value]),
  );
}

/** A URL without user and password, and with query parameters that hold keys redacted. @param {string} text */
function redactUrl(text) {
  if (!/[?@#]/.test(text) || !URL.canParse(text)) return text;
  const url = new URL(text);
  url.username = url.password = url.hash = '';
  for (const name of [...url.searchParams.keys()]) if (native.isCredential(name)) url.searchParams.set(name, '***');
  return url.href;
}

module.exports = { CallLog, callLog };
