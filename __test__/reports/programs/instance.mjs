/**
 * An instance of `OpenPipe` as a client's option, for every pair of entries: the modules as Node.js loads them, not as a test
 * runner does. Arguments: the base URL of the upstream, that of OpenPipe. Prints where each call went.
 */

import { createRequire } from 'node:module';
import { inspect } from 'node:util';

import OpenAI from 'openpipe-native';
import OpenPipe from 'openpipe-native/client';

const require = createRequire(import.meta.url);
const [baseURL = '', baseUrl = ''] = process.argv.slice(2);
/** @type {any[]} */
const messages = [{ role: 'user', content: 'Hi' }];

/** @type {Record<string, any>} */
const clients = { esm: OpenAI, cjs: require('openpipe-native') };
/** @type {Record<string, any>} */
const instances = { esm: OpenPipe, cjs: require('openpipe-native/client') };

for (const [client, Client] of Object.entries(clients)) {
  for (const [instance, Instance] of Object.entries(instances)) {
    const openpipe = new Instance({ apiKey: 'opk-of-the-instance', baseUrl });
    const first = new Client({ apiKey: 'sk', baseURL, openpipe });
    const others = [
      first,
      first.withOptions({ maxRetries: 0 }),
      first.withOptions({ openpipe: { tags: { a: 1 } } }),
      new Client({ apiKey: 'sk', baseURL, openpipe: { apiKey: 'opk-other' } }).withOptions({ openpipe }),
    ];
    for (const openai of others) {
      const served = await openai.chat.completions.create({ model: 'openpipe:m', messages });
      const own = await openai.chat.completions.create({ model: 'm', messages });
      await own.openpipe.reportingFinished;
      const upstreams = [served, own].map((answer) => answer.openpipe.attempts[0].upstream);
      const leaks = inspect(openai, { depth: 9, showHidden: true }).includes('opk-of-the-instance');
      console.log([client, instance, ...upstreams, leaks ? 'leaks' : 'no key seen'].join(' '));
    }
  }
}
