// Azure OpenAI: first the v1 API with an Entra token, then the older deployments API with a key, then OpenAI.

import OpenAI from 'openpipe-native';

const endpoint = process.env['AZURE_OPENAI_ENDPOINT']; // https://my-resource.openai.azure.com

/**
 * Called for each try, so an expired token is never sent. With `@azure/identity` it is
 * `getBearerTokenProvider(new DefaultAzureCredential(), 'https://cognitiveservices.azure.com/.default')`.
 */
async function entraToken() {
  return process.env['AZURE_ENTRA_TOKEN'] ?? '';
}

const openai = new OpenAI({
  openpipe: {
    upstreams: {
      azure: { baseURL: `${endpoint}/openai/v1`, apiKey: entraToken },
      deployments: {
        baseURL: `${endpoint}/openai/deployments/{model}`,
        query: { 'api-version': '2024-10-21' },
        apiKey: null, // no `Authorization`: Azure reads the key from its own header
        headers: { 'api-key': process.env['AZURE_OPENAI_API_KEY'] ?? '' },
        endpoints: ['chat', 'embeddings'],
      },
    },
  },
});

const completion = await openai.chat.completions.create(
  { model: 'azure:gpt-5.4', messages: [{ role: 'user', content: 'Count to 10' }] },
  {
    timeout: 10 * 1000,
    openpipe: { fallback: [{ model: 'deployments:my-gpt-5.4' }, { model: 'gpt-5.4-mini' }] },
  },
);

console.log(completion.choices[0]?.message.content);
for (const { upstream, model, outcome } of completion.openpipe.attempts)
  console.log(`- ${upstream} ${model}: ${outcome}`);
