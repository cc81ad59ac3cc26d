/**
 * Puts the licences into the platform packages: ours, and those of every crate that is linked into the binary.
 *
 * Run after `napi create-npm-dirs`, with cargo: node release/licences.mjs [the folder that has npm/]
 */

import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { parseTriple } from '@napi-rs/cli';

/** @typedef {{ id: string, name: string, version: string, license: string | null, license_file: string | null, manifest_path: string, repository: string | null, source: string | null }} Crate */
/** @typedef {{ id: string, deps: { pkg: string, dep_kinds: { kind: string | null }[] }[] }} Node */
/** @typedef {{ packages: Crate[], resolve: { nodes: Node[], root: string } }} Metadata */

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LICENCE_FILE = /^(licen[cs]e|copying|notice|copyright|unlicense)/i;
const LINKED = 'THIRD-PARTY-LICENSES.txt';

/** @param {string} root The folder of the package.json with `napi.targets`, and of npm/. */
export function addLicences(root) {
  /** @type {string[]} */
  const targets = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).napi.targets;
  for (const target of targets) {
    const folder = join(root, 'npm', parseTriple(target).platformArchABI);
    copyFileSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
    writeFileSync(join(folder, LINKED), licencesOf(target));
    const manifestFile = join(folder, 'package.json');
    const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
    manifest.files = [...new Set([...manifest.files, 'LICENSE', LINKED])];
    writeFileSync(manifestFile, `${JSON.stringify(manifest, undefined, 2)}\n`);
  }
}

/**
 * Every crate that is linked for a target, with its licence's name and text.
 * @param {string} target
 */
export function licencesOf(target) {
  const crates = linkedCrates(metadataFor(target));
  /** The crates that each text is the licence of: most texts are the same but for their spaces. */
  /** @type {Map<string, { text: string, names: string[] }>} */
  const texts = new Map();
  for (const crate of crates) {
    const files = licenceTexts(crate);
    if (files.length === 0 && !crate.license) throw new Error(`${crate.name} ${crate.version} has no licence`);
    for (const text of files) {
      const words = text.replaceAll(/\s+/g, ' ');
      const { names } = texts.get(words) ?? { names: [] };
      texts.set(words, { text, names: [...new Set([...names, `${crate.name} ${crate.version}`])] });
    }
  }
  const list = crates.map(({ name, version, license, repository }) =>
    [`${name} ${version}`, license ?? 'see below', repository ?? ''].join('  ').trimEnd(),
  );
  const blocks = [...texts.values()].map(({ text, names }) => `${RULE}\n${wrap(names)}\n${RULE}\n\n${text}\n`);
  return `${HEAD}\n${list.join('\n')}\n\n${blocks.join('\n')}`;
}

const RULE = '='.repeat(100);
const HEAD = `The binary in this package is built from these crates, and from Rust's standard library (MIT OR Apache-2.0,
https://github.com/rust-lang/rust). Their licences follow.
`;

/** @param {string} target @returns {Metadata} */
function metadataFor(target) {
  const args = ['metadata', '--format-version', '1', '--locked', '--filter-platform', target];
  return JSON.parse(execFileSync('cargo', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 28 }));
}

/** All that the root links, without what only builds or tests it. @param {Metadata} metadata */
function linkedCrates({ packages, resolve: { nodes, root } }) {
  const dependencies = new Map(nodes.map((node) => [node.id, node.deps]));
  /** @type {Set<string>} */
  const linked = new Set();
  const waiting = [root];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (linked.has(id)) continue;
    linked.add(id);
    for (const { pkg, dep_kinds } of dependencies.get(id) ?? []) {
      if (dep_kinds.some(({ kind }) => kind === null)) waiting.push(pkg);
    }
  }
  return packages
    .filter(({ id, source }) => linked.has(id) && source !== null)
    .sort((a, b) => a.name.localeCompare(b.name, 'en') || a.version.localeCompare(b.version, 'en'));
}

/** The licences in a crate's folder, and in the folders of the C code that it brings along. @param {Crate} crate */
function licenceTexts({ manifest_path, license_file }) {
  const folder = dirname(manifest_path);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => LICENCE_FILE.test(basename(file)) && !/\.(rs|py|h|c)$/.test(file))
    .filter((file) => file.split(/[\\/]/).length <= 3);
  if (license_file && !files.includes(license_file)) files.push(relative(folder, resolve(folder, license_file)));
  return files.sort().flatMap((file) => textOf(join(folder, file)));
}

/** @param {string} file @returns {string[]} nothing for a folder */
function textOf(file) {
  try {
    return [readFileSync(file, 'utf8').replaceAll('\r\n', '\n').trim()];
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EISDIR') return [];
    throw error;
  }
}

/** @param {string[]} names */
function wrap(names) {
  const lines = [''];
  for (const name of names) {
    const line = lines.at(-1) ?? '';
    if (line.length + name.length > 96) lines.push(name);
    else lines[lines.length - 1] = line ? `${line}, ${name}` : name;
  }
  return lines.join(',\n').replaceAll(',,', ',');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) addLicences(resolve(process.argv[2] ?? ROOT));
