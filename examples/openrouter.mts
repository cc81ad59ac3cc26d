// OpenRouter as the fallback for a vendor that is called directly: one key for the models of many vendors.

import OpenAI from 'openpipe-native';

const openai = new OpenAI({
  openpipe: {
    upstreams: {
      openrouter: {
        baseURL: process.env['OPENROUTER_BASE_URL'], // leave it out: the name is known; the key is OPENROUTER_API_KEY
        headers: { 'HTTP-Referer': 'https://my-app.example', 'X-Title': 'My app' }, // for OpenRouter's rankings; optional
      },
    },
  },
});

const completion = await openai.chat.completions.create(
  { model: 'gpt-5.4', messages: [{ role: 'user', content: 'Count to 10' }] },
  {
    timeout: 10 * 1000,
    openpipe: {
      // `provider` is OpenRouter's own parameter, so it is set for this target only.
      fallback: { model: 'openrouter:anthropic/claude-sonnet-4.5', params: { provider: { sort: 'throughput' } } },
    },
  },
);

console.log(completion.choices[0]?.message.content);
for (const { upstream, model, outcome } of completion.openpipe.attempts)
  console.log(`- ${upstream} ${model}: ${outcome}`);
