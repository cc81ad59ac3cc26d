/**
 * Opens streams and reads none of them for a while. Arguments: the base URL of an upstream, the transport, how many. Prints by how
 * many bytes the process has grown at most.
 */

import OpenAI from 'openpipe-native';

const [baseURL, transport, count] = process.argv.slice(2);
const PAUSE_MS = 1_500;
const openai = new OpenAI({ apiKey: 'sk-0123456789', baseURL, openpipe: /** @type {any} */ ({ transport }) });
/** @param {string} model */
const open = (model) => openai.chat.completions.create({ model, messages: [], stream: true });

// What a stream takes by itself is there before it is measured.
for await (const _ of await open('short'));
globalThis.gc?.();
const before = process.memoryUsage.rss();
const streams = await Promise.all(Array.from({ length: Number(count) }, () => open('endless')));
let peak = 0;
for (const end = performance.now() + PAUSE_MS; performance.now() < end;) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  peak = Math.max(peak, process.memoryUsage.rss());
}
for (const stream of streams) stream.controller.abort();
console.log(peak - before);
