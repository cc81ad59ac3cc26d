/** The workflows cannot run here; what they name must be there, and they must leave no platform out. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';

import { format } from 'prettier';
import { describe, expect, test } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const FOLDER = new URL('.github/workflows/', ROOT);
const manifest = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'));
const workflows = readdirSync(FOLDER).map((file) => ({ file, text: readFileSync(new URL(file, FOLDER), 'utf8') }));

for (const { file, text } of workflows) {
  describe(file, () => {
    test('is YAML', async () => {
      await expect(format(text, { parser: 'yaml' })).resolves.toContain('jobs:');
    });

    test('runs only what is there', () => {
      const scripts = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => String(name));
      expect(scripts.filter((name) => !Object.hasOwn(manifest.scripts, name))).toEqual([]);
      const files = [...text.matchAll(/(?:node |--exclude )((?:\w|[./-])+\.mjs)/g)].map(([, path]) => String(path));
      expect(files.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([]);
    });

    test('names every action by a version or a toolchain', () => {
      const actions = [...text.matchAll(/uses: (\S+)/g)].map(([, action]) => String(action));
      expect(actions.filter((action) => !/@(v\d+|stable|\d+\.\d+\.\d+)$/.test(action))).toEqual([]);
    });
  });
}

describe('the release', () => {
  const text = workflows.find(({ file }) => file === 'release.yml')?.text ?? '';
  const [, build = '', tests = ''] = text.split(/^ {2}(?:build|test):$/m);
  const targets = [...manifest.napi.targets].sort();

  test('builds every platform that package.json names', () => {
    expect(targetsIn(build)).toEqual(targets);
  });

  test('tests every platform that package.json names', () => {
    expect(targetsIn(tests)).toEqual(targets);
  });

  /** @param {string} job */
  function targetsIn(job) {
    const triples = job.matchAll(/\b(?:x86_64|aarch64)-[a-z]+-[a-z]+(?:-[a-z]+)?\b/g);
    return [...new Set([...triples].map(([triple]) => triple))].sort();
  }
});
