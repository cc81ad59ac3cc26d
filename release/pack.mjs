/**
 * Packs the main package and the packages of the binaries that have been built,
 * as the release workflow publishes them.
 *
 * Run: node release/pack.mjs [folder for the tarballs, default "tarballs"]
 */

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { NapiCli, readNapiConfig } from '@napi-rs/cli';

import { addLicences } from './licences.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** @typedef {Awaited<ReturnType<typeof readNapiConfig>>['targets'][number]} Target */
/** @typedef {{ filename: string, name: string, version: string, files: { path: string, size: number }[] }} Packed As `npm pack --json` has it. */

/**
 * The main package alone, as it is in the checkout.
 * @param {string} destination
 */
export function packMain(destination) {
  return npmPack(ROOT, destination);
}

/**
 * The main package, and that of each binary that has been built.
 * @param {string} destination
 * @returns {Promise<{ main: Packed, platforms: Packed[] }>}
 */
export async function packAll(destination) {
  mkdirSync(destination, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), 'openpipe-native-pack-'));
  try {
    const { targets, binaryName } = await readNapiConfig(join(ROOT, 'package.json'));
    const addonOf = (/** @type {Target} */ { platformArchABI }) => `${binaryName}.${platformArchABI}.node`;
    const built = targets.filter((target) => existsSync(join(ROOT, addonOf(target))));
    if (built.length === 0) throw new Error('no addon has been built: npm run build');

    const stage = unpack(packMain(scratch), scratch);
    narrowTo(built, stage);
    mkdirSync(join(stage, 'artifacts'));
    for (const target of built) copyFileSync(join(ROOT, addonOf(target)), join(stage, 'artifacts', addonOf(target)));

    const cli = new NapiCli();
    await cli.createNpmDirs({ cwd: stage });
    await cli.artifacts({ cwd: stage });
    addLicences(stage);
    // It publishes nothing here: it checks the platform packages, and names them in the main one.
    await cli.prePublish({ cwd: stage, tagStyle: 'npm', ghRelease: false, skipOptionalPublish: true });
    return {
      main: npmPack(stage, destination),
      platforms: built.map(({ platformArchABI }) => npmPack(join(stage, 'npm', platformArchABI), destination)),
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** @param {Packed} packed @param {string} folder Where it is, and where it goes. */
function unpack({ filename }, folder) {
  execFileSync('tar', ['-xzf', filename], { cwd: folder });
  return join(folder, 'package');
}

/** Leaves no target but these: there is no binary for the others. @param {Target[]} targets @param {string} stage */
function narrowTo(targets, stage) {
  const file = join(stage, 'package.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  manifest.napi.targets = targets.map(({ triple }) => triple);
  writeFileSync(file, `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/** @param {string} folder @param {string} destination @returns {Packed} */
function npmPack(folder, destination) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', resolve(destination)];
  // npm is a script with another ending on Windows, which only a shell finds.
  const shell = process.platform === 'win32';
  const output = execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], shell });
  return JSON.parse(output)[0];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const destination = resolve(process.argv[2] ?? 'tarballs');
  const { main, platforms } = await packAll(destination);
  for (const { filename } of [main, ...platforms]) console.log(join(destination, filename));
}
