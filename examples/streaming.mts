// A stream with a fallback: here the primary opens its stream and then sends nothing. The reader never sees that stream.

import OpenAI from 'openpipe-native';

const openai = new OpenAI();

const stream = await openai.chat.completions.create(
  { model: 'gpt-5.4', messages: [{ role: 'user', content: 'Count to 10' }], stream: true },
  { openpipe: { fallback: { model: 'gpt-5.4-mini' }, firstTokenTimeout: 500 } },
);

for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');
process.stdout.write('\n');

const { servedBy, model, attempts } = stream.openpipe;
console.log(`served by the ${servedBy}, ${model}`);
for (const attempt of attempts) console.log(`- ${attempt.model}: ${attempt.outcome}`);
