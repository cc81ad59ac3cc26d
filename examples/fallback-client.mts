// Another provider as the fallback: any client with `chat.completions.create(body, options)`. Here it is the `openai`
// package itself, at the provider's URL; `groq-sdk`, `together-ai`, `AzureOpenAI` or an object of your own work as well.

import ProviderClient from 'openai';
import OpenAI from 'openpipe-native';

const provider = new ProviderClient({
  baseURL: process.env['PROVIDER_BASE_URL'],
  apiKey: process.env['PROVIDER_API_KEY'],
});

const openai = new OpenAI({ openpipe: { fallbackClient: provider } });

const completion = await openai.chat.completions.create(
  { model: 'gpt-5.4', messages: [{ role: 'user', content: 'Count to 10' }], logprobs: true },
  {
    openpipe: {
      // `omit` leaves out what the provider does not support; `params` adds what it needs.
      fallback: { model: 'mistral-large', omit: ['logprobs'], params: { temperature: 0.2 } },
    },
  },
);

console.log(completion.choices[0]?.message.content);
for (const { upstream, model, outcome } of completion.openpipe.attempts) {
  console.log(`- ${model} (${upstream}): ${outcome}`);
}
