/**
 * Servers that record everything they receive, a client with a key for each of them, and all visible outputs of that client: answers,
 * errors, events, warnings, logs.
 */

import diagnostics from 'node:diagnostics_channel';

import SdkOpenAI from 'openai';
import OpenAI from 'openpipe-native';
import { expect } from 'vitest';

import { ask } from '../support/calls.mjs';
import { FALLBACK, PRIMARY, test as base } from '../support/upstreams.mjs';
import { everyPrint, KEYS, keysIn } from './keys.mjs';

/** @import { ClientOptions, OpenPipeOptions } from 'openpipe-native' */
/** @import { Behaviour, LoggedRequest, Upstream } from '../../demo/upstream.mjs' */
/** @import { Asking } from '../support/calls.mjs' */
/** @import { Doing, Fixtures } from '../support/upstreams.mjs' */
/** @import { KeyName } from './keys.mjs' */

/** A model of the client's own upstream. */
export const OWN = 'own-model';

/** @typedef {'openai' | 'openpipe' | 'custom'} Place */

/**
 * @typedef {object} World
 * @property {Record<Place, Upstream>} servers
 * @property {OpenAI} openai
 * @property {(more?: ClientOptions) => OpenAI} newClient
 * @property {(asking: Asking, client?: OpenAI) => Promise<import('../support/calls.mjs').Told>} tell One call, all of whose outcome is noted.
 * @property {(what: unknown) => void} note
 * @property {() => KeyName[]} shown The keys that are in what was noted.
 * @property {() => string} noted
 * @property {(place: Place) => KeyName[]} sentTo The keys that a server has got, but for reports.
 * @property {() => LoggedRequest[]} reports
 */

/** @typedef {Omit<ClientOptions, 'openpipe'> & { does?: Partial<Record<Place, Doing>>, openpipe?: OpenPipeOptions }} Staging */

/** @param {LoggedRequest} request */
const isReport = ({ path }) => path.endsWith('/report');

/** @param {LoggedRequest[]} requests */
export function keysSent(requests) {
  return keysIn(requests.map(({ path, rawHeaders, rawBody }) => [path, ...rawHeaders, rawBody].join('\n')).join('\n'));
}

/** @type {import('vitest').TestAPI<Fixtures & { world: (staging?: Staging) => Promise<World> }>} */
export const test = /** @type {any} */ (
  base.extend({
    world: async (/** @type {Fixtures} */ { serve }, /** @type {any} */ use) => {
      /** @type {string[]} */
      const noted = [];
      const note = (/** @type {unknown} */ what) => void noted.push(everyPrint(what));
      const listen = (/** @type {unknown} */ event) => note(event);
      const channels = ['openpipe:fallback', 'openpipe:call'];
      for (const channel of channels) diagnostics.subscribe(channel, listen);

      /** @param {Staging} [staging] @returns {Promise<World>} */
      const world = async ({ does = {}, openpipe, ...own } = {}) => {
        /** @param {Place} place */
        const server = (place) => {
          const doing = does[place];
          if (doing === 'refused') return serve(doing);
          return serve((request) => {
            if (isReport(request)) return undefined;
            return typeof doing === 'function' ? doing(request) : doing;
          });
        };
        const servers = {
          openai: await server('openai'),
          openpipe: await server('openpipe'),
          custom: await server('custom'),
        };
        const log = (/** @type {unknown[]} */ ...what) => what.forEach(note);
        const logging = {
          logger: { debug: log, info: log, warn: log, error: log },
          logLevel: /** @type {const} */ ('debug'),
        };
        const custom = new SdkOpenAI({
          ...{ apiKey: KEYS.custom, baseURL: servers.custom.url, maxRetries: 0, logLevel: 'off' },
        });
        /** @param {ClientOptions} [more] */
        const newClient = ({ openpipe: moreOpenpipe, ...more } = {}) =>
          new OpenAI({
            ...{ apiKey: KEYS.openai, baseURL: servers.openai.url, maxRetries: 0, ...logging },
            defaultHeaders: { 'x-api-key': KEYS.default },
            ...own,
            ...more,
            openpipe: {
              ...{ apiKey: KEYS.openpipe, baseUrl: servers.openpipe.url, onFallback: note },
              fallback: [{ model: FALLBACK }, { model: 'of-another', client: custom }],
              ...openpipe,
              ...moreOpenpipe,
            },
          });
        const openai = newClient();
        return {
          servers,
          openai,
          newClient,
          note,
          noted: () => noted.join('\n'),
          shown: () => keysIn(noted.join('\n')),
          async tell(asking, client = openai) {
            const told = await ask(client, {
              ...asking,
              options: { headers: { cookie: `key=${KEYS.call}` }, ...asking.options },
            });
            // If nothing listens, no report is delivered either.
            if (does.openpipe !== 'refused') await told.info?.reportingFinished;
            const { error, info, text, chunks } = told;
            for (const each of [
              error,
              error?.cause,
              info,
              ...(info?.attempts ?? []),
              ...(info?.errors ?? []),
              text,
              chunks,
            ])
              note(each);
            note(client);
            return told;
          },
          sentTo: (place) => keysSent(servers[place].requests.filter((request) => !isReport(request))),
          reports: () => servers.openpipe.requests.filter(isReport),
        };
      };
      await use(world);
      for (const channel of channels) diagnostics.unsubscribe(channel, listen);
    },
  })
);

/** Asserts which keys each server received, and that no output has any. @param {World} world @param {'openai' | 'openpipe'} primary The server that may get the call's own key. */
export function expectKept({ sentTo, reports, shown }, primary) {
  const call = /** @type {const} */ ('call');
  expect(
    subtract(sentTo('openai'), ['openai', 'default', ...(primary === 'openai' ? [call] : [])]),
    'seen by OpenAI',
  ).toEqual([]);
  expect(
    subtract(sentTo('openpipe'), ['openpipe', ...(primary === 'openpipe' ? [call] : [])]),
    'seen by OpenPipe',
  ).toEqual([]);
  expect(subtract(sentTo('custom'), ['custom']), 'seen by the fallback client’s server').toEqual([]);
  for (const report of reports()) expect(keysSent([report]), report.rawBody).toEqual(['openpipe']);
  expect(shown(), 'shown').toEqual([]);
}

/** @param {KeyName[]} found @param {KeyName[]} allowed */
function subtract(found, allowed) {
  return found.filter((name) => !allowed.includes(name));
}

export { PRIMARY };
