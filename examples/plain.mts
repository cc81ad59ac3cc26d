// A call with a fallback: the first model answers 500 here, so the second one answers.

import OpenAI from 'openpipe-native';

// The key is OPENAI_API_KEY. `npm run example` sets OPENAI_BASE_URL to a mock upstream.
const openai = new OpenAI();

const completion = await openai.chat.completions.create(
  { model: 'gpt-5.4', messages: [{ role: 'user', content: 'Count to 10' }] },
  {
    timeout: 10 * 1000,
    openpipe: { fallback: { model: 'gpt-5.4-mini', timeout: 20 * 1000 } },
  },
);

console.log(completion.choices[0]?.message.content);

const { servedBy, model, attempts } = completion.openpipe;
console.log(`served by the ${servedBy}, ${model}`);
for (const attempt of attempts) console.log(`- ${attempt.model}: ${attempt.outcome}`);
