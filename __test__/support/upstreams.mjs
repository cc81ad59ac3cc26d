/** `test` with upstreams that are closed automatically, and with a client that has two of them as targets. */

import OpenAI from 'openpipe-native';
import { test as base } from 'vitest';

import { forkUpstream } from '../../demo/upstream-process.mjs';
import { closedPort, startUpstream } from '../../demo/upstream.mjs';

import { OPENAI_KEY, OPENPIPE_KEY } from './keys.mjs';

/** @import { ClientOptions, OpenPipeOptions } from 'openpipe-native' */
/** @import { Behaviour, LoggedRequest, Upstream, UpstreamOptions } from '../../demo/upstream.mjs' */
/** @import { ForkedUpstream } from '../../demo/upstream-process.mjs' */

/** The models: OpenPipe's URL serves the primary, the client's own `baseURL` the fallback. */
export const PRIMARY = 'openpipe:primary';
export const FALLBACK = 'fallback-model';

/** @typedef {Behaviour | 'refused' | ((request: LoggedRequest) => Behaviour | undefined)} Doing `refused`: nobody listens. */

/** The behaviours of primary and fallback, and further options of the client. */
/**
 * @typedef {Omit<ClientOptions, 'openpipe'> & { primary?: Doing, fallback?: Doing, openpipe?: OpenPipeOptions }} Staging
 */

/**
 * @typedef {object} Stage
 * @property {OpenAI} openai Each upstream's key is its own; nothing is reported, so that only calls reach the upstreams.
 * @property {ClientOptions} options What it was made with.
 * @property {Upstream} primary
 * @property {Upstream} fallback
 */

/**
 * @typedef {object} Fixtures
 * @property {(doing?: Doing, options?: UpstreamOptions) => Promise<Upstream>} serve Default: good answers.
 * @property {(behaviours: Record<string, Behaviour>) => Promise<ForkedUpstream>} serveElsewhere In a process of its own.
 * @property {(staging?: Staging) => Promise<Stage>} stage
 */

/** Closes the upstreams after the test. */
function closing() {
  /** @type {{ close(): Promise<void> }[]} */
  const opened = [];
  return {
    /** @template {{ close(): Promise<void> }} T @param {T} upstream */
    keep(upstream) {
      opened.push(upstream);
      return upstream;
    },
    close: () => Promise.all(opened.map((upstream) => upstream.close())),
  };
}

/** @type {Record<string, (fixtures: any, use: (value: any) => Promise<void>) => Promise<void>>} */
const fixtures = {
  // vitest reads the needed fixtures from the destructuring pattern.
  serve: async ({}, use) => {
    const upstreams = closing();
    /** @type {Fixtures['serve']} */
    const serve = async (doing = { kind: 'answer' }, options = {}) =>
      upstreams.keep(doing === 'refused' ? await nobody() : await startUpstream({ ...behaving(doing), ...options }));
    await use(serve);
    await upstreams.close();
  },
  serveElsewhere: async ({}, use) => {
    const upstreams = closing();
    /** @type {Fixtures['serveElsewhere']} */
    const serveElsewhere = async (behaviours) => upstreams.keep(await forkUpstream({ behaviours }));
    await use(serveElsewhere);
    await upstreams.close();
  },
  stage: async (/** @type {Fixtures} */ { serve }, use) => {
    /** @type {Fixtures['stage']} */
    const stage = async ({ primary: primaryDoes, fallback: fallbackDoes, openpipe, ...own } = {}) => {
      const [primary, fallback] = await Promise.all([
        serve(primaryDoes, { name: 'the primary' }),
        serve(fallbackDoes, { name: 'the fallback' }),
      ]);
      const options = clientOptions(primary.url, fallback.url, { ...own, openpipe });
      return { openai: new OpenAI(options), options, primary, fallback };
    };
    await use(stage);
  },
};

/** @type {import('vitest').TestAPI<Fixtures>} */
export const test = /** @type {any} */ (base.extend(fixtures));

/**
 * @param {string} openpipeUrl
 * @param {string} openaiUrl
 * @param {ClientOptions} [more]
 * @returns {ClientOptions}
 */
export function clientOptions(openpipeUrl, openaiUrl, { openpipe, ...own } = {}) {
  return {
    apiKey: OPENAI_KEY,
    baseURL: openaiUrl,
    ...own,
    openpipe: { apiKey: OPENPIPE_KEY, baseUrl: openpipeUrl, logRequest: false, ...openpipe },
  };
}

/** The chat completions that an upstream was asked for. @param {{ requests: LoggedRequest[] }} upstream */
export function chats({ requests }) {
  return requests.filter(({ path }) => path.includes('/chat/completions'));
}

/** The only chat completion that an upstream was asked for. @param {{ requests: LoggedRequest[] }} upstream */
export function onlyChat(upstream) {
  const [request, ...more] = chats(upstream);
  if (!request || more.length > 0) throw new Error(`${chats(upstream).length} requests arrived, not 1`);
  return request;
}

/** @param {Exclude<Doing, 'refused'>} doing @returns {UpstreamOptions} */
function behaving(doing) {
  return { behaviour: typeof doing === 'function' ? doing : () => doing };
}

/** A place where nobody listens. @returns {Promise<Upstream>} */
async function nobody() {
  const port = await closedPort();
  return {
    url: `http://127.0.0.1:${port}/v1`,
    port,
    requests: [],
    connections: 0,
    totalConnections: 0,
    arrival: () => new Promise(() => {}),
    reset: () => {},
    close: async () => {},
  };
}
