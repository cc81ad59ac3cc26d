// What an ES module gets by the conditions `browser`, `edge-light` and `workerd`: see unsupported.js.

import OpenAI from './unsupported.js';

export { OpenAI };
export default OpenAI;
