/** Whatever a user of the SDK does with a client goes over the wire as it does with the plain class, and comes back so. */

import { toFile } from 'openai';
import { afterEach, describe, expect } from 'vitest';

import { MESSAGES } from '../support/calls.mjs';
import { OPENAI_KEY } from '../support/keys.mjs';
import { test } from '../support/upstreams.mjs';
import { completionOf, echo, saying } from '../support/sdk-api.mjs';
import { byBoth, expectTheSame, versions } from '../support/sdk-versions.mjs';

const REQUEST = { model: 'gpt-4o', messages: MESSAGES };
const good = saying({ role: 'assistant', content: 'Counted to ten.' });

/** @param {AsyncIterable<any>} iterable */
async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** All endpoints other than `chat.completions.create`: name, call, number of requests. */
/** @type {[string, (client: any) => unknown, number?][]} */
const untouched = [
  ['embeddings', (client) => client.embeddings.create({ model: 'e', input: ['a', 'b'] })],
  ['embeddings as floats', (client) => client.embeddings.create({ model: 'e', input: 'a', encoding_format: 'float' })],
  ['the list of models, page by page', (client) => all(client.models.list())],
  ['a model', (client) => client.models.retrieve('gpt 4/o')],
  ['the end of a model', (client) => client.models.delete('ft:mine')],
  ['a response', (client) => client.responses.create({ model: 'm', input: 'Count' })],
  [
    'a streamed response',
    async (client) => all(await client.responses.create({ model: 'm', input: 'Count', stream: true })),
  ],
  ['a stored response', (client) => client.responses.retrieve('resp_1')],
  ['the list of files, page by page', (client) => all(client.files.list()), 2],
  [
    'a file that is sent',
    async (client) => client.files.create({ file: await toFile(Buffer.from('{}\n'), 'a.jsonl'), purpose: 'fine-tune' }),
  ],
  ['a file’s content', async (client) => (await client.files.content('file-1')).text()],
  ['moderations', (client) => client.moderations.create({ input: 'x' })],
  ['plain completions', (client) => client.completions.create({ model: 'm', prompt: 'x' })],
  ['stored chat completions, page by page', (client) => all(client.chat.completions.list({ limit: 2 })), 2],
  ['a stored chat completion', (client) => client.chat.completions.retrieve('chatcmpl-1')],
  [
    'the metadata of a stored chat completion',
    (client) => client.chat.completions.update('chatcmpl-1', { metadata: { a: 'b' } }),
  ],
  ['the end of a stored chat completion', (client) => client.chat.completions.delete('chatcmpl-1')],
  ['the messages of a stored chat completion', (client) => all(client.chat.completions.messages.list('chatcmpl-1')), 2],
  ['an endpoint by its path', (client) => client.post('/made/up', { body: { a: 1 }, query: { b: '2' } })],
  ['a chat completion by its path', (client) => client.post('/chat/completions', { body: REQUEST })],
  ['another endpoint by its path', (client) => client.get('/made/up', { headers: { 'x-mine': 'm' } })],
];

