/** Checks that this machine can build the addon, and says in one sentence what is missing: cargo's own errors do not. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NEEDED_NODE = 20;

/** What Cargo.toml asks for. */
export const neededRust =
  /^rust-version = "(?<version>[\d.]+)"$/m.exec(readFileSync(new URL('../Cargo.toml', import.meta.url), 'utf8'))
    ?.groups?.['version'] ?? '1.88';

/**
 * @typedef {object} Machine
 * @property {string} node Its version.
 * @property {string | undefined} rustc What `rustc --version` prints; undefined where there is none.
 * @property {boolean} hasLinker A C compiler, which Rust links with.
 */

/** @param {Machine} machine @returns {string[]} One sentence for each thing that is missing. */
export function missingFrom({ node, rustc, hasLinker }) {
  const missing = [];
  if (Number.parseInt(node, 10) < NEEDED_NODE)
    missing.push(`Node.js ${NEEDED_NODE} or newer is needed: https://nodejs.org (this is ${node}).`);
  const found = /^rustc (?<version>\d+\.\d+(?:\.\d+)?)/.exec(rustc ?? '')?.groups?.['version'];
  if (found === undefined)
    missing.push(`Rust ${neededRust} or newer is needed: https://rustup.rs (no rustc was found).`);
  else if (isOlder(found, neededRust))
    missing.push(
      `Rust ${neededRust} or newer is needed: https://rustup.rs (this is ${found}; with rustup: rustup update stable).`,
    );
  if (!hasLinker)
    missing.push(
      'A C compiler is needed to link the addon: on Debian and Ubuntu, apt-get install build-essential; on macOS, xcode-select --install.',
    );
  return missing;
}

/** @param {string} version @param {string} than */
function isOlder(version, than) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [thanMajor = 0, thanMinor = 0] = than.split('.').map(Number);
  return major < thanMajor || (major === thanMajor && minor < thanMinor);
}

/** @returns {Machine} */
export function thisMachine() {
  return {
    node: process.versions.node,
    rustc: outputOf('rustc', ['--version']),
    // On Windows Rust finds Visual Studio's by itself, and says so where it is missing.
    hasLinker:
      process.platform === 'win32' ||
      ['cc', 'gcc', 'clang'].some((name) => outputOf(name, ['--version']) !== undefined),
  };
}

/** @param {string} command @param {string[]} args */
function outputOf(command, args) {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      shell: process.platform === 'win32',
    });
  } catch {
    return undefined;
  }
}

/** Ends the process with a sentence for each thing that is missing. */
export function preflight() {
  const missing = missingFrom(thisMachine());
  if (missing.length === 0) return;
  for (const sentence of missing) console.error(sentence);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) preflight();
