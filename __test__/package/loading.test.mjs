/** The error message of each reason why the package cannot be loaded. Each test runs in its own process. */

import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { describe, expect, test } from 'vitest';

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

test('where a process has permissions and none for addons, the flag is named that allows them', async () => {
  const [flag] = ['--permission', '--experimental-permission'].filter((name) =>
    process.allowedNodeEnvironmentFlags.has(name),
  );
  const flags = [/** @type {string} */ (flag), '--allow-fs-read=*'];
  expect(await messageOf(flags, "require('openpipe-native')")).toMatch(/Allow them by --allow-addons/);
});

test('an installed addon that loads is used, whatever the C library of the machine’s tools is', async () => {
  const otherTools =
    "const fs = require('node:fs'); const read = fs.readFileSync; fs.readFileSync = (file, ...rest) => file === '/usr/bin/ldd' ? 'musl libc' : read(file, ...rest);";
  expect(await messageOf([], `${otherTools} console.log(require('openpipe-native').name)`)).toBe('OpenAI\n');
});

test('explaining a failure makes no DNS look-ups', async () => {
  const program =
    "const { report } = process; const { getReport } = report; const asked = []; report.getReport = (...all) => (asked.push(report.excludeNetwork), getReport.apply(report, all)); process.env.NAPI_RS_NATIVE_LIBRARY_PATH = '/there/is/none.node'; try { require('openpipe-native') } catch (error) { console.log(error.message.split('.')[0], asked, report.excludeNetwork) }";
  expect(await messageOf([], program)).toMatch(/^openpipe-native has no native addon.* \[ (true,? ?)+\] false$/m);
});

describe('in a bundle', () => {
  const loading = "console.log(require('./main.js').loadBinding())";

  test.each([
    ['without an addon', "throw new Error('Cannot find native binding')"],
    ['with the name of a copy of the addon', "module.exports = './addon-5f3a.node'"],
  ])('%s, the message says what to leave outside', async (_, binding) => {
    const folder = await mkdtemp(join(tmpdir(), 'bundle-'));
    const dist = join(folder, 'app', 'dist');
    await mkdir(dist, { recursive: true });
    await copyFile(join(ROOT, 'lib', 'native', 'load-binding.js'), join(dist, 'main.js'));
    await writeFile(join(folder, 'binding.js'), binding);
    const program = `process.chdir(${JSON.stringify(dist)}); ${loading.replace('./main.js', join(dist, 'main.js'))}`;
    const message = await messageOf([], program);
    await rm(folder, { recursive: true });
    expect(message).toMatch(/put into a bundle.*Leave openpipe-native, and openai with it, outside/);
  });
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

test('for browsers and edge runtimes there is a module that throws an error of one sentence', async () => {
  const program =
    "const { runInNewContext } = require('node:vm'); const source = require('node:fs').readFileSync('./unsupported.js', 'utf8'); runInNewContext(source, {});";
  const message = await messageOf([], program);
  expect(message).toMatch(/does not run in browsers/);
  expect(message.trim().split('\n')).toHaveLength(1);
});

test('a test runner with a DOM, which resolves modules as a browser does, gets the real module', async () => {
  expect(await messageOf(['--conditions=browser'], "console.log(require('openpipe-native').name)")).toBe('OpenAI\n');
});