/** `chat.completions.create` in ways that `sdk-versions.test.mjs` does not try: of the client, then of the call. */
/** @type {[string, any, (client: any) => unknown][]} */
const created = [
  ['nothing but a body', {}, (client) => client.chat.completions.create(REQUEST)],
  [
    'members that are undefined',
    {},
    (client) => client.chat.completions.create({ ...REQUEST, temperature: undefined }, { headers: undefined }),
  ],
  ['metadata with `store: true`', {}, (client) =>
    client.chat.completions.create({ ...REQUEST, store: true, metadata: { a: 'b' } })],
  ['a query', {}, (client) => client.chat.completions.create(REQUEST, { query: { a: 'b', c: ['d', 'e'], f: { g: 1 } } })],
  [
    'a default query and a query',
    { defaultQuery: { 'api-version': '1', a: 'default' } },
    (client) => client.chat.completions.create(REQUEST, { query: { a: 'call' } }),
  ],
  ['a base URL with a trailing slash and a query', {}, (client) =>
    client.withOptions({ baseURL: `${client.baseURL}/deep/` }).chat.completions.create(REQUEST)],
  ['a header by default that is removed by the call', { defaultHeaders: { 'x-a': 'd' } }, (client) =>
    client.chat.completions.create(REQUEST, { headers: { 'X-A': null } })],
  ['the key removed by the call', {}, (client) =>
    client.chat.completions.create(REQUEST, { headers: { Authorization: null, 'api-key': 'azure-like' } })],
  ['the key removed by default', { defaultHeaders: { Authorization: null } }, (client) =>
    client.chat.completions.create(REQUEST)],
  ['a user agent of one’s own', { defaultHeaders: { 'user-agent': null } }, (client) =>
    client.chat.completions.create(REQUEST, { headers: { 'User-Agent': 'mine' } })],
  ['an organization that is null', { organization: null, project: null }, (client) =>
    client.chat.completions.create(REQUEST)],
  ['options of a derived client', { organization: 'org-1', defaultHeaders: { 'x-a': '1' }, timeout: 5_000 }, (client) =>
    client.withOptions({ project: 'proj-2', defaultHeaders: { 'x-b': '2' }, maxRetries: 5 }).chat.completions.create(REQUEST)],
  ['a derived client with another key', {}, (client) =>
    client.withOptions({ apiKey: 'sk-other' }).chat.completions.create(REQUEST)],
  ['properties that were set on the client later', {}, (client) => {
    Object.assign(client, { apiKey: 'sk-later', organization: 'org-later', project: 'proj-later' });
    return client.chat.completions.create(REQUEST);
  }],
  ['a key that a function gives', { apiKey: async () => 'sk-of-a-function' }, (client) =>
    client.chat.completions.create(REQUEST)],
  ['a key that a function fails to give', { apiKey: async () => { throw new Error('no key today'); } }, (client) =>
    client.chat.completions.create(REQUEST)],
  ['a key that a function gives as nothing', { apiKey: async () => '' }, (client) =>
    client.chat.completions.create(REQUEST)],
  ['a call of an extracted function', {}, (client) => {
    const create = client.chat.completions.create.bind(client.chat.completions);
    return create(REQUEST);
  }],
]; // prettier-ignore

/** What a call gives besides its answer. */
/** @type {[string, (client: any) => unknown][]} */
const given = [
  ['a completion with `_request_id`', (client) => client.chat.completions.create(REQUEST)],
  [
    '`withResponse()`',
    async (client) => {
      const { data, response, request_id } = await client.chat.completions.create(REQUEST).withResponse();
      return [data, facts(response), request_id];
    },
  ],
  [
    '`asResponse()`',
    async (client) => {
      const response = await client.chat.completions.create(REQUEST).asResponse();
      return [facts(response), response.bodyUsed, await response.text()];
    },
  ],
  [
    '`withResponse()` of a stream',
    async (client) => {
      const asked = client.chat.completions.create({ ...REQUEST, stream: true });
      const { data, response, request_id } = await asked.withResponse();
      return [facts(response), request_id, await all(data)];
    },
  ],
  ['a stream', async (client) => all(await client.chat.completions.create({ ...REQUEST, stream: true }))],
  [
    'both halves of `tee()`',
    async (client) => {
      const stream = await client.chat.completions.create({ ...REQUEST, stream: true });
      return Promise.all(stream.tee().map(all));
    },
  ],
  [
    '`toReadableStream()`',
    async (client) => {
      const stream = await client.chat.completions.create({ ...REQUEST, stream: true });
      return new Response(stream.toReadableStream()).text();
    },
  ],
  [
    'one half of `tee()` as `toReadableStream()`',
    async (client) => {
      const [left, right] = (await client.chat.completions.create({ ...REQUEST, stream: true })).tee();
      return [await new Response(left.toReadableStream()).text(), await all(right)];
    },
  ],
];

/** @param {Response} response */
function facts({ status, statusText, ok, url, headers, redirected }) {
  return { status, statusText, ok, url, redirected, contentType: headers.get('content-type') };
}

