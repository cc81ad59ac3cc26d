/** Calls an upstream with an untrusted certificate, with NODE_TLS_REJECT_UNAUTHORIZED as the arguments say, one call each. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import OpenAI from '../../../index.mjs';

const pem = (/** @type {string} */ name) =>
  readFileSync(new URL(`../../faults/certificates/${name}.pem`, import.meta.url));
const server = createServer({ key: pem('key'), cert: pem('self-signed') }, (request, response) => {
  request.resume().on('end', () => response.end('{"choices":[{"message":{"role":"assistant","content":"hi"}}]}'));
});
await new Promise((listening) => server.listen(0, () => listening(undefined)));
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());

let warnings = 0;
process.on('warning', ({ message }) => (warnings += message.includes('NODE_TLS_REJECT_UNAUTHORIZED') ? 1 : 0));
const client = new OpenAI({ apiKey: 'sk-1', baseURL: `https://localhost:${port}/v1`, maxRetries: 0, logLevel: 'off' });
const answers = [];
for (const setting of process.argv.slice(2)) {
  if (setting === 'unset') delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  else process.env.NODE_TLS_REJECT_UNAUTHORIZED = setting;
  const call = client.chat.completions.create({ model: 'm', messages: [] });
  answers.push(
    await call.then(
      () => 'ok',
      (error) => error.constructor.name,
    ),
  );
}
await new Promise((told) => setImmediate(told));
console.log(JSON.stringify({ answers, warnings }));
server.closeAllConnections();
server.close();
