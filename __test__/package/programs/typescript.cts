// An application in CommonJS in TypeScript. Arguments: the upstream.
import OpenAI = require('openpipe-native');
import { NotFoundError } from 'openai';

declare const process: { argv: string[] };
const baseURL = process.argv[2]!;
const openai = new OpenAI({ apiKey: 'sk', baseURL, openpipe: { apiKey: 'opk', baseUrl: baseURL, logRequest: false } });
const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Hi' }];
void (async () => {
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
