/**
 * Reads a little of a stream, and then no more for a while. Tells by how many bytes the process has grown.
 * Arguments: how the upstream is called, its base URL.
 */

import OpenAISdk from 'openai';
import OpenAI from 'openpipe-native';

const [via = '', baseURL = ''] = process.argv.slice(2);
const PAUSE_MS = 3_000;

const client = via === 'client' ? new OpenAISdk({ apiKey: 'sk', baseURL, maxRetries: 0 }) : undefined;
const openai = new OpenAI({
  apiKey: 'sk',
  // Nobody listens there.
  baseURL: client ? 'http://127.0.0.1:1/v1' : baseURL,
  openpipe: {
    ...(via === 'fetch' ? { transport: 'fetch' } : {}),
    ...(client ? { fallback: { model: 'm', client } } : {}),
  },
});
const stream = await openai.chat.completions.create({
  model: 'gpt-4o',
  messages: [{ role: 'user', content: 'Hi' }],
  stream: true,
});
let before = 0;
let peak = 0;
let events = 0;
for await (const _ of stream) {
  events += 1;
  if (events < 20) continue;
  before = process.memoryUsage.rss();
  for (const end = performance.now() + PAUSE_MS; performance.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    peak = Math.max(peak, process.memoryUsage.rss());
  }
  break;
}
process.send?.(peak - before, () => process.disconnect());
