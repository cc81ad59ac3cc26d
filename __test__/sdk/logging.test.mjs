/** The client's logger gets the same lines for our calls as for the SDK's own (contract.md, section 6). */

import { AsyncLocalStorage } from 'node:async_hooks';
import { inspect } from 'node:util';

import { afterEach, describe, expect, vi } from 'vitest';

import { ask, MESSAGES, readAll, rejection } from '../support/calls.mjs';
import { OPENAI_KEY, OPENPIPE_KEY } from '../support/keys.mjs';
import { clientOptions, FALLBACK, PRIMARY, test } from '../support/upstreams.mjs';
import { answering, completionOf, saying } from '../support/sdk-api.mjs';
import { byBoth, outcomeOf, versions } from '../support/sdk-versions.mjs';

/** @import { Doing } from '../support/upstreams.mjs' */
/** @import { Version } from '../support/sdk-versions.mjs' */

const REQUEST = { model: 'gpt-4o', messages: MESSAGES };
const LEVELS = /** @type {const} */ (['off', 'error', 'warn', 'info', 'debug']);
const good = saying({ role: 'assistant', content: 'Counted to ten.' });
const [, six] = /** @type {[Version, Version, Version]} */ (versions);

/** A logger that remembers. */
function remembering() {
  /** @type {{ level: string, line: string, details: any }[]} */
  const records = [];
  const at = (/** @type {string} */ level) => (/** @type {string} */ line, /** @type {any} */ details) =>
    void records.push({ level, line, details });
  return { records, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}

/** A line without the parts that differ each time. @param {string} line */
const shape = (line) =>
  line
    .replace(/log_[0-9a-f]+/g, 'log_x')
    .replace(/ in \d+ms/, ' in 0ms')
    .replace(/req_[0-9a-f]{24}/, 'req_x');

/** The lines, and the members of their further arguments. @param {ReturnType<typeof remembering>['records']} records */
function shapes(records) {
  return (
    records
      // Of a stream the SDK logs its response in a line of its own too, cookies and all.
      .filter(({ line }) => line !== 'response')
      .map(({ level, line, details }) => ({ level, line: shape(line), members: Object.keys(details ?? {}).sort() }))
  );
}

/**
 * The log of a call with a plain client, and with this package's.
 * @param {Version} version @param {any} upstream @param {any} options @param {(client: any) => unknown} act
 */
async function toldByBoth({ Plain, Ours }, upstream, options, act) {
  const told = [];
  for (const Client of [Plain, Ours]) {
    const { records, logger } = remembering();
    const client = new Client({ ...clientOptions(upstream.url, upstream.url), ...options, logger });
    await outcomeOf(() => act(client));
    told.push(shapes(records));
  }
  return told;
}

describe('the lines are those of the SDK', () => {
  /** @type {[string, Doing, (client: any) => unknown][]} */
  const cases = [
    ['a completion', good, (client) => client.chat.completions.create(REQUEST)],
    ['a completion that nobody reads', good, (client) => client.chat.completions.create(REQUEST).asResponse()],
    [
      'a stream',
      good,
      async (client) => (await readAll(await client.chat.completions.create({ ...REQUEST, stream: true }))).chunks,
    ],
    ['`parse()`', good, (client) => client.chat.completions.parse(REQUEST)],
    ['a bad request', { kind: 'status', status: 400 }, (client) => client.chat.completions.create(REQUEST)],
    ['a server’s error', { kind: 'status', status: 500 }, (client) => client.chat.completions.create(REQUEST)],
    [
      'a page of HTML with a status',
      { kind: 'status', status: 404, body: 'html' },
      (client) => client.chat.completions.create(REQUEST),
    ],
    ['a connection that is reset', { kind: 'reset' }, (client) => client.chat.completions.create(REQUEST)],
    ['a timeout', { kind: 'silence' }, (client) => client.chat.completions.create(REQUEST, { timeout: 150 })],
  ];

  for (const version of versions) {
    for (const [what, doing, act] of cases) {
      test(`${version.title}: of ${what}, at each level`, async ({ serve }) => {
        const upstream = await serve(doing);
        for (const logLevel of LEVELS) {
          const [theirs, ours] = await toldByBoth(version, upstream, { logLevel, maxRetries: 0 }, act);
          expect(ours).toEqual(theirs);
          expect(ours?.length === 0).toBe(logLevel !== 'info' && logLevel !== 'debug');
        }
      });
    }

    test(`${version.title}: the details of the request are those of the SDK`, async ({ serve }) => {
      const upstream = await serve(good);
      const options = { headers: { 'x-mine': 'm', 'x-api-key': OPENAI_KEY }, query: { a: '1' }, timeout: 9_000 };
      const [theirs, ours] = await sendingOf(version, upstream, (client) =>
        client.chat.completions.create(REQUEST, options),
      );
      for (const inner of ['__security', '__metadata']) delete theirs.options[inner];
      expect(ours.url).toBe(theirs.url);
      expect(ours.method).toBe(theirs.method);
      expect(ours.options).toMatchObject(theirs.options);
      // openai 5 hides no other header than `authorization`; openai 7 redacts everything that is logged.
      const hidden = version.major < 7 ? '***' : '[REDACTED]';
      expect(ours.headers).toEqual({ ...theirs.headers, 'x-api-key': hidden });
      expect(ours.headers.authorization).toBe(hidden);
    });
  }

  /** What is said before a request is sent. @param {Version} version @param {any} upstream @param {(client: any) => unknown} act */
  async function sendingOf(version, upstream, act) {
    const { records, logger } = remembering();
    await byBoth(version, upstream, { logger, logLevel: 'debug' }, act);
    const sending = records.filter(({ line }) => line.endsWith('sending request'));
    expect(sending).toHaveLength(2);
    return sending.map(({ details }) => details);
  }
});

describe('a call with a fallback', () => {
  test('has a line for each target, and one for each fallback', async ({ stage }) => {
    const { records, logger } = remembering();
    const { openai, primary, fallback } = await stage({
      primary: { kind: 'status', status: 503, headers: { 'x-request-id': 'req_p' } },
      fallback: { kind: 'answer', headers: { 'x-request-id': 'req_f' } },
      logger,
      logLevel: 'info',
    });
    await ask(openai, { openpipe: { fallback: { model: FALLBACK } } });

    expect(records.map(({ level, line }) => [level, shape(line)])).toEqual([
      [
        'info',
        `[log_x, x-request-id: "req_p"] post ${primary.url}/chat/completions failed with status 503 in 0ms - error; no more retries left`,
      ],
      ['info', `[log_x] falling back from ${PRIMARY} (openpipe) to ${FALLBACK} (openai) - server_error`],
      [
        'info',
        `[log_x, fallbackOf: log_x, x-request-id: "req_f"] post ${fallback.url}/chat/completions succeeded with status 200 in 0ms`,
      ],
    ]);
    const [first, second, third] = records.map(({ line }) => line.match(/log_[0-9a-f]{6}/g));
    expect(second).toEqual(first);
    expect(third?.[1]).toBe(first?.[0]);
    expect(third?.[0]).not.toBe(first?.[0]);
  });

  test('logs each request before there is an answer', async ({ stage }) => {
    const { records, logger } = remembering();
    const { openai, primary, fallback } = await stage({
      primary: { kind: 'silence' },
      fallback: { kind: 'silence' },
      logger,
      logLevel: 'debug',
    });
    const controller = new AbortController();
    const asked = ask(openai, {
      openpipe: { fallback: { model: FALLBACK }, firstTokenTimeout: 100 },
      stream: true,
      options: { signal: controller.signal },
    });
    await fallback.arrival(1);
    await vi.waitFor(() => expect(sending(records)).toHaveLength(2), { timeout: 15_000 });
    controller.abort();
    await asked;

    expect(sending(records).map(({ details }) => [details.url, details.options.body.model])).toEqual([
      [`${primary.url}/chat/completions`, PRIMARY],
      [`${fallback.url}/chat/completions`, FALLBACK],
    ]);
  });

  test('names the target that its circuit breaker skipped', async ({ stage }) => {
    const { records, logger } = remembering();
    const openpipe = { fallback: { model: FALLBACK }, breaker: { failures: 1, openFor: 600_000 } };
    const { openai } = await stage({ primary: { kind: 'reset' }, openpipe, logger, logLevel: 'info' });
    await ask(openai);
    records.length = 0;
    await ask(openai);
    expect(records.map(({ line }) => shape(line))).toEqual([
      '[log_x] not sent - circuit_open',
      `[log_x] falling back from ${PRIMARY} (openpipe) to ${FALLBACK} (openai) - circuit_open`,
      expect.stringMatching(/succeeded with status 200/),
    ]);
  });

  test('has the number of its retries', async ({ stage }) => {
    const { records, logger } = remembering();
    const headers = { 'retry-after-ms': '1' };
    const { openai } = await stage({ primary: { kind: 'status', status: 500, headers }, logger, logLevel: 'info' });
    await ask(openai);
    expect(records.map(({ line }) => line)).toEqual([expect.stringMatching(/no more retries left \(try 3\)$/)]);
  });

  test('has a line for a custom client too', async ({ stage }) => {
    for (const fails of [false, true]) {
      const { records, logger } = remembering();
      const create = async () => {
        if (fails) throw new Error(`no, and my key is ${OPENAI_KEY}`);
        return completionOf({ role: 'assistant', content: 'x' });
      };
      const fallback = { model: 'theirs', client: /** @type {any} */ ({ chat: { completions: { create } } }) };
      const { openai } = await stage({ primary: { kind: 'reset' }, logger, logLevel: 'debug' });
      await ask(openai, { openpipe: { fallback } });

      const lines = records.filter(({ level }) => level === 'info').map(({ line }) => shape(line));
      expect(lines).toEqual([
        '[log_x] connection failed - error; no more retries left',
        `[log_x] falling back from ${PRIMARY} (openpipe) to theirs (client) - connection`,
        `[log_x, fallbackOf: log_x] client theirs ${fails ? 'failed' : 'succeeded'} in 0ms${fails ? ' - error; not retryable' : ''}`,
      ]);
      expectNoKey(records);
    }
  });

  test('says what was wrong with an answer with a success status', async ({ stage }) => {
    const { records, logger } = remembering();
    const { openai } = await stage({
      primary: { kind: 'status', status: 200, body: 'html' },
      logger,
      logLevel: 'info',
    });
    await ask(openai);
    expect(records[0]?.line).toMatch(/failed with status 200 in \d+ms - invalid_response; error; not retryable$/);
  });

  test('says that a stream broke off after it was handed over', async ({ stage }) => {
    const { records, logger } = remembering();
    const primary = /** @type {const} */ ({ kind: 'answer', fault: { after: 2, how: 'reset' } });
    const { openai } = await stage({ primary, logger, logLevel: 'info' });
    await ask(openai, { stream: true });
    expect(records.map(({ line }) => line)).toEqual([
      expect.stringMatching(/succeeded with status 200/),
      expect.stringMatching(/^\[log_[0-9a-f]{6}\] stream failed after \d+ms - stream$/),
    ]);
  });
});

describe('the logged URL of a request is the one that it is sent to', () => {
  /** @type {[string, any?][]} A model, and its call's `openpipe`. */
  const models = [
    ['gpt-4o'], ['openpipe:m'], ['openai:m'], ['anthropic:m'], ['gemini:m'], ['OpenPipe:m'], ['ft:openpipe:m'],
    ['gpt-4o', { cache: 'readWrite' }],
  ]; // prettier-ignore
  for (const [model, openpipe] of models) {
    test(`${model}${openpipe ? ', cached' : ''}`, async ({ stage }) => {
      const { records, logger } = remembering();
      const { openai, primary, fallback } = await stage({ logger, logLevel: 'debug' });
      await ask(openai, { model, openpipe });
      const [upstream] = [primary, fallback].filter(({ requests }) => requests.length > 0);
      expect(sending(records).map(({ details }) => details.url)).toEqual([`${upstream?.url}/chat/completions`]);
      expect(records.find(({ level }) => level === 'info')?.line).toContain(`post ${upstream?.url}/chat/completions`);
      const wire = upstream?.requests[0]?.headers ?? {};
      const told = sending(records)[0]?.details.headers;
      for (const [name, value] of Object.entries(told)) {
        expect([name, name === 'authorization' ? '***' : wire[name]]).toEqual([name, value]);
      }
    });
  }

  test('without a key that the upstream repeats in a good answer', async ({ stage }) => {
    const { records, logger } = remembering();
    const echo = {
      'x-echo': `Bearer ${OPENAI_KEY}`,
      'x-request-id': OPENAI_KEY,
      'x-coded': encodeURIComponent(`%${OPENAI_KEY}`),
    };
    const fallback = { kind: /** @type {const} */ ('answer'), headers: echo, content: `your key is ${OPENAI_KEY}` };
    const { openai } = await stage({ logger, logLevel: 'debug', fallback });
    await ask(openai, { model: 'gpt-4o' });
    const text = JSON.stringify(records);
    expect(text).toContain('x-echo');
    expect(text).toContain('your key is');
    expect(text).not.toContain(OPENAI_KEY.slice(4));
  });

  test('also with the client’s own default cache', async ({ stage }) => {
    const { records, logger } = remembering();
    const { openai, primary } = await stage({ logger, logLevel: 'debug', openpipe: { cache: 'readOnly' } });
    await ask(openai, { model: 'gpt-4o' });
    expect(sending(records)[0]?.details.url).toBe(`${primary.url}/chat/completions`);
  });
});

describe('the level', () => {
  afterEach(() => delete process.env.OPENAI_LOG);

  test('may come from the environment', async ({ serve }) => {
    const upstream = await serve(good);
    process.env.OPENAI_LOG = 'info';
    const { records, logger } = remembering();
    await byBoth(six, upstream, { logger, logLevel: undefined }, (client) => client.chat.completions.create(REQUEST));
    expect(records.map(({ level }) => level)).toEqual(['info', 'info']);
  });

  test('may change, and so may the logger', async ({ stage }) => {
    const [before, after] = [remembering(), remembering()];
    const { openai } = await stage({ logger: before.logger, logLevel: 'info' });
    await ask(openai);
    openai.logger = after.logger;
    await ask(openai);
    openai.logLevel = 'warn';
    await ask(openai);
    expect([before.records.length, after.records.length]).toEqual([1, 1]);
  });

  test('is passed on by `withOptions`', async ({ stage }) => {
    const { records, logger } = remembering();
    const { openai } = await stage({ logger, logLevel: 'info' });
    await ask(openai.withOptions({ logLevel: 'off' }));
    expect(records).toEqual([]);
    await ask(openai.withOptions({}));
    expect(records).toHaveLength(1);
  });

  test('that is off costs nothing', async ({ stage }) => {
    const { openai } = await stage({ logLevel: 'warn' });
    const touched = vi.fn();
    openai.logger = new Proxy(remembering().logger, { get: touched });
    await ask(openai);
    await ask(openai, { stream: true });
    expect(touched).not.toHaveBeenCalled();
  });
});

describe('the logger', () => {
  test('is called in the caller’s async context', async ({ stage }) => {
    const storage = new AsyncLocalStorage();
    /** @type {unknown[]} */
    const seen = [];
    const note = () => void seen.push(storage.getStore());
    const { openai } = await stage({
      primary: { kind: 'status', status: 500 },
      logger: { debug: note, info: note, warn: note, error: note },
      logLevel: 'debug',
    });
    const calls = ['a', 'b'].map((name) =>
      storage.run(name, () => ask(openai, { openpipe: { fallback: { model: FALLBACK } } })),
    );
    await Promise.all(calls);
    expect(seen.length).toBeGreaterThan(8);
    expect(new Set(seen)).toEqual(new Set(['a', 'b']));
  });

  test('that throws fails no call', async ({ stage }) => {
    const explode = () => {
      throw new Error('disk full');
    };
    const logger = { debug: explode, info: explode, warn: explode, error: explode };
    const { openai } = await stage({ primary: { kind: 'status', status: 500 }, logger, logLevel: 'debug' });
    for (const stream of [false, true]) {
      expect(await ask(openai, { stream, openpipe: { fallback: { model: FALLBACK } } })).toMatchObject({
        error: undefined,
        info: { servedBy: 'fallback' },
      });
    }
  });

  test('gets one line for a request through the SDK', async ({ serve }) => {
    const upstream = await serve(good);
    const { records, logger } = remembering();
    const options = {
      logger,
      logLevel: 'debug',
      fetch: (/** @type {any[]} */ ...args) => Reflect.apply(fetch, null, args),
    };
    await byBoth(six, upstream, options, (client) => client.chat.completions.create(REQUEST));
    const half = records.length / 2;
    expect(shapes(records.slice(half))).toEqual(shapes(records.slice(0, half)));
  });

  test('never gets a key', async ({ serve }) => {
    const upstream = await serve((request) =>
      request.path.includes('report')
        ? undefined
        : answering({ error: { message: 'who are you?' } }, request.body.model === FALLBACK ? 200 : 401),
    );
    const { records, logger } = remembering();
    const secret = new URL(upstream.url);
    Object.assign(secret, {
      username: 'me',
      password: OPENPIPE_KEY,
      search: `?api-key=${OPENAI_KEY}&token=${OPENAI_KEY}`,
    });
    for (const version of versions) {
      const openai = new version.Ours(
        clientOptions(upstream.url, upstream.url, {
          logger,
          logLevel: 'debug',
          maxRetries: 0,
          defaultQuery: { access_token: OPENAI_KEY },
          defaultHeaders: { 'x-goog-api-key': OPENAI_KEY, Cookie: OPENAI_KEY },
        }),
      );
      const options = {
        headers: {
          'api-key': OPENPIPE_KEY,
          'X-Auth-Token': OPENPIPE_KEY,
          'x-functions-key': OPENPIPE_KEY,
          'x-jwt': OPENPIPE_KEY,
          token: OPENPIPE_KEY,
        },
        query: { apiKey: OPENAI_KEY },
      };
      const openpipe = { fallback: [{ model: FALLBACK }, { model: 'openpipe:b' }], apiKey: OPENPIPE_KEY };
      for (const model of ['gpt-4o', 'openpipe:m']) {
        await rejection(openai.chat.completions.create({ ...REQUEST, model, openpipe }, options));
      }
      const elsewhere = openai.withOptions({ baseURL: secret.href });
      await rejection(elsewhere.chat.completions.create(REQUEST, options));
    }
    expect(records.length).toBeGreaterThan(30);
    expectNoKey(records);
  });
});

/** @param {ReturnType<typeof remembering>['records']} records */
function sending(records) {
  return records.filter(({ line }) => line.endsWith('sending request'));
}

/** @param {unknown} records */
function expectNoKey(records) {
  const printed = inspect(records, {
    depth: Infinity,
    maxStringLength: Infinity,
    maxArrayLength: Infinity,
    showHidden: true,
  });
  for (const key of [OPENAI_KEY, OPENPIPE_KEY]) expect(printed).not.toContain(key);
}

test('fake timers do not affect the logged durations', async ({ serve }) => {
  const upstream = await serve(good);
  const { records, logger } = remembering();
  const options = clientOptions(upstream.url, upstream.url, { logLevel: 'debug', logger });
  vi.useFakeTimers({ toFake: ['Date'], now: 0 });
  try {
    const called = new six.Ours(options).chat.completions.create(REQUEST);
    vi.setSystemTime(1e12);
    await called;
  } finally {
    vi.useRealTimers();
  }
  const times = records.flatMap(({ details }) => details?.durationMs ?? []);
  expect(times.length).toBeGreaterThan(0);
  expect(Math.min(...times)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...times)).toBeLessThan(60_000);
});
