/**
 * The fault matrix: each fault as a target that is followed by a healthy one, and as the last target; for every way in which
 * that target is called.
 */

import OpenAI, { APIError } from 'openpipe-native';
import { describe, expect, test, vi } from 'vitest';

import { ask } from '../support/calls.mjs';
import { ENDPOINTS } from '../support/endpoints.mjs';
import { connectionFaults } from './catalogue/connections.mjs';
import { responseFaults, statusFaults } from './catalogue/responses.mjs';
import { midStreamFaults, streamFaults } from './catalogue/streams.mjs';
import { answerTo } from './server/exchange.mjs';
import { CLIENTS_MODEL, FALLBACK, CLIENT_KEY, newKey, PRIMARY, scene, useFaultServer, VIAS } from './upstreams.mjs'; // prettier-ignore
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';

/** @import { Asking, Told } from '../support/calls.mjs' */
/** @import { Expected, Fault } from './catalogue/fault.mjs' */
/** @import { FaultServer } from './server.mjs' */
/** @import { Via } from './upstreams.mjs' */

/** Every call of the matrix ends within this, also on a machine that is busy: far from what a hang would take. */
const PROMPTLY_MS = 15_000;

/** One status of each kind, and those with further differences. The kinds of all statuses are tested in the core. */
const CODES = [400, 401, 402, 403, 404, 408, 409, 422, 429, 500, 503, 529];

/** The other endpoints are tried with a few faults of each kind: the matrix of chat covers the transport. */
const FEW_CODES = [401, 429, 500];
const FEW_STATUSES = ['answers with any status, and json'];
const FEW_FAULTS = [
  'refuses connections',
  'resets after the request',
  'never answers',
  'closes within its body',
  'sends garbage',
  'redirects to nowhere (307)',
  'answers 200 with nothing',
  'answers 200 with an error',
  'answers 200 with half of its JSON',
  'answers 200 with choices that are null',
  'sends half of its gzip',
  'resets the stream after its headers',
  'closes the stream after the role event',
  'ends the stream after the role event',
  'stalls the stream after empty deltas',
  'ends the stream after half an event',
  'sends nothing but comments',
  'sends a role and [DONE]',
  'sends an error event',
  'sends an error beside choices',
  'sends an event that is not JSON',
  'resets the stream after the first content',
  'stalls the stream after the first content',
  'ends the stream after the last content',
  'sends an error after some content',
];

for (const name of FEW_FAULTS) {
  const known = [...connectionFaults, ...responseFaults, ...streamFaults, ...midStreamFaults];
  if (!known.some((fault) => fault.name === name)) throw new Error(`no fault is named "${name}"`);
}

/**
 * @param {'completion' | 'stream'} mode @param {NonNullable<Asking['endpoint']>} [endpoint]
 * @param {FaultServer} [server] Default: a new one.
 */
