/** The workflows cannot run here. Scripts and files that they name must exist, and they must cover every platform. */

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

    test('runs only existing scripts and files', () => {
      const scripts = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => String(name));
      expect(scripts.filter((name) => !Object.hasOwn(manifest.scripts, name))).toEqual([]);
      const files = [...text.matchAll(/(?:node |--exclude )((?:\w|[./-])+\.mjs)/g)].map(([, path]) => String(path));
      expect(files.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([]);
    });

    test('names every action by a commit, with its version in a comment', () => {
      const actions = [...text.matchAll(/uses: (.+)$/gm)].map(([, action]) => String(action));
      expect(actions.filter((action) => !/^[\w./-]+@[0-9a-f]{40} # (?:v\d+\.\d+\.\d+|master)$/.test(action))).toEqual(
        [],
      );
      expect(actions.length).toBeGreaterThan(5);
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

  const [, publish = ''] = text.split(/^ {2}publish:$/m);

  test('publishes in a job with no other permission', () => {
    const [, permissions = ''] = /^ {4}permissions:\n((?: {6}.*\n)+)/m.exec(publish) ?? [];
    expect(permissions.replace(/^ +#.*\n/gm, '').trim()).toBe('id-token: write');
    expect(text.match(/id-token/g)).toHaveLength(1);
  });

  test('publishes tarballs whose sums are checked, and installs and checks out nothing there', () => {
    expect(publish).toMatch(/sha256sum --check --strict/);
    expect(publish.indexOf('sha256sum --check')).toBeLessThan(publish.indexOf('npm publish'));
    expect(publish).toMatch(/npm publish .*--ignore-scripts/);
    expect(publish).not.toMatch(/checkout|npm (?:ci|install|run)|npx|\bnode (?!-version)|cargo|secrets\./);
  });

  test('looks for advisories before it publishes', () => {
    const [, pack = ''] = /^ {2}pack:$([^]*?)^ {2}publish:$/m.exec(text) ?? [];
    expect(pack).toContain('cargo deny check advisories');
    expect(publish).toMatch(/^ {4}needs: pack$/m);
  });

  /** @param {string} job */
  function targetsIn(job) {
    const triples = job.matchAll(/\b(?:x86_64|aarch64)-[a-z]+-[a-z]+(?:-[a-z]+)?\b/g);
    return [...new Set([...triples].map(([triple]) => triple))].sort();
  }
});
