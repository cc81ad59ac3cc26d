/**
 * One call with keys in every place, and all that can be seen of it; or its error, which nobody catches. Arguments: `told` or
 * `crash`, a model, the base URL of the client's own upstream, that of OpenPipe.
 */

import OpenAI from 'openpipe-native';

import { everyPrint, KEYS } from '../keys.mjs';

const [what = '', model = '', baseURL = '', baseUrl = ''] = process.argv.slice(2);
/** @type {unknown[]} */
const events = [];
const openai = new OpenAI({
  ...{ apiKey: KEYS.openai, baseURL, maxRetries: 0, logLevel: 'debug', defaultHeaders: { 'x-api-key': KEYS.default } },
  openpipe: { apiKey: KEYS.openpipe, baseUrl, logRequest: false, onFallback: (event) => events.push(event) },
});
/** @type {any} */
const body = { model, messages: [{ role: 'user', content: 'Hi' }], openpipe: { fallback: { model } } };
const options = { headers: { cookie: KEYS.call }, timeout: 20_000 };

if (what === 'crash') {
  await openai.chat.completions.create(body, options);
} else {
  const outcome = /** @type {any} */ (await openai.chat.completions.create(body, options).catch((error) => error));
  console.log(outcome.choices ? 'answered' : `${outcome.constructor.name} ${outcome.cause?.code}`);
  for (const each of [
    outcome,
    outcome.cause,
    outcome.openpipe,
    outcome.openpipe?.errors,
    events,
    openai,
    openai.chat,
  ]) {
    console.log(everyPrint(each));
  }
}
