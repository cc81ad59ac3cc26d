/** What an editor shows over an option: asked of TypeScript's language service, as editors do. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What a user sets. */
const OPTIONS = ['OpenPipeOptions', 'OpenPipeCallOptions', 'OpenPipeBodyOptions', 'FallbackTarget', 'BreakerPolicy'];
/** What a user reads, or is called with. */
const RESULTS = [
  'Attempt',
  'CallEvent',
  'ClientMethods',
  'FallbackClient',
  'FallbackEvent',
  'FallbackRequest',
  'FallbackRequestOptions',
  'FlushResult',
  'OpenPipeError',
  'OpenPipeErrorInfo',
  'OpenPipeResult',
  'Report',
  'Upstream',
  'UpstreamState',
];

/** @typedef {{ text: string, type: string, defaults: string | undefined }} Shown */

for (const [world, file] of /** @type {[string, string][]} */ ([
  ['an ES module', 'program.mts'],
  ['a CommonJS program', 'program.cts'],
])) {
  describe(`in ${world}`, () => {
    /** By interface and member. @type {Map<string, Map<string, Shown>>} */
    let shown;
    beforeAll(() => {
      shown = quickInfos(join(ROOT, '__test__/package/programs', file));
    }, 120_000);

    for (const name of [...OPTIONS, ...RESULTS, 'ClientOptions']) {
      test(`every member of ${name} that this package adds is described`, () => {
        const members = shown.get(name) ?? new Map();
        expect(members.size).toBeGreaterThan(0);
        const bare = [...members].filter(([, { text }]) => text.trim().length < 10).map(([member]) => member);
        expect(bare).toEqual([]);
      });
    }

    for (const name of OPTIONS) {
      test(`every optional member of ${name} states its default`, () => {
        const members = [...(shown.get(name) ?? [])].filter(
          ([member]) => !(name === 'FallbackTarget' && member === 'model'),
        );
        expect(members.filter(([, { defaults }]) => !defaults).map(([member]) => member)).toEqual([]);
      });

      test(`every number of ${name} states its unit`, () => {
        const members = [...(shown.get(name) ?? [])].filter(([, { type }]) => type === 'number | undefined');
        expect(members.length).toBeGreaterThan(0);
        const withoutUnit = members
          .filter(([, { text }]) => !/milliseconds|bytes|how many|share/i.test(text))
          .map(([member]) => member);
        expect(withoutUnit).toEqual([]);
      });
    }
  });
}

test('all exported interfaces of types.d.ts are checked', () => {
  const source = readFileSync(join(ROOT, 'types.d.ts'), 'utf8');
  const names = [...source.matchAll(/^export interface (\w+)/gm)].map(([, name]) => name);
  expect(names.sort()).toEqual([...OPTIONS, ...RESULTS].sort());
});

/** @param {string} file It is written into memory only. */
function quickInfos(file) {
  const names = [...OPTIONS, ...RESULTS, 'ClientOptions'];
  const head = file.endsWith('.cts')
    ? `import OpenAI = require("openpipe-native");\n${names.map((name) => `declare const ${name}_: OpenAI.${name};\n`).join('')}`
    : `import type { ${names.join(', ')} } from "openpipe-native";\n${names.map((name) => `declare const ${name}_: ${name};\n`).join('')}`;
  const options = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
  };
  let text = head;
  let version = 0;
  /** @type {ts.LanguageServiceHost} */
  const host = {
    getCompilationSettings: () => options,
    getScriptFileNames: () => [file],
    getScriptVersion: (name) => (name === file ? String(version) : '0'),
    getScriptSnapshot: (name) => {
      const content = name === file ? text : ts.sys.readFile(name);
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
    },
    getCurrentDirectory: () => ROOT,
    getDefaultLibFileName: (settings) => ts.getDefaultLibFilePath(settings),
    fileExists: (name) => name === file || ts.sys.fileExists(name),
    readFile: (name) => (name === file ? text : ts.sys.readFile(name)),
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    realpath: ts.sys.realpath,
  };
  const service = ts.createLanguageService(host);

  const members = new Map(names.map((name) => [name, ownMembers(service, file, name)]));
  const uses = [...members].flatMap(([name, own]) => own.map((member) => ({ name, member })));
  text = head + uses.map(({ name, member }) => `${name}_.${member};\n`).join('');
  version += 1;

  /** @type {Map<string, Map<string, Shown>>} */
  const shown = new Map(names.map((name) => [name, new Map()]));
  let position = head.length;
  for (const { name, member } of uses) {
    const info = service.getQuickInfoAtPosition(file, position + name.length + 2);
    shown.get(name)?.set(member, {
      text: ts.displayPartsToString(info?.documentation),
      type: ts.displayPartsToString(info?.displayParts).replace(/^.*?: /s, ''),
      defaults: info?.tags?.filter((tag) => tag.name === 'default').map((tag) => ts.displayPartsToString(tag.text))[0],
    });
    position += `${name}_.${member};\n`.length;
  }
  return shown;
}

/**
 * The members that are declared in this package: not those of the SDK's own options.
 * @param {ts.LanguageService} service
 * @param {string} file
 * @param {string} name
 */
function ownMembers(service, file, name) {
  const program = service.getProgram();
  const source = program?.getSourceFile(file);
  if (!program || !source) throw new Error(`TypeScript does not know ${file}`);
  const checker = program.getTypeChecker();
  const symbol = checker
    .getSymbolsInScope(source, ts.SymbolFlags.Variable)
    .find((variable) => variable.name === `${name}_`);
  if (!symbol) throw new Error(`${name} is not exported`);
  return checker
    .getTypeOfSymbolAtLocation(symbol, source)
    .getProperties()
    .filter((property) => property.declarations?.some((at) => !at.getSourceFile().fileName.includes('/node_modules/')))
    .map((property) => property.name)
    .filter((member) => /^\w+$/.test(member));
}
