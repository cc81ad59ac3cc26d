// A chain of fallbacks for different failures, and a circuit breaker: a target that keeps failing is skipped.

import ProviderClient from 'openai';
import OpenAI from 'openpipe-native';

const provider = new ProviderClient({
  baseURL: process.env['PROVIDER_BASE_URL'],
  apiKey: process.env['PROVIDER_API_KEY'],
});

const openai = new OpenAI({
  openpipe: {
    deadline: 30 * 1000,
    fallback: [
      { model: 'gpt-5.5', on: ['timeout', 'context_length'] }, // skipped when the primary answers 503
      { model: 'gpt-5.4-mini', timeout: 10 * 1000, except: ['content_filter'] },
      { model: 'mistral-large', client: provider },
    ],
    breaker: { failures: 2, openFor: 60 * 1000 },
  },
});

for (const city of ['Oslo', 'Lima', 'Rome']) {
  const completion = await openai.chat.completions.create({
    model: 'gpt-5.4',
    messages: [{ role: 'user', content: `In which country is ${city}?` }],
  });
  const way = completion.openpipe.attempts.map(({ model, outcome }) => `${model} ${outcome}`);
  console.log(`${city}: ${way.join(' -> ')}`);
}
