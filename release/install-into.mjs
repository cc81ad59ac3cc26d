/**
 * Installs this checkout into a project, as npm would install it from the registry: packs the main package and that of this
 * machine's binary, and installs both tarballs there.
 *
 * Run: npm run install-into -- ../my-project
 */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { packAll } from './pack.mjs';

const FOLDER = fileURLToPath(new URL('../tarballs', import.meta.url));

const project = process.argv[2];
if (!project || !existsSync(join(project, 'package.json'))) {
  console.error('Say which project: npm run install-into -- ../my-project (a folder with a package.json).');
  process.exit(1);
}

const { main, platforms } = await packAll(FOLDER);
const tarballs = [main, ...platforms].map(({ filename }) => join(FOLDER, filename));
const install = ['install', '--no-audit', '--no-fund', ...tarballs];
execFileSync('npm', install, { cwd: resolve(project), stdio: 'inherit', shell: process.platform === 'win32' });
console.log(
  `Installed ${[main, ...platforms].map(({ name, version }) => `${name} ${version}`).join(' and ')} into ${resolve(project)}.`,
);
