/**
 * Prepares a clone for the demo. After `npm install` it builds the addon. In a clone without node_modules it installs the two
 * packages that the demo needs, and builds with cargo alone.
 */

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { preflight } from '../release/preflight.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ADDON = 'openpipe-native.demo.node';

/** The file name of a Rust library on this system. @type {Partial<Record<NodeJS.Platform, string>>} */
const LIBRARIES = { win32: 'openpipe_native.dll', darwin: 'libopenpipe_native.dylib' };
const LIBRARY = LIBRARIES[process.platform] ?? 'libopenpipe_native.so';

preflight();
if (!isInstalled('openai') || !isInstalled('openpipe')) installPeers();
if (isInstalled('@napi-rs/cli')) run('npm', ['run', '--silent', 'build']);
else buildWithCargo();

/** @param {string} name */
function isInstalled(name) {
  return existsSync(`${ROOT}node_modules/${name}/package.json`);
}

/** Installs the versions of the lock file, without changing it or package.json. */
function installPeers() {
  const { packages } = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8'));
  const wanted = ['openai', 'openpipe'].map((name) => `${name}@${packages[`node_modules/${name}`].version}`);
  console.log(`Installing ${wanted.join(' and ')} (about 55 MB) …`);
  const flags = [
    '--no-save',
    '--omit=dev',
    '--save-prod',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  run('npm', ['install', ...flags, ...wanted]);
}

function buildWithCargo() {
  console.log('Building the addon (some minutes the first time) …');
  run('cargo', ['build', '--release', '--locked', '-p', 'openpipe-native']);
  const target = process.env['CARGO_TARGET_DIR'] ?? `${ROOT}target`;
  copyFileSync(`${target}/release/${LIBRARY}`, `${ROOT}${ADDON}`);
  // `npm run build` makes a loader that looks for every platform's package; this one loads the one file.
  writeFileSync(`${ROOT}binding.js`, `module.exports = require('./${ADDON}');\n`);
}

/** @param {string} command @param {string[]} args */
function run(command, args) {
  // npm is a script with another ending on Windows, which only a shell finds.
  execFileSync(command, args, {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
}
