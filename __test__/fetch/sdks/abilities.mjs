/** What is asked of each SDK, and what the model answers. */

import { z } from 'zod';

import { saying, toolCall } from '../../support/sdk-api.mjs';

/** @import { LoggedRequest } from '../../../demo/upstream.mjs' */

export const PROMPT = 'Double 21.';
export const SAID = 'It is 42.';
export const NUMBER = z.object({ n: z.number() });

/** Who doubles. @param {number} n */
export const double = (n) => String(n * 2);

/** What a good target answers, by what was asked. */
export const ANSWERS = {
  generate: saying({ role: 'assistant', content: SAID }, 'stop'),
  stream: saying({ role: 'assistant', content: SAID }, 'stop'),
  structured: saying({ role: 'assistant', content: '{"n":42}' }, 'stop'),
  /** Calls the tool, then answers with its result. @param {LoggedRequest} request */
  tools(request) {
    const result = request.body.messages.find((/** @type {any} */ { role }) => role === 'tool');
    const message = result
      ? { role: 'assistant', content: SAID.replace('42', textOf(result.content)) }
      : { role: 'assistant', content: null, tool_calls: [toolCall('double', '{"n":21}')] };
    return saying(message, result ? 'stop' : 'tool_calls')(request);
  },
};

/** What an SDK gives back. */
export const EXPECTED = { generate: SAID, stream: SAID, tools: SAID, structured: { n: 42 } };

/** @typedef {keyof typeof ANSWERS} Ability */
export const ABILITIES = /** @type {Ability[]} */ (Object.keys(ANSWERS));

/** Some SDKs write a text as an array of parts. @param {any} content */
function textOf(content) {
  return typeof content === 'string' ? content : content.map((/** @type {any} */ part) => part.text).join('');
}