export function testMatrix(mode, endpoint = 'chat', server = useFaultServer()) {
  const stream = mode === 'stream';
  const isTried = ({ name = '' }) => endpoint === 'chat' || FEW_FAULTS.includes(name);
  // Most of them wait.
  vi.setConfig({ maxConcurrency: 16 });
  const all = [...connectionFaults, ...responseFaults, ...(stream ? [...streamFaults, ...midStreamFaults] : [])];
  const faults = all.filter(isTried);
  const what = endpoint === 'chat' ? mode : `${mode} of ${endpoint}`;

  // The SDK's transport is the same for all of them.
  const vias = ['chat', 'responses'].includes(endpoint) ? VIAS : VIAS.filter((via) => via !== 'fetch');
  for (const via of vias) {
    const cases = faults.flatMap((fault) => {
      const expected = fault[mode];
      if (!expected || (via !== 'native' && (fault.notJs || expected.js === 'ok'))) return [];
      // Node's `fetch` reads the test's certificate authority only when the process starts.
      if (via === 'fetch' && fault.at === 'tls' && fault.scheme === 'https') return [];
      const kind =
        (via === 'client' ? expected.client : undefined) ??
        (via === 'native' ? undefined : expected.js) ??
        expected.kind;
      return [{ fault, expected, kind }];
    });

    describe.concurrent(`a ${what} (${via}) is answered by the next target`, () => {
      for (const { fault, kind } of cases) {
        test(`after an upstream that ${fault.name}`, async () => {
          const key = newKey(mode);
          const openpipe = midStreamFaults.includes(fault) ? { holdUntil: /** @type {const} */ ('finish') } : undefined;
          const { openai, asking, at } = scene(server, fault, key, { via, endpoint, stream, followed: true, openpipe });
          const told = await ask(openai, asking);

          expectHealthy(told, key, stream, endpoint);
          expect(told.info.attempts.map(({ outcome }) => outcome)).toEqual([
            ...(via === 'client' ? ['connection'] : []),
            kind,
            'ok',
          ]);
          expect(told.info.attempts[at]).toMatchObject({
            upstream: via === 'client' ? 'client' : 'openpipe',
            model: via === 'client' ? CLIENTS_MODEL : PRIMARY,
            tries: 1,
          });
          expect(told.info).toMatchObject({ servedBy: 'fallback', model: FALLBACK });
          await expectRequests(server, key, fault, { via, answered: true });
        });
      }
    });

    describe.concurrent(`a ${what} (${via}) without another target ends with its error`, () => {
      for (const { fault, expected, kind } of cases) {
        test(`where an upstream ${fault.name}`, async () => {
          const key = newKey(mode);
          const { openai, asking, at } = scene(server, fault, key, {
            via,
            endpoint,
            stream,
            followed: false,
            maxRetries: 0,
          });
          const told = await ask(openai, asking);

          expect(told.ms).toBeLessThan(PROMPTLY_MS);
          expect(told.error).toBeInstanceOf(Error);
          expect(told.info?.attempts[at]).toMatchObject({ outcome: kind, tries: 1 });
          expect(told.info?.attempts).toHaveLength(at + 1);
          expect(told.info?.errors?.[at]).toBe(told.error);
          if (via === 'native') expectError(told.error, expected);
          // Whatever `fetch` and the SDK throw.
          if (via === 'fetch') expect(told.error).toBeInstanceOf(APIError);
          expectNoKey(told.error);
          await expectRequests(server, key, fault, { via, answered: false });
        });
      }
    });

    if (stream) testMidStream(server, via, midStreamFaults.filter(isTried), endpoint);
    testStatuses(server, via, mode, endpoint);
  }
}

/**
 * After the caller has read content, a fault is an error: no retry, no fallback, no silent end.
 * @param {FaultServer} server @param {Via} via @param {Fault[]} faults @param {NonNullable<Asking['endpoint']>} endpoint
 */
function testMidStream(server, via, faults, endpoint) {
  const what = endpoint === 'chat' ? 'stream' : `stream of ${endpoint}`;
  describe.concurrent(`a ${what} (${via}) that was committed is an error to its reader`, () => {
    for (const fault of faults.filter(({ notJs }) => via === 'native' || !notJs)) {
      test(`where an upstream ${fault.name}`, async () => {
        const key = newKey('committed');
        const { openai, asking } = scene(server, fault, key, { via, endpoint, stream: true, followed: true });
        const told = await ask(openai, asking);

        expect(told.failedIn).toBe('iterator');
        expect(told.error).toBeInstanceOf(Error);
        if (via === 'native') expectError(told.error, /** @type {Expected} */ (fault.stream));
        expect(answerTo(key).startsWith(told.text)).toBe(true);
        expect(told.text).not.toBe('');
        expect(told.info.attempts.at(-1)).toMatchObject({ outcome: 'stream' });
        await expectRequests(server, key, fault, { via, answered: false });
      });
    }
  });
}

