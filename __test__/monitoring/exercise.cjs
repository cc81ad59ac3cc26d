'use strict';
/** The calls that every tool is tried with, by plain `openai` and by the class of this package. */

const { inspect } = require('node:util');

const KEY = 'sk-monitored-0123456789abcdef';
const MESSAGES = [{ role: 'user', content: 'Count to 3' }];

/** Each call, by the name that the comparison goes by. @type {Record<string, (client: any, extra: object) => Promise<unknown>>} */
const CALLS = {
  create: async ({ chat }, extra) => {
    const { choices } = await chat.completions.create({ model: 'gpt-4o', messages: MESSAGES, ...extra });
    return choices[0].message.content;
  },
  stream: async ({ chat }, extra) => {
    const stream = await chat.completions.create({
      ...{ model: 'gpt-4o', messages: MESSAGES, stream: true, stream_options: { include_usage: true } },
      ...extra,
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    return text;
  },
  parse: async ({ chat }, extra) => {
    const { choices } = await chat.completions.parse({ model: 'gpt-4o', messages: MESSAGES, ...extra });
    return choices[0].message.content;
  },
  responses: async ({ responses }, extra) => {
    const { output_text } = await responses.create({ model: 'gpt-4o', input: 'Count to 3', ...extra });
    return output_text;
  },
  embeddings: async ({ embeddings }) => {
    const { data } = await embeddings.create({ model: 'text-embedding-3-small', input: 'x', encoding_format: 'float' });
    return data[0].embedding;
  },
  failing: async ({ chat }) =>
    chat.completions.create({ model: 'failing', messages: MESSAGES }, { maxRetries: 0 }).catch((error) => error.status),
};

/** @param {(work: () => Promise<unknown>) => Promise<any[]>} record Gives what the tool recorded of the work. */
async function recordsOf(record, client, extra = {}) {
  /** @type {Record<string, any>} */
  const all = {};
  for (const [name, call] of Object.entries(CALLS)) {
    let value;
    const spans = await record(async () => {
      value = await call(client, extra).catch((error) => `threw ${error.stack}`);
    });
    all[name] = { value, spans };
  }
  return all;
}

/**
 * @param {any} Plain The class of `openai`. @param {any} Ours
 * @param {(work: () => Promise<unknown>) => Promise<any[]>} record
 */
async function exercise(Plain, Ours, record) {
  const baseURL = process.env.UPSTREAM;
  // In CommonJS the package is a function in front of its class.
  const Class = Plain.OpenAI ?? Plain;
  const plain = new Plain({ apiKey: KEY, baseURL });
  const options = { apiKey: KEY, baseURL, openpipe: { logRequest: false } };
  const ours = new Ours(options);
  const fallback = { openpipe: { fallback: { model: 'gpt-4o', client: undefined } } };
  const result = {
    plain: await recordsOf(record, plain),
    ours: await recordsOf(record, ours),
    derived: await recordsOf(record, ours.withOptions({ timeout: 9_000 })),
    fetch: await recordsOf(record, new Ours({ ...options, openpipe: { ...options.openpipe, transport: 'fetch' } })),
    fallback: await record(async () => {
      const body = { model: 'failing', messages: MESSAGES, ...fallback };
      const completion = await ours.chat.completions.create(body);
      if (completion.openpipe.servedBy !== 'fallback') throw new Error('the fallback did not serve');
    }),
    isInstance: ours instanceof Ours && ours instanceof Class && ours.withOptions({}) instanceof Ours,
    showsKey: [inspect(ours), JSON.stringify(ours), inspect(ours.withOptions({}), { depth: 9 })].some((text) =>
      text.includes(KEY),
    ),
    flushed: await ours.flush(),
    methods: [typeof ours.flush, typeof ours.close, typeof ours.upstreams],
    closed: undefined,
  };
  await ours.close();
  result.closed = await ours.chat.completions.create({ model: 'm', messages: MESSAGES }).catch((e) => e.message);
  process.stdout.write(`\nRESULT ${JSON.stringify(result)}\n`);
  // The tools have timers and connections of their own.
  setTimeout(() => process.exit(0), 50);
}

module.exports = { exercise };