for (const version of versions) {
  describe(version.title, () => {
    describe('does not affect', () => {
      for (const [what, act, requests] of untouched) {
        test(what, async ({ serve }) => {
          const upstream = await serve(echo);
          const { value } = /** @type {any} */ (await expectTheSame(version, upstream, {}, act, requests));
          expect(value).toBeDefined();
        });
      }
    });

    describe('sends the same chat completion, and returns the same, with', () => {
      for (const [what, options, act] of created) {
        test(what, async ({ serve }) => {
          const upstream = await serve(good);
          const [theirs, ours] = await byBoth(version, upstream, options, act);
          expect(ours).toEqual(theirs);
        });
      }
    });

    describe('returns the same', () => {
      for (const [what, act] of given) {
        test(what, async ({ serve }) => {
          const upstream = await serve(good);
          const { value } = /** @type {any} */ (await expectTheSame(version, upstream, {}, act));
          expect(value.json).not.toEqual([]);
        });
      }
    });

    test('sends a call to the `path` that it names', async ({ serve }) => {
      const upstream = await serve(good);
      const options = { path: '/elsewhere', query: { a: '1' } };
      await expectTheSame(version, upstream, {}, (client) => client.chat.completions.create(REQUEST, options));
      expect(upstream.requests[0]?.path).toBe('/v1/elsewhere?a=1');
    });

    describe('reads from the environment', () => {
      afterEach(() => {
        for (const name of ['OPENAI_API_KEY', 'OPENAI_BASE_URL', 'OPENAI_ORG_ID', 'OPENAI_PROJECT_ID'])
          delete process.env[name];
      });

      test('the base URL, the key, the organization and the project', async ({ serve }) => {
        const upstream = await serve(good);
        Object.assign(process.env, {
          OPENAI_API_KEY: OPENAI_KEY,
          OPENAI_BASE_URL: upstream.url,
          OPENAI_ORG_ID: 'org-env',
          OPENAI_PROJECT_ID: 'proj-env',
        });
        const options = { apiKey: undefined, baseURL: undefined };
        await expectTheSame(version, upstream, options, (client) => client.chat.completions.create(REQUEST));
        expect(upstream.requests[0]?.headers['openai-organization']).toBe('org-env');
      });
    });

    test('has every static of the class, and its members in their order', () => {
      const { Plain, Ours } = version;
      const missing = Object.getOwnPropertyNames(Plain).filter((name) => !(name in Ours));
      expect(missing).toEqual([]);
      const options = { apiKey: 'k', logLevel: 'off' };
      expect(Object.keys(new Ours(options))).toEqual(Object.keys(new Plain(options)));
      expect(Object.keys(new Ours(options).chat)).toEqual(Object.keys(new Plain(options).chat));
      expect(Object.keys(new Ours(options).chat.completions)).toEqual(Object.keys(new Plain(options).chat.completions));
      expect(new Ours(options).chat.completions).toBeInstanceOf(Plain.Chat.Completions);
      expect(Ours.Chat.Completions.Messages).toBe(Plain.Chat.Completions.Messages);
      expect([Ours.name, Ours.Chat.name, Ours.Chat.Completions.name]).toEqual(['OpenAI', 'Chat', 'Completions']);
    });

    test('calls a function for the key before each call', async ({ serve }) => {
      const upstream = await serve(good);
      const act = async (/** @type {any} */ client) => {
        await client.chat.completions.create(REQUEST);
        await client.chat.completions.create(REQUEST);
        return client.models.list();
      };
      let asked = 0;
      await byBoth(version, upstream, { apiKey: async () => `sk-${++asked}` }, act);
      const keys = upstream.requests.map(({ headers }) => headers.authorization);
      expect(new Set(keys).size).toBe(3);
    });
  });
}

describe('an answer without a content type of JSON', () => {
  test('is parsed, where the SDK would return its text', async ({ serve }) => {
    const text = JSON.stringify(completionOf({ role: 'assistant', content: 'x' }));
    const upstream = await serve({ kind: 'status', status: 200, body: { bytes: text } });
    const [theirs, ours] = await byBoth(/** @type {any} */ (versions[1]), upstream, {}, (client) =>
      client.chat.completions.create(REQUEST),
    );
    expect(theirs.outcome).toMatchObject({ value: { json: text } });
    expect(ours.outcome).toMatchObject({ value: { json: JSON.parse(text) } });
  });
});

test('all other exports are the SDK’s own', async () => {
  const [sdk, ours] = await Promise.all([import('openai'), import('openpipe-native')]);
  // AzureOpenAI among them: it is the SDK's class as it is, of use as a fallback client.
  for (const name of Object.keys(sdk).filter((key) => key !== 'default' && key !== 'OpenAI')) {
    expect(/** @type {any} */ (ours)[name], name).toBe(/** @type {any} */ (sdk)[name]);
  }
});
