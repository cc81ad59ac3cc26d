/** The packed packages in an empty folder, on a machine without a toolchain: programs of every kind run. */

import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { parseTriple } from '@napi-rs/cli';
import { afterAll, beforeAll, describe, expect } from 'vitest';

import { packAll } from '../../release/pack.mjs';
import { test } from '../support/upstreams.mjs';
import { Installation } from '../support/installation.mjs';

const require = createRequire(import.meta.url);
const PROGRAMS = fileURLToPath(new URL('./programs/', import.meta.url));
const SLOW = 180_000;

const tarballs = mkdtempSync(join(tmpdir(), 'openpipe-native-tarballs-'));
/** @type {Awaited<ReturnType<typeof packAll>>} */
let packed;
beforeAll(async () => {
  packed = await packAll(tarballs);
}, SLOW);
afterAll(() => rmSync(tarballs, { recursive: true, force: true }));

const tarball = (/** @type {{ filename: string }} */ { filename }) => join(tarballs, filename);

describe('with the package of this platform', () => {
  /** @type {Installation} */
  let machine;
  beforeAll(async () => {
    machine = new Installation();
    await machine.install([tarball(packed.main), ...packed.platforms.map(tarball), 'openai']);
    for (const program of readdirSync(PROGRAMS)) copyFileSync(join(PROGRAMS, program), join(machine.folder, program));
  }, SLOW);
  afterAll(() => machine.remove());

  test('the main package names the package of the binary as optional', () => {
    const installed = JSON.parse(
      readFileSync(join(machine.folder, 'node_modules/openpipe-native/package.json'), 'utf8'),
    );
    expect(installed.optionalDependencies).toEqual(
      Object.fromEntries(packed.platforms.map(({ name, version }) => [name, version])),
    );
  });

  test('the addon is loaded from the package of the binary and from nowhere else', async () => {
    const ran = await machine.node([
      '-e',
      'require("openpipe-native"); console.log(Object.keys(require.cache).filter((file) => file.endsWith(".node")).join())',
    ]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(packed.platforms.map(({ name }) => join(machine.folder, 'node_modules', name))).toContainEqual(
      ran.stdout.trim().replace(/[\\/][^\\/]+\.node$/, ''),
    );
  });

  /** What every program prints: a fallback's answer, a stream's text, and whether an error is of the SDK's class. */
  const expected = { servedBy: 'fallback', text: 'Hello', streamed: 'Hello', notFound: true };

  const js = [
    ['an ES module', 'esm.mjs'],
    ['a CommonJS program', 'cjs.cjs'],
  ];
  for (const [what, program] of js) {
    test(`${what} runs`, async ({ serve }) => {
      const ran = await machine.node([/** @type {string} */ (program), (await threeModels(serve)).url]);
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(JSON.parse(ran.stdout)).toEqual(expected);
    });
  }

  /** It has a mistake, so that what the compiler says of it shows that it reads the package's types. */
  const WRONG = 'wrong.mts';

  // Each run of the compiler takes seconds: both kinds of module in one, and the way of bundlers in another.
  const compilations = [
    ['node16', 'node16', ['typescript.mts', 'typescript.cts']],
    ['bundler', 'esnext', ['typescript.mts']],
  ];
  for (const [resolution, module, sources] of /** @type {[string, string, string[]][]} */ (compilations)) {
    test(
      `TypeScript with moduleResolution ${resolution} refuses only an option that does not exist, and what it emits runs`,
      async ({ serve }) => {
        machine.write(WRONG, 'import OpenAI from "openpipe-native"; new OpenAI({ openpipe: { deadlin: 1 } });');
        const flags = ['--strict', '--target', 'es2022', '--skipLibCheck', '--outDir', `out-${resolution}`];
        const compiled = await machine.compile([
          ...[...flags, '--module', module, '--moduleResolution', resolution],
          ...[...sources, WRONG],
        ]);
        const errors = compiled.stdout.split('\n').filter((line) => /: error /.test(line));
        expect(errors, compiled.stdout).toEqual([expect.stringMatching(/^wrong\.mts\(.*'deadlin'/)]);

        const { url } = await threeModels(serve);
        for (const source of sources) {
          const ran = await machine.node([join(`out-${resolution}`, source.replace(/ts$/, 'js')), url]);
          expect(ran, source).toMatchObject({ code: 0, stderr: '' });
          expect(JSON.parse(ran.stdout)).toEqual(expected);
        }
      },
      SLOW,
    );
  }

  test('the package of the binary has the licences of all linked code', () => {
    for (const { name, files } of packed.platforms) {
      const platform = name.replace('openpipe-native-', '');
      expect(files.map(({ path }) => path).sort()).toEqual([
        'LICENSE',
        'README.md',
        'THIRD-PARTY-LICENSES.txt',
        `openpipe-native.${platform}.node`,
        'package.json',
      ]);
      const text = readFileSync(join(machine.folder, 'node_modules', name, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
      for (const crate of ['tokio', 'reqwest', 'rustls', 'napi'])
        expect(text).toMatch(new RegExp(`^${crate} \\d`, 'm'));
    }
  });
});

describe('without the package of this platform', () => {
  /** @type {Installation} */
  let machine;
  beforeAll(async () => {
    machine = new Installation();
    await machine.install([tarball(packed.main), 'openai'], ['--omit=optional']);
    machine.write(
      'pretend.cjs',
      `const { PLATFORM, ARCH, GLIBC } = process.env;
       if (PLATFORM) Object.defineProperty(process, 'platform', { value: PLATFORM });
       if (ARCH) Object.defineProperty(process, 'arch', { value: ARCH });
       process.report.getReport = () => ({ header: { glibcVersionRuntime: GLIBC }, sharedObjects: [] });`,
    );
  }, SLOW);
  afterAll(() => machine.remove());

  /** @param {Record<string, string>} env */
  const load = async (env) => {
    const program = 'try { require("openpipe-native"); } catch (error) { console.log(error.message); }';
    const ran = await machine.node(['-r', './pretend.cjs', '-e', program], env);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    return ran.stdout;
  };

  /** @type {[Record<string, string>, string, string][]} */
  const missing = [
    [{ PLATFORM: 'linux', ARCH: 'arm64', GLIBC: '2.36' }, 'linux, arm64, gnu', 'linux-arm64-gnu'],
    [{ PLATFORM: 'linux', ARCH: 'x64', GLIBC: '' }, 'linux, x64, musl', 'linux-x64-musl'],
    [{ PLATFORM: 'darwin', ARCH: 'arm64' }, 'darwin, arm64', 'darwin-arm64'],
    [{ PLATFORM: 'win32', ARCH: 'x64' }, 'win32, x64, msvc', 'win32-x64-msvc'],
  ];
  for (const [env, machineIs, suffix] of missing) {
    test(`on ${machineIs} the error names the package that is missing, and how to get or build it`, async () => {
      const message = await load(env);
      expect(message).toContain(`no native addon for this machine: ${machineIs}.`);
      expect(message).toContain(`the package openpipe-native-${suffix}`);
      expect(message).toContain('--omit=optional');
      expect(message).toContain('npm run build');
      expect(message).toContain('Rust');
    });
  }

  test('where no binary is published for the platform, the error lists the platforms', async () => {
    const message = await load({ PLATFORM: 'freebsd', ARCH: 'x64' });
    expect(message).toContain('no native addon for this machine: freebsd, x64.');
    expect(message).toContain('There is no such package: binaries are published for linux-x64-gnu, ');
    expect(message).toContain('npm run build');
    expect(message).not.toContain('--omit=optional');
  });

  test('an installed package that cannot be loaded gives an error with the reason', async () => {
    const name = 'openpipe-native-linux-arm64-gnu';
    machine.write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '0.1.0', main: 'addon.js' }));
    machine.write(`node_modules/${name}/addon.js`, 'throw new Error("GLIBC_9.99 not found")');
    const message = await load({ PLATFORM: 'linux', ARCH: 'arm64', GLIBC: '2.36' });
    rmSync(join(machine.folder, 'node_modules', name), { recursive: true });
    expect(message).toContain(`${name} is installed, but cannot be loaded: GLIBC_9.99 not found`);
  });

  test('a local build can be named by NAPI_RS_NATIVE_LIBRARY_PATH', async () => {
    const addon = readdirSync(fileURLToPath(new URL('../..', import.meta.url))).find((file) => file.endsWith('.node'));
    const path = fileURLToPath(new URL(`../../${addon}`, import.meta.url));
    expect(await load({ NAPI_RS_NATIVE_LIBRARY_PATH: path, PLATFORM: 'freebsd' })).toBe('');
    const wrong = await load({ NAPI_RS_NATIVE_LIBRARY_PATH: join(machine.folder, 'nothing.node') });
    expect(wrong).toContain('nothing.node is what NAPI_RS_NATIVE_LIBRARY_PATH names, but cannot be loaded: ');
  });
});

test('the error lists the platforms of the release', () => {
  const { napi } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const { PREBUILT } = require('../../lib/native/load-binding.js');
  expect([...PREBUILT].sort()).toEqual(
    napi.targets.map((/** @type {string} */ triple) => parseTriple(triple).platformArchABI).sort(),
  );
});

/** @param {any} serve */
function threeModels(serve) {
  return serve((/** @type {any} */ { body }) =>
    body?.model === 'fails'
      ? { kind: 'status', status: 500 }
      : body?.model === 'missing'
        ? { kind: 'status', status: 404 }
        : { kind: 'answer', content: 'Hello' },
  );
}
