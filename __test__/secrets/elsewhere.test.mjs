/** Keys where a request is led elsewhere, by redirects and proxies; and what a process prints when it dies of an error. */

import { createServer } from 'node:http';
import { once } from 'node:events';

import { describe, expect } from 'vitest';

import { runProgram } from '../support/programs.mjs';
import { KEYS, keysIn } from './keys.mjs';
import { expectKept, keysSent, OWN, PRIMARY, test } from './world.mjs';

/** @import { Behaviour } from '../../demo/upstream.mjs' */

describe.concurrent.for(/** @type {const} */ (['native', 'fetch']))('by way of %s', (transport) => {
  for (const status of [301, 302, 303, 307, 308]) {
    test(`a redirect with ${status} to another origin sends no key there`, async ({ world, serve }) => {
      const elsewhere = await serve();
      /** @type {Behaviour} */
      const away = { kind: 'status', status, headers: { location: `${elsewhere.url}/chat/completions` } };
      const here = await world({ does: { openpipe: away, openai: away }, openpipe: { transport } });
      for (const stream of [false, true]) await here.tell({ stream, model: PRIMARY });

      // `fetch` follows some redirects by itself, and takes authorization and cookies along to the same origin only.
      if (transport === 'native') expect(elsewhere.requests).toEqual([]);
      else expect(keysSent(elsewhere.requests).filter((name) => name !== 'default')).toEqual([]);
      expectKept(here, 'openpipe');
    });

    test(`nor does one of a report`, async ({ world, serve }) => {
      const elsewhere = await serve();
      const reports = await serve({ kind: 'status', status, headers: { location: `${elsewhere.url}/report` } });
      const here = await world({ openpipe: { transport, baseUrl: reports.url } });
      await here.tell({ model: OWN });

      expect(reports.requests.length).toBeGreaterThan(0);
      expect(keysSent(reports.requests)).toEqual(['openpipe']);
      expect(keysSent(elsewhere.requests)).toEqual([]);
    });
  }
});

/** What a child with a proxy in its environment shows. @param {string} proxy @param {string} baseURL */
async function shownThrough(proxy, baseURL) {
  const env = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxy };
  const run = await runProgram('secrets/programs/shown', ['told', OWN, baseURL, baseURL], { env });
  expect(run).toMatchObject({ code: 0, signal: null });
  return run;
}

describe.concurrent('the password of a proxy', () => {
  const credentials = `${KEYS.proxyUser}:${KEYS.proxyPassword}`;

  test('is sent to the proxy only', async ({ serve }) => {
    const upstream = await serve();
    /** @type {import('node:http').IncomingMessage[]} */
    const asked = [];
    // A proxy that answers itself, as a cache would.
    const proxy = createServer((request, response) => {
      asked.push(request);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ choices: [{ index: 0, message: { content: 'of the proxy' } }] }));
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = /** @type {import('node:net').AddressInfo} */ (proxy.address());
    const { stdout, stderr } = await shownThrough(`http://${credentials}@127.0.0.1:${port}`, upstream.url);
    proxy.close();

    expect(stdout).toMatch(/^answered$/m);
    expect(asked).toHaveLength(1);
    expect(asked[0]?.headers['proxy-authorization']).toBe(`Basic ${Buffer.from(credentials).toString('base64')}`);
    expect(keysIn(stdout + stderr)).toEqual([]);
    expect(upstream.requests).toEqual([]);
  });

  for (const [name, proxy, said] of /** @type {[string, string, RegExp][]} */ ([
    ['is not shown where the proxy is unreachable', `http://${credentials}@127.0.0.1:1`, /^APIConnectionError /m],
    ['is not shown where the proxy is not a URL', `http://${credentials}@host:99999`, /^APIConnectionError /m],
  ])) {
    test(name, async ({ serve }) => {
      const { stdout, stderr } = await shownThrough(proxy, (await serve()).url);

      expect(stdout).toMatch(said);
      expect(keysIn(stdout + stderr)).toEqual([]);
    });
  }

  test('is not shown where the proxy refuses', async ({ serve }) => {
    const proxy = await serve({ kind: 'status', status: 407, body: 'html' });
    const { stdout, stderr } = await shownThrough(`http://${credentials}@127.0.0.1:${proxy.port}`, (await serve()).url);

    expect(stdout).toMatch(/^APIError /m);
    expect(keysIn(stdout + stderr)).toEqual([]);
  });
});

describe.concurrent('a process that dies of an error prints no key:', () => {
  for (const model of ['status-401', 'reset', 'html', 'garbage', 'openpipe:status-500']) {
    test(model, async ({ serve }) => {
      const { url } = await serve(() => undefined);
      const run = await runProgram('secrets/programs/shown', ['crash', model, url, url]);

      expect(run).toMatchObject({ code: 1, signal: null });
      expect(run.stderr).toMatch(/Error/);
      expect(keysIn(run.stdout + run.stderr)).toEqual([]);
    });
  }
});

test('the password of a URL is shown in no output, and sent to no other upstream', async ({ world }) => {
  const here = await world({ openpipe: { fallback: null } });
  const withPassword = (/** @type {string} */ url) => url.replace('//', `//${KEYS.user}:${KEYS.password}@`);
  const client = here.newClient({
    baseURL: withPassword(here.servers.openai.url),
    openpipe: { baseUrl: withPassword(here.servers.openpipe.url) },
  });
  for (const model of [OWN, PRIMARY, `status-400`, 'openpipe:status-500']) await here.tell({ model }, client);

  expect(here.sentTo('openai')).not.toContain('password');
  expect(here.shown()).toEqual([]);
});
