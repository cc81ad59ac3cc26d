/** How many rejections nobody handles, for each way to use a call that fails. Arguments: `ours` or `sdk`, a base URL. */

import SdkOpenAI from 'openai';
import OpenAI from 'openpipe-native';

const [whose, baseURL = ''] = process.argv.slice(2);
const options = { apiKey: 'sk', baseURL, maxRetries: 0, logLevel: /** @type {const} */ ('off') };
/** @type {SdkOpenAI} */
const openai = whose === 'ours' ? new OpenAI({ ...options, openpipe: { logRequest: false } }) : new SdkOpenAI(options);

let unhandled = 0;
process.on('unhandledRejection', () => (unhandled += 1));

const pause = () => new Promise((resolve) => setTimeout(resolve, 200));
const create = () => openai.chat.completions.create({ model: 'm', messages: [] });

/** @type {Record<string, () => Promise<unknown>>} */
const ways = {
  'not awaited': async () => void create(),
  'caught at once': () => create().catch(() => {}),
  'awaited at once': async () => {
    try {
      await create();
    } catch {}
  },
  'awaited later': async () => {
    const call = create();
    await pause();
    await call.catch(() => {});
  },
  'by withResponse': () =>
    create()
      .withResponse()
      .catch(() => {}),
  'by asResponse': () =>
    create()
      .asResponse()
      .catch(() => {}),
  'by asResponse, and awaited': async () => {
    const call = create();
    await Promise.allSettled([call.asResponse(), call]);
  },
  'by then, without an end': async () => void create().then(() => {}),
};

/** @type {Record<string, number>} */
const counts = {};
for (const [name, way] of Object.entries(ways)) {
  unhandled = 0;
  await way();
  await pause();
  counts[name] = unhandled;
}
console.log(JSON.stringify(counts));
