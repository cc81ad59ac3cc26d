// An application in CommonJS. Arguments: the upstream.
const OpenAI = require('openpipe-native');
const { NotFoundError } = require('openai');

const baseURL = process.argv[2];
(async () => {
  const openai = new OpenAI({
    apiKey: 'sk',
    baseURL,
    openpipe: { apiKey: 'opk', baseUrl: baseURL, logRequest: false },
  });
  /** @type {OpenAI.ChatCompletionMessageParam[]} */
  const messages = [{ role: 'user', content: 'Hi' }];
  const completion = await openai.chat.completions.create({
    model: 'fails',
    messages,
    openpipe: { fallback: { model: 'good', timeout: 20_000 }, tags: { run: 1 } },
  });
  const stream = await openai.chat.completions.create({ model: 'good', messages, stream: true });
  let streamed = '';
  for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? '';
  const error = await openai.chat.completions.create({ model: 'missing', messages }).catch((error) => error);
  console.log(
    JSON.stringify({
      servedBy: completion.openpipe.servedBy,
      text: completion.choices[0]?.message.content,
      streamed,
      notFound: error instanceof NotFoundError && error instanceof OpenAI.NotFoundError,
    }),
  );
})();
