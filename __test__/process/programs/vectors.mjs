/** Asks for many vectors, and prints by how much memory the process has grown at most. Arguments: base URL, inputs, the bound. */

import OpenAI from 'openpipe-native';

const [baseURL = '', inputs = '', maxResponseBytes = ''] = process.argv.slice(2);
const openai = new OpenAI({
  apiKey: 'sk',
  baseURL,
  openpipe: { apiKey: '', maxResponseBytes: Number(maxResponseBytes) },
});
const peak = () => process.resourceUsage().maxRSS * 1024;

// What the first call of a process takes is not of the answer.
await openai.embeddings.create({ model: 'e', input: 'one' });
const before = peak();
const input = Array.from({ length: Number(inputs) }, (_, index) => `text ${index}`);
const { data } = await openai.embeddings.create({ model: 'e', input });
console.log(JSON.stringify({ grown: peak() - before, vectors: data.length, numbers: data[0]?.embedding.length }));
process.exit();
