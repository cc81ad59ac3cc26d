/** `test` with a client that reports, its upstream, and an OpenPipe server that receives the reports. */

import OpenAI from 'openpipe-native';
import { expect } from 'vitest';

import { eventually, MESSAGES } from './calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from './keys.mjs';
import { clientOptions, test as base } from './upstreams.mjs';

/** @import { ClientOptions, OpenPipeOptions } from 'openpipe-native' */
/** @import { Behaviour, LoggedRequest, Upstream } from '../../demo/upstream.mjs' */
/** @import { Doing, Fixtures } from './upstreams.mjs' */

/** A model that OpenPipe does not serve. */
export const MODEL = 'own-model';

/**
 * A port on which nothing ever listens. A port that was free a moment ago may belong to another test when a report is
 * retried.
 */
export const NOWHERE = 'http://127.0.0.1:1/v1';

/** What the report endpoint does when all is well. @type {Behaviour} */
export const TAKES = { kind: 'status', status: 200, body: { json: { status: 'ok' } } };

/**
 * @typedef {Omit<ClientOptions, 'openpipe'> & {
 *   calls?: Exclude<Doing, 'refused'>, openpipeCalls?: Behaviour, reports?: Behaviour | ((report: LoggedRequest) => Behaviour), openpipe?: OpenPipeOptions
 * }} Staging `calls`: what the client's own upstream does; `openpipeCalls`: what OpenPipe does with a chat completion.
 */

/**
 * @typedef {object} Stage
 * @property {OpenAI} openai
 * @property {ClientOptions} options What it was made with.
 * @property {Upstream} upstream
 * @property {Upstream} openpipe
 * @property {() => any[]} reports What has arrived.
 * @property {(call?: Call) => Promise<any>} only Makes a call, and gives its only report.
 */

/** @typedef {{ body?: Record<string, any>, options?: any, settled?: (answer: any) => Promise<void> }} Call */

/** @type {import('vitest').TestAPI<Fixtures & { stageReports: (staging?: Staging) => Promise<Stage> }>} */
export const test = /** @type {any} */ (
  base.extend({
    stageReports: async (/** @type {Fixtures} */ { serve }, /** @type {any} */ use) => {
      /** @param {Staging} staging @returns {Promise<Stage>} */
      const stageReports = async ({ calls, openpipeCalls, reports = TAKES, openpipe: own, ...more } = {}) => {
        const upstream = await serve(calls, { name: 'the upstream' });
        const openpipe = await serve((request) => {
          if (!isReport(request)) return openpipeCalls;
          return typeof reports === 'function' ? reports(request) : reports;
        });
        const options = clientOptions(openpipe.url, upstream.url, {
          maxRetries: 0,
          ...more,
          openpipe: { logRequest: undefined, ...own },
        });
        const openai = new OpenAI(options);
        const arrived = () => reportsAt(openpipe);
        return {
          openai,
          options,
          upstream,
          openpipe,
          reports: arrived,
          only: (call) => onlyReport(openai, arrived, call),
        };
      };
      await use(stageReports);
    },
  })
);

/** @param {LoggedRequest} request */
function isReport({ method, path }) {
  return method === 'POST' && path === '/v1/report';
}

/**
 * The reports that an upstream received. Checks that each is JSON, has the right `Authorization` header, and holds no key.
 * @param {{ requests: LoggedRequest[] }} upstream
 */
export function reportsAt({ requests }) {
  return requests.filter(isReport).map(({ body, rawBody, headers }) => {
    expect(headers.authorization).toBe(`Bearer ${OPENPIPE_KEY}`);
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(body, rawBody).toBeTypeOf('object');
    expect(rawBody).not.toContain(OPENAI_KEY);
    expect(rawBody).not.toContain(OPENPIPE_KEY);
    return body;
  });
}

/**
 * Makes one call to its end. Returns its report.
 * @param {OpenAI} openai @param {() => any[]} reports @param {Call} [call]
 */
async function onlyReport(openai, reports, { body, options } = {}) {
  const before = reports().length;
  const info = await callToItsEnd(openai, body, options);
  await info.reportingFinished;
  const arrived = reports().slice(before);
  expect(arrived).toHaveLength(1);
  return arrived[0];
}

/**
 * Makes one call to its end. Returns its `openpipe`.
 * @param {OpenAI} openai @param {Record<string, any>} [body] @param {any} [options]
 * @returns {Promise<any>}
 */
export async function callToItsEnd(openai, body, options) {
  try {
    const answer = /** @type {any} */ (
      await openai.chat.completions.create({ model: MODEL, messages: MESSAGES, ...body }, options)
    );
    if (body?.stream) for await (const _ of answer);
    return answer.openpipe;
  } catch (error) {
    return /** @type {any} */ (error).openpipe;
  }
}

/**
 * Waits until all reports have arrived: makes one more call, whose report comes last.
 * @param {Stage} stage
 * @returns {Promise<any[]>} The reports but for that last one.
 */
export async function allReported({ options, reports }) {
  const marker = 'the last one';
  const openai = new OpenAI({ ...options, openpipe: { ...options.openpipe, logRequest: true } });
  await callToItsEnd(openai, { user: marker, openpipe: { logRequest: true } });
  await openai.flush();
  const arrived = reports();
  expect(await eventually(() => reports().some(({ reqPayload }) => reqPayload.user === marker))).toBe(true);
  return arrived.filter(({ reqPayload }) => reqPayload.user !== marker);
}
