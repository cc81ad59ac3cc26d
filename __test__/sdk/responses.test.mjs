/** What a Responses call refers to, and where it lives: state, hosted tools, background jobs (contract.md, section 9). */

import { describe, expect } from 'vitest';

import { rejection } from '../support/calls.mjs';
import { OPENAI_KEY } from '../support/keys.mjs';
import { versions } from '../support/sdk-versions.mjs';
import { answering } from '../support/sdk-api.mjs';
import { test } from '../support/upstreams.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

const FAILING = answering({ error: { message: 'Down.' } }, 500);

let issued = 0;

/** Makes a response whose id no other has. @param {any} [more] Members that it has besides. */
const responseOf = (more) => ({
  id: `resp_${(issued += 1)}`,
  object: 'response',
  status: 'completed',
  error: null,
  output: [{ id: 'msg_1', type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Ten.' }] }],
  ...more,
});

/** Issues a new response at each POST, and answers everything else. @param {any} request @returns {Behaviour} */
const issuing = ({ method, path }) => {
  if (method === 'POST' && path.endsWith('/responses')) return answering(responseOf());
  if (path.includes('/input_items')) return answering({ object: 'list', data: [{ id: 'item' }], has_more: false });
  return answering({ ...responseOf(), id: 'kept' });
};

/** @param {any[]} events @returns {Behaviour} */
const sending = (events) => ({
  kind: 'sse',
  sse: events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`),
});

/** @param {{ requests: any[] }} upstream */
const paths = (upstream) => upstream.requests.map(({ method, path }) => `${method} ${path}`);

for (const { title, sdk, Ours } of versions) {
  describe(title, () => {
    /** @param {any} serve @param {any} first @param {any} second @param {any} [openpipe] @param {any} [declared] */
    const between = async (serve, first, second, openpipe, declared) => {
      const [primary, other] = await Promise.all([serve(first), serve(second)]);
      const second_ = { baseURL: other.url, apiKey: 'k2', ...declared };
      const options = { fallback: { model: 'second:m2' }, upstreams: { second: second_ }, ...openpipe };
      const openai = new Ours({ apiKey: OPENAI_KEY, baseURL: primary.url, maxRetries: 0, openpipe: options });
      return { primary, other, openai };
    };
    const RESPONSE = { model: 'm', input: 'Count.' };

    describe('a target that cannot take a call', () => {
      test('has an attempt with the reason', async ({ serve }) => {
        const { openai, other } = await between(serve, FAILING, issuing, {}, { endpoints: ['chat'] });
        const error = await rejection(openai.responses.create(RESPONSE));

        expect([error.status, other.requests]).toEqual([500, []]);
        expect(error.openpipe.attempts).toMatchObject([
          { upstream: 'openai', outcome: 'server_error', tries: 1 },
          { upstream: 'second', outcome: 'unsupported', tries: 0, because: { endpoint: '/responses' } },
        ]);
        expect(error.openpipe.errors).toHaveLength(1);
      });

      test('that is the only one rejects the call before anything is sent', async ({ serve }) => {
        const { openai, other } = await between(serve, FAILING, issuing);
        const request = { ...RESPONSE, tools: [{ type: 'web_search' }] };
        const error = await rejection(
          openai.responses.create(request, { openpipe: { upstream: 'second', fallback: null } }),
        );

        expect(error).toBeInstanceOf(sdk.OpenAIError);
        expect(error).not.toBeInstanceOf(sdk.APIError);
        expect(error.message).toMatch(/second.*tools\.web_search/);
        expect(other.requests).toEqual([]);
      });

      test('is skipped for the next one, whatever its `on` and `except`', async ({ serve }) => {
        /** @type {any[]} */
        const moves = [];
        const { openai } = await between(serve, FAILING, issuing, {
          aliases: { smart: [{ model: 'm', client: { chat: { completions: { create() {} } } } }, { model: 'second:m2', on: ['timeout'] }] },
          onFallback: (/** @type {any} */ event) => moves.push(event),
        }); // prettier-ignore
        const { openpipe } = await openai.responses.create({ ...RESPONSE, model: 'smart' });

        expect(openpipe).toMatchObject({ servedBy: 'fallback', upstream: 'second', alias: 'smart' });
        expect(openpipe.attempts.map((/** @type {any} */ { outcome }) => outcome)).toEqual(['unsupported', 'ok']);
        expect(moves).toMatchObject([
          { from: { upstream: 'client', outcome: 'unsupported' }, to: { upstream: 'second' } },
        ]);
      });
    });

    test('items of one upstream are left out for another, and the attempt names them', async ({ serve }) => {
      const { openai, primary, other } = await between(serve, FAILING, issuing);
      const input = [
        { role: 'user', content: 'Count.' },
        { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'sealed' },
        { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'count', arguments: '{}' },
        { type: 'function_call_output', call_id: 'call_1', output: '10' },
      ];
      const { openpipe } = await openai.responses.create({ ...RESPONSE, input });

      expect(primary.requests[0].body.input).toEqual(input);
      expect(other.requests[0].body.input).toEqual([
        input[0],
        { type: 'function_call', call_id: 'call_1', name: 'count', arguments: '{}' },
        input[3],
      ]);
      expect(openpipe.attempts[0]).not.toHaveProperty('because');
      expect(openpipe.attempts[1]).toMatchObject({
        host: new URL(other.url).host,
        because: { omitted: ['reasoning', 'encrypted_content', 'id'] },
      });
    });

    test('encrypted items that are refused are left out once', async ({ serve }) => {
      const refusing = (/** @type {any} */ { body }) =>
        body.input.some((/** @type {any} */ item) => item.encrypted_content)
          ? answering({ error: { code: 'invalid_encrypted_content', message: 'Cannot be opened.' } }, 400)
          : answering(responseOf());
      const { openai, primary } = await between(serve, refusing, issuing);
      const input = [
        { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'sealed' },
        { role: 'user', content: 'x' },
      ];
      const { openpipe } = await openai.responses.create({ ...RESPONSE, input });

      expect(openpipe.attempts).toMatchObject([{ upstream: 'openai', outcome: 'ok', tries: 2 }]);
      expect(primary.requests[1].body.input).toEqual([{ role: 'user', content: 'x' }]);
    });

    describe('a response that a fallback issued', () => {
      test('is continued, read, cancelled and deleted at its home', async ({ serve }) => {
        const { openai, primary, other } = await between(serve, FAILING, issuing);
        const { id, openpipe } = await openai.responses.create(RESPONSE);
        expect(openpipe.upstream).toBe('second');
        primary.reset();
        other.reset();

        const next = await openai.responses.create({ ...RESPONSE, previous_response_id: id });
        expect((await openai.responses.retrieve(id)).output_text).toBe('Ten.');
        await openai.responses.cancel(id);
        const items = [];
        for await (const item of openai.responses.inputItems.list(id)) items.push(item.id);
        await openai.responses.delete(id);

        expect(next.openpipe).toMatchObject({ servedBy: 'fallback', upstream: 'second' });
        expect(items).toEqual(['item']);
        expect(paths(other)).toEqual([
          'POST /v1/responses',
          `GET /v1/responses/${id}`,
          `POST /v1/responses/${id}/cancel`,
          `GET /v1/responses/${id}/input_items`,
          `DELETE /v1/responses/${id}`,
        ]);
        expect(new Set(other.requests.map((/** @type {any} */ { headers }) => headers.authorization))).toEqual(
          new Set(['Bearer k2']),
        );
        expect(primary.requests).toEqual([]);
      });

      test('can be named by its upstream', async ({ serve }) => {
        const { openai, primary, other } = await between(serve, issuing, issuing);
        await openai.responses.retrieve('resp_unknown', {}, { openpipe: { upstream: 'second' } });
        await openai.responses.retrieve('resp_unknown');

        expect([paths(other), paths(primary)]).toEqual([
          ['GET /v1/responses/resp_unknown'],
          ['GET /v1/responses/resp_unknown'],
        ]);
        const wrong = openai.responses.retrieve('resp_unknown', {}, { openpipe: { upstream: 'third' } });
        expect(await rejection(wrong)).toBeInstanceOf(TypeError);
      });
    });

    test('a response of a custom client has that client as its home, of any class', async ({ serve }) => {
      /** @type {any[][]} */
      const asked = [];
      const noting =
        (/** @type {string} */ name, /** @type {any} */ value) =>
        async (/** @type {any[]} */ ...args) => {
          asked.push([name, ...args.map((arg) => arg?.include ?? (typeof arg === 'string' ? arg : 'options'))]);
          return value;
        };
      const kept = responseOf();
      const items = { object: 'list', data: [{ id: 'item' }], has_more: false };
      const methods = {
        ...{ create: noting('create', kept), retrieve: noting('retrieve', kept), cancel: noting('cancel', kept) },
        ...{ delete: noting('delete', undefined), inputItems: { list: noting('list', items) } },
      };
      const fallback = { model: 'm2', client: { responses: methods } };
      const { openai, primary } = await between(serve, FAILING, issuing, { fallback });
      const { id } = await openai.responses.create(RESPONSE);

      expect((await openai.responses.retrieve(id, { include: ['x'] })).output_text).toBe('Ten.');
      expect(kept).not.toHaveProperty('output_text');
      await openai.responses.cancel(id);
      const listed = [];
      for await (const item of openai.responses.inputItems.list(id)) listed.push(item.id);
      await openai.responses.delete(id);
      expect(listed).toEqual(['item']);
      expect(asked.map(([name, given, more]) => [name, given, more])).toEqual([
        ['create', 'options', 'options'],
        ['retrieve', id, ['x']],
        ['cancel', id, 'options'],
        ['list', id, 'options'],
        ['delete', id, 'options'],
      ]);
      Object.assign(methods, { retrieve: undefined });
      expect(await rejection(openai.responses.retrieve(id))).toBeInstanceOf(sdk.OpenAIError);
      expect(paths(primary)).toEqual(['POST /v1/responses']);
    });

    test('a response of a call’s own custom client has that client as its home', async ({ serve }) => {
      const kept = responseOf();
      /** @type {any[]} */
      const asked = [];
      const responses = {
        create: async (/** @type {any} */ body) => (asked.push(body.previous_response_id ?? 'create'), kept),
        retrieve: async (/** @type {string} */ id) => (asked.push(`retrieve ${id}`), kept),
      };
      const fallback = { model: 'm2', client: { responses } };
      const { openai, primary } = await between(serve, FAILING, issuing, {});
      const { id } = await openai.responses.create(RESPONSE, { openpipe: { fallback } });

      expect((await openai.responses.retrieve(id)).id).toBe(id);
      const second = { ...RESPONSE, previous_response_id: id };
      await openai.responses.create(second, { openpipe: { fallback } });
      expect(asked).toEqual(['create', `retrieve ${id}`, id]);
      // Nobody else can continue it: the primary is not asked.
      const error = await rejection(openai.responses.create(second));
      expect(error).toBeInstanceOf(sdk.OpenAIError);
      expect(error.message).toContain('previous_response_id');
      expect(paths(primary)).toEqual(['POST /v1/responses']);
    });

    describe('a background job', () => {
      const JOB = { ...RESPONSE, background: true };
      const SHARED = { fallback: { model: 'm2' } };

      test('that may have been started is not started again', async ({ serve }) => {
        const { openai, primary } = await between(serve, { kind: 'silence' }, issuing, SHARED);
        const error = await rejection(openai.responses.create(JOB, { timeout: 100, maxRetries: 2 }));

        expect(error).toBeInstanceOf(sdk.APIConnectionTimeoutError);
        expect(paths(primary)).toEqual(['POST /v1/responses']);
      });

      test('that was refused with a status is started by the next target', async ({ serve }) => {
        const busy = (/** @type {any} */ { body }) =>
          body.model === 'm' ? FAILING : answering(responseOf({ status: 'queued', output: [] }));
        const { openai } = await between(serve, busy, issuing, SHARED);
        expect((await openai.responses.create(JOB)).openpipe).toMatchObject({ servedBy: 'fallback', model: 'm2' });
      });

      test('whose id is known is cancelled once when the next target takes over', async ({ serve }) => {
        const { id } = responseOf();
        const begun = { type: 'response.created', response: { id, status: 'queued', output: [] } };
        const done = { type: 'response.completed', response: responseOf() };
        /** @param {any} request */
        const breaking = ({ path, body }) => {
          if (path.endsWith('/cancel')) return answering(responseOf({ status: 'cancelled' }));
          return sending(body.model === 'm' ? [begun] : [done]);
        };
        const { openai, primary } = await between(serve, breaking, issuing, SHARED);
        const stream = await openai.responses.create({ ...JOB, stream: true });
        for await (const _ of stream);

        expect(stream.openpipe).toMatchObject({ servedBy: 'fallback', model: 'm2' });
        await expect.poll(() => paths(primary)).toEqual(expect.arrayContaining([`POST /v1/responses/${id}/cancel`]));
        expect(primary.requests).toHaveLength(3);
      });

      for (const [how, end] of /** @type {[string, any][]} */ ([
        ['', { fallback: { model: 'm2' } }],
        [', also when no other target is left', { fallback: null, reject: 'length' }],
      ])) {
        test(`is cancelled through a custom client and through \`fetch\`${how}`, async ({ serve }) => {
          const { id } = responseOf();
          const begun = { type: 'response.created', response: { id, status: 'queued', output: [] } };
          const done = { type: 'response.completed', response: responseOf() };
          /** @param {any} request */
          const breaking = ({ path, body }) =>
            path.endsWith('/cancel') ? answering(responseOf()) : sending(body.model === 'm' ? [begun] : [done]);
          /** @type {string[]} */
          const cancelled = [];
          const create = async (/** @type {any} */ body) =>
            (async function* () {
              yield body.model === 'm' ? begun : done;
            })();
          const cancel = async (/** @type {string} */ given) => cancelled.push(given);
          const client = { responses: { create, cancel } };
          const both = await between(serve, breaking, issuing, {
            aliases: { mine: [{ model: 'm', client }, ...(end.fallback ? [{ model: 'm2', client }] : [])] },
            transport: 'fetch',
          });
          for (const model of ['mine', 'm']) {
            const options = { openpipe: model === 'm' ? end : { reject: end.reject } };
            const stream = await both.openai.responses.create({ ...JOB, model, stream: true }, options).catch(() => []);
            for await (const _ of stream);
          }
          await expect.poll(() => paths(both.primary)).toContain(`POST /v1/responses/${id}/cancel`);
          expect(cancelled).toEqual([id]);
        });
      }

      test('is not judged by `reject` before it has ended, since refusing it would start it again', async ({
        serve,
      }) => {
        const { openai, primary } = await between(
          serve,
          () => answering(responseOf({ status: 'queued', output: [] })),
          issuing,
          { ...SHARED, reject: ['empty', () => true] },
        );
        expect((await openai.responses.create(JOB)).openpipe.attempts).toMatchObject([{ outcome: 'ok' }]);
        expect(paths(primary)).toEqual(['POST /v1/responses']);
      });
    });
  });
}
