/** The code of a situation's call, as a reader would write it. The call that runs is made from the same data (call.mjs). */

import { targets } from './targets.mjs';

/** @import { Situation } from "./situations.mjs" */

/** @param {Situation} situation @returns {string[]} Its lines. */
export function codeOf({ stream, timeout, openpipe = {} }) {
  const fallback = `fallback: { model: '${targets.fallback.model}' }`;
  const more = Object.entries(openpipe).map(([name, value]) => `${name}: ${literal(value)}`);
  const own = `openpipe: { ${[fallback, ...more].join(', ')} }`;
  const body = [`model: '${targets.primary.model}'`, 'messages', ...(stream ? ['stream: true'] : [])].join(', ');
  const options = [...(timeout === undefined ? [] : [`timeout: ${literal(timeout)}`]), own].join(', ');
  return [
    `${stream ? 'const stream' : 'const completion'} = await openai.chat.completions.create(`,
    `  { ${body} },`,
    `  { ${options} },`,
    ');',
    ...(stream ? ['for await (const chunk of stream) show(chunk);'] : []),
  ];
}

/** @param {unknown} value */
function literal(value) {
  if (typeof value === 'number') return String(value).replace(/\B(?=(\d{3})+$)/g, '_');
  return `'${value}'`;
}
