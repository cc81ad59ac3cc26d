/** Calls whose reports go to a file. Arguments: a base URL, the file, how many calls. */

import OpenAI from 'openpipe-native';

const [baseURL, file = '', count] = process.argv.slice(2);
const openai = new OpenAI({ apiKey: 'sk', baseURL, logLevel: 'off', openpipe: { reports: { file } } });

const began = performance.now();
for (let call = 0; call < Number(count); call += 1) {
  await openai.chat.completions.create({ model: 'gpt', messages: [{ role: 'user', content: 'Hi' }] });
}
const callsMs = performance.now() - began;
console.log(JSON.stringify({ callsMs }));
