// A call with a fallback: OpenPipe answers 500 here, so the second model answers.

import OpenAI from 'openpipe-native';

// The keys and URLs come from OPENAI_API_KEY, OPENPIPE_API_KEY, OPENAI_BASE_URL and OPENPIPE_BASE_URL.
const openai = new OpenAI();

const completion = await openai.chat.completions.create(
  { model: 'openpipe:my-ft-model', messages: [{ role: 'user', content: 'Count to 10' }] },
  {
    timeout: 10 * 1000,
    openpipe: {
      fallback: { model: 'gpt-4o-mini', timeout: 20 * 1000 },
      tags: { prompt_id: 'counting' },
    },
  },
);

console.log(completion.choices[0]?.message.content);

const { servedBy, model, attempts } = completion.openpipe;
console.log(`served by the ${servedBy}, ${model}`);
for (const attempt of attempts) console.log(`- ${attempt.model}: ${attempt.outcome}`);
