// The SDK's `runTools()`: each of its calls has the client's fallback. Here the primary asks for the tool, and then fails.

import OpenAI from 'openpipe-native';

const openai = new OpenAI({
  openpipe: {
    fallback: { model: 'gpt-5.4-mini' },
    onFallback: ({ from, to }) => console.log(`fallback: ${from.model} (${from.outcome}) -> ${to.model}`),
  },
});

const runner = openai.chat.completions
  .runTools({
    model: 'gpt-5.4',
    messages: [{ role: 'user', content: 'What is the weather in Oslo?' }],
    tools: [
      {
        type: 'function',
        function: {
          name: 'get_weather',
          description: 'The weather in a city, now.',
          parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
          parse: JSON.parse,
          function: ({ city }: { city: string }) => `${city}: rain, 7 degrees`,
        },
      },
    ],
  })
  .on('functionToolCall', (call) => console.log(`tool: ${call.name}(${call.arguments})`));

console.log(await runner.finalContent());
