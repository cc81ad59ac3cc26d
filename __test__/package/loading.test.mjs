/** The error message of each reason why the package cannot be loaded. Each test runs in its own process. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The message of what loading throws. @param {string[]} flags @param {string} program */
async function messageOf(flags, program) {
  const { stdout } = await run(
    process.execPath,
    [...flags, '-e', `try { ${program} } catch (error) { console.log(error.message); }`],
    { cwd: ROOT },
  );
  return stdout;
}

test('where addons are switched off, the flag is named', async () => {
  expect(await messageOf(['--no-addons'], "require('openpipe-native')")).toMatch(/--no-addons/);
});

test('where `openai` is not installed, the versions and the command are named', async () => {
  const hide =
    "const m = require('node:module'); const r = m._resolveFilename; m._resolveFilename = function (n, ...a) { if (n === 'openai') { throw Object.assign(new Error(\"Cannot find module 'openai'\"), { code: 'MODULE_NOT_FOUND' }); } return r.call(this, n, ...a); };";
  expect(await messageOf([], `${hide} require('openpipe-native')`)).toMatch(/version 5, 6 or 7.*npm install openai/);
});

test('an `openai` of another version is refused with the versions and the command', async () => {
  const old =
    "class OpenAI { makeRequest() {} getUserAgent() { return 'OpenAI/JS 4.104.0'; } }; require('./lib/sdk/client.js').defineClient({ OpenAI });";
  expect(await messageOf([], old)).toMatch(/found version 4: npm install openai/);
});

test('for browsers and edge runtimes there is a module that says so in one sentence', async () => {
  const program =
    "const { runInNewContext } = require('node:vm'); const source = require('node:fs').readFileSync('./unsupported.js', 'utf8'); runInNewContext(source, {});";
  const message = await messageOf([], program);
  expect(message).toMatch(/does not run in browsers/);
  expect(message.trim().split('\n')).toHaveLength(1);
});

test('a test runner with a DOM, which resolves as a browser does, gets the real module', async () => {
  expect(await messageOf(['--conditions=browser'], "console.log(require('openpipe-native').name)")).toBe('OpenAI\n');
});
