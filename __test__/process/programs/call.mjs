/** One call, by the environment's keys and URLs, and what became of it as JSON. Arguments: a model. */

import OpenAI from 'openpipe-native';

const [model = ''] = process.argv.slice(2);
const openai = new OpenAI({ maxRetries: 0, logLevel: 'off' });
try {
  const completion = await openai.chat.completions.create({ model, messages: [] });
  console.log(JSON.stringify({ text: completion.choices[0]?.message.content }));
} catch (error) {
  const { name, message, cause } = /** @type {Error & { cause?: { message: string, code?: string } }} */ (error);
  console.log(JSON.stringify({ name, message, cause: cause?.message, code: cause?.code }));
}