/** @param {FaultServer} server @param {Via} via @param {'completion' | 'stream'} mode @param {NonNullable<Asking['endpoint']>} endpoint */
function testStatuses(server, via, mode, endpoint) {
  const stream = mode === 'stream';
  const isChat = endpoint === 'chat';
  const what = isChat ? mode : `${mode} of ${endpoint}`;
  const codes = isChat ? CODES : FEW_CODES;
  for (const fault of statusFaults.filter(({ name }) => isChat || FEW_STATUSES.includes(name))) {
    test(`a ${what} (${via}) is answered by the next target after an upstream that ${fault.name}`, async () => {
      const key = newKey(mode);
      const { openai, asking, at } = scene(server, fault, key, { via, endpoint, stream, followed: true });
      const outcomes = await Promise.all(
        codes.map(async (code) => {
          const told = await ask(openai, forStatus(asking, code));
          expectHealthy(told, key, stream, endpoint);
          return [code, told.info.attempts[at]?.outcome, told.info.attempts[at]?.status];
        }),
      );
      expect(outcomes).toEqual(codes.map((code) => [code, kindOf(code), code]));
    });

    test(`a ${what} (${via}) without another target ends with the SDK's error where an upstream ${fault.name}`, async () => {
      const key = newKey(mode);
      const { openai, asking, at } = scene(server, fault, key, {
        via,
        endpoint,
        stream,
        followed: false,
        maxRetries: 0,
      });
      const outcomes = await Promise.all(
        codes.map(async (code) => {
          const { error } = await ask(openai, forStatus(asking, code));
          expect(error.openpipe.attempts[at]).toMatchObject({ outcome: kindOf(code), status: code, tries: 1 });
          const { message, constructor } = OpenAI.APIError.generate(code, error.error && { error: error.error }, undefined, new Headers()); // prettier-ignore
          // For a model of OpenPipe's own that is gone, a hint follows the SDK's message.
          if (error.error) expect(error.message.replace(/ \(OpenPipe's platform has ended: .*\)$/, '')).toBe(message);
          return [code, error.status, error.constructor === constructor];
        }),
      );
      expect(outcomes).toEqual(codes.map((code) => [code, code, true]));
    });
  }
}

/** The same call, of a model that names the status. @param {import('../support/calls.mjs').Asking} asking @param {number} code */
function forStatus({ openpipe, ...asking }, code) {
  const named = [openpipe?.fallback ?? []].flat().map((target) => {
    return target && target.model === CLIENTS_MODEL ? { ...target, model: `${CLIENTS_MODEL}-${code}` } : target;
  });
  return { ...asking, model: `${PRIMARY}-${code}`, openpipe: { ...openpipe, fallback: /** @type {any} */ (named) } };
}

/** The table of contract.md, section 3. @param {number} code */
function kindOf(code) {
  if (code === 429) return 'rate_limit';
  if (code === 402) return 'quota';
  if (code >= 500 || code === 408 || code === 409) return 'server_error';
  if (code === 401 || code === 403) return 'auth';
  return code === 404 ? 'not_found' : 'bad_request';
}

/**
 * The healthy answer, as a whole and once.
 * @param {Told} told @param {string} key @param {boolean} stream @param {NonNullable<Asking['endpoint']>} [endpoint]
 */
export function expectHealthy(told, key, stream, endpoint = 'chat') {
  const { opens, ends } = ENDPOINTS[endpoint];
  expect(told.error).toBeUndefined();
  expect(told.text).toBe(answerTo(key));
  if (!stream) return;
  expect(told.chunks.filter(opens)).toHaveLength(1);
  expect(told.chunks.filter(ends)).toHaveLength(1);
}

/** @param {any} error @param {Expected} expected */
function expectError(error, { error: name, cause, status }) {
  expect(error.constructor).toBe(OpenAI[name]);
  if (cause) expect(error.cause?.code).toMatch(cause);
  if (status) expect(error.status).toBe(status);
}

/** @param {any} error */
function expectNoKey(error) {
  const told = [error, error.cause, ...(error.openpipe?.errors ?? [])].map(
    (each) => `${each?.stack} ${JSON.stringify(each)}`,
  );
  for (const key of [OPENAI_KEY, OPENPIPE_KEY, CLIENT_KEY]) expect(told.join('\n')).not.toContain(key);
}

/**
 * What has arrived: at the fault once, at the healthy upstream once where it was to answer; each with its own key.
 * @param {FaultServer} server @param {string} key @param {Fault} fault @param {{ via: Via, answered: boolean }} expected
 */
async function expectRequests(server, key, fault, { via, answered }) {
  const requests = await server.requests(key);
  const healthy = requests.filter((request) => request.fault === 'is healthy');
  expect(healthy.map(({ headers }) => headers.authorization)).toEqual(answered ? [`Bearer ${OPENAI_KEY}`] : []);
  const own = via === 'client' ? CLIENT_KEY : OPENPIPE_KEY;
  const faulty = requests.filter((request) => request.fault === fault.name);
  expect(new Set(faulty.map(({ headers }) => headers.authorization)).size).toBeLessThanOrEqual(1);
  if (faulty[0]) expect(faulty[0].headers.authorization).toBe(`Bearer ${own}`);
  // How often a redirect is followed is a client's own affair.
  if (via !== 'native' && fault.requests === 5) return;
  if (fault.timeout && fault.requests === undefined) {
    // Its time may be up before the request is there.
    expect(faulty.length).toBeLessThanOrEqual(1);
    return;
  }
  // What went to a connection that had served before, and died, may have died idle: such a request is sent again, once.
  const again = faulty[0]?.reused && faulty.length > 1 && !faulty[1]?.reused && fault.requests === undefined ? 1 : 0;
  expect(faulty).toHaveLength((fault.requests ?? 1) + again);
}
