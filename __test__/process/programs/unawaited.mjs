/**
 * Counts unhandled rejections, for each way to use a call that fails. Arguments: `ours` or `sdk`, and the base URL
 * of an upstream whose errors name the model that they are about.
 */

import SdkOpenAI from 'openai';
import OpenAI from 'openpipe-native';

const [whose, baseURL = ''] = process.argv.slice(2);
const options = { apiKey: 'sk', baseURL, maxRetries: 0, logLevel: /** @type {const} */ ('off') };
/** @type {SdkOpenAI} */
const openai = whose === 'ours' ? new OpenAI({ ...options, openpipe: { logRequest: false } }) : new SdkOpenAI(options);

/** As long as a call may take on a busy machine. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 1_000));

/** @typedef {() => ReturnType<SdkOpenAI['chat']['completions']['create']>} Create */
/** @type {Record<string, (create: Create) => Promise<unknown>>} */
const ways = {
  'not awaited': async (create) => void create(),
  'caught at once': (create) => create().catch(() => {}),
  'awaited at once': async (create) => {
    try {
      await create();
    } catch {}
  },
  'awaited later': async (create) => {
    const call = create();
    await pause();
    await call.catch(() => {});
  },
  'by withResponse': async (create) => {
    const call = create().withResponse();
    await call.catch(() => {});
  },
  'by asResponse': async (create) => {
    const call = create().asResponse();
    await call.catch(() => {});
  },
  'by asResponse, and awaited': async (create) => {
    const call = create();
    await Promise.allSettled([call.asResponse(), call]);
  },
  'by then, without an end': async (create) => void create().then(() => {}),
};

/** @type {Record<string, number>} */
const counts = Object.fromEntries(Object.keys(ways).map((name) => [name, 0]));
process.on('unhandledRejection', (reason) => {
  const name = Object.keys(ways).find((name) => String(reason).includes(`<${name}>`)) ?? String(reason);
  counts[name] = (counts[name] ?? 0) + 1;
});

await Promise.all(
  Object.entries(ways).map(([name, way]) =>
    way(() => openai.chat.completions.create({ model: `<${name}>`, messages: [] })),
  ),
);
await pause();
console.log(JSON.stringify(counts));
