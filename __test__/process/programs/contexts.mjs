/**
 * The package called from other contexts of `vm`, whose objects, errors and promises are of other classes, and loaded again
 * and again in one thread. Arguments: a scene, a base URL. Prints what came of it as JSON.
 */

import { createRequire } from 'node:module';
import vm from 'node:vm';

const [scene = '', baseURL = ''] = process.argv.slice(2);
const require = createRequire(import.meta.url);

const CODE = `
  (async () => {
    const OpenAI = require('openpipe-native');
    const seen = [];
    const own = { chat: { completions: { create: async (body) => { throw new RangeError('of ' + body.model); } } } };
    const openai = new OpenAI({
      apiKey: 'sk', baseURL, maxRetries: 0, logLevel: 'off', defaultHeaders: { 'x-own': 'v' },
      openpipe: { apiKey: 'opk', baseUrl: baseURL, logRequest: false, onFallback: (event) => seen.push(event.from.outcome) },
    });
    const messages = [{ role: 'user', content: 'Hi' }];
    const fallback = [{ model: 'status-503', on: ['server_error'], omit: ['user'] }, { model: name }];
    const completion = await openai.chat.completions.create(
      { model: 'openpipe:status-500', messages, user: 'u', openpipe: { fallback, tags: { a: 'b' } } },
      Promise.resolve({ headers: [['x-of-the-call', '1']], timeout: 60000 }),
    );
    let text = '';
    const stream = await openai.chat.completions.create({ model: name, messages, stream: true });
    for await (const chunk of stream) text += chunk.choices[0].delta.content ?? '';
    const failed = await openai.chat.completions
      .create({ model: 'openpipe:status-400', messages, openpipe: { fallback: { model: 'f', client: own } } })
      .catch((error) => error);
    const refused = await openai.chat.completions.create({ model: 1, messages }).catch((error) => error);
    return {
      text: completion.choices[0].message.content, streamed: text, seen,
      own: failed instanceof RangeError && failed.message, refused: refused.name,
    };
  })()
`;

/** @type {Record<string, () => Promise<unknown>>} */
const scenes = {
  async 'ten contexts at once'() {
    return Promise.all(
      Array.from({ length: 10 }, (_, number) => {
        const context = vm.createContext({ require, baseURL, name: `context-${number}` });
        return vm.runInContext(CODE, context);
      }),
    );
  },
  /** With --expose-gc. */
  async 'contexts that are dropped'() {
    /** @type {WeakRef<object>[]} */
    const made = [];
    // In a function of its own, so that nothing of it stays on the stack.
    const make = async (/** @type {number} */ number) => {
      const context = vm.createContext({ require, baseURL, name: `context-${number}` });
      made.push(new WeakRef(context));
      await vm.runInContext(CODE, context);
    };
    for (let number = 0; number < 20; number += 1) await make(number);
    const left = () => made.filter((context) => context.deref() !== undefined).length;
    for (let turn = 0; turn < 100 && left() > 0; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      globalThis.gc?.();
    }
    return { made: made.length, left: left() };
  },
  /** The addon itself too, whose earlier copies have connections and calls. */
  async 'loaded again and again'() {
    const texts = [];
    for (let turn = 0; turn < 8; turn += 1) {
      for (const file of Object.keys(require.cache))
        if (!file.includes('node_modules/openai')) delete require.cache[file];
      const OpenAI = require('openpipe-native');
      const openai = new OpenAI({ apiKey: 'sk', baseURL, logLevel: 'off', openpipe: { logRequest: false } });
      void openai.chat.completions
        .create({ model: 'silence', messages: [] }, { timeout: 300, maxRetries: 0 })
        .catch(() => {});
      const { choices } = await openai.chat.completions.create({ model: `turn-${turn}`, messages: [] });
      texts.push(choices[0]?.message.content?.endsWith(`turn-${turn}.`));
    }
    return texts.every(Boolean);
  },
};

console.log(JSON.stringify(await scenes[scene]?.()));
