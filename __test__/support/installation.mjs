/** A folder in which packed packages are installed, as on a machine with Node.js only: no toolchain, no registry. */

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { TSC } from './compiler.mjs';

/**
 * @typedef {object} Ran
 * @property {number} code
 * @property {string} stdout
 * @property {string} stderr
 */

/** Longer than any program takes. One that runs longer fails its test, instead of hanging it. */
const AT_MOST_MS = 120_000;

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

export class Installation {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'openpipe-native-installed-')));

  constructor() {
    mkdirSync(join(this.folder, 'empty'));
    this.write('package.json', JSON.stringify({ name: 'application', private: true }));
  }

  /** @param {string} name @param {string} text */
  write(name, text) {
    const file = join(this.folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /**
   * @param {string[]} packages Tarballs, or names of folders under node_modules of the checkout, which are linked: to copy the
   *   thousands of files of an SDK takes npm seconds.
   * @param {string[]} flags
   */
  async install(packages, flags = []) {
    const sources = packages.map((name) => (name.endsWith('.tgz') ? name : join(REPOSITORY, 'node_modules', name)));
    const always = ['--offline', '--ignore-scripts', '--no-install-links', '--no-audit', '--no-fund'];
    const ran = await this.node([npmCli(), 'install', ...always, ...flags, ...sources]);
    if (ran.code !== 0) throw new Error(ran.stdout + ran.stderr);
    return ran;
  }

  /** @param {string[]} args */
  compile(args) {
    return this.node([TSC, ...args]);
  }

  /**
   * @param {string[]} args
   * @param {Record<string, string>} [env] All there is of an environment, but for what makes it empty.
   * @returns {Promise<Ran>}
   */
  node(args, env = {}) {
    const nothing = join(this.folder, 'empty');
    const home = { HOME: nothing, USERPROFILE: nothing, npm_config_cache: join(this.folder, 'cache') };
    const options = {
      cwd: this.folder,
      // Windows itself needs its root.
      env: { PATH: nothing, ...home, SystemRoot: process.env.SystemRoot, ...env },
      timeout: AT_MOST_MS,
      maxBuffer: 2 ** 24,
    };
    return new Promise((resolve) => {
      execFile(process.execPath, args, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr: stderr || (code === -1 ? String(error) : '') });
      });
    });
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The path of npm's script, which Node.js runs, so that npm need not be in the PATH. */
function npmCli() {
  const { npm_execpath, PATH = '' } = process.env;
  const beside = ['node_modules', 'npm', 'bin', 'npm-cli.js'];
  const links = PATH.split(delimiter).map((folder) => join(folder, 'npm'));
  const candidates = [
    npm_execpath ?? '',
    join(dirname(process.execPath), ...beside),
    join(dirname(process.execPath), '..', 'lib', ...beside),
    ...links.filter((link) => existsSync(link)).map((link) => realpathSync(link)),
  ];
  const cli = candidates.find((candidate) => candidate.endsWith('npm-cli.js') && existsSync(candidate));
  if (!cli) throw new Error(`npm is in none of ${candidates.join(', ')}`);
  return cli;
}
