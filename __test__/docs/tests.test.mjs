/** The tests themselves: each of them asserts something. Read from their source, since tests that run side by side share one count. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { expect, test } from 'vitest';

const TESTS = fileURLToPath(new URL('..', import.meta.url));
const ROOT = join(TESTS, '..');

/** vitest's, and those of `node:assert`. */
const ASSERTIONS = ['expect', 'assert', 'deepStrictEqual'];

/** @typedef {{ file: string, name: string, line: number, calls: Set<string> }} Body A function, or a test, and the names of what it calls. */

/** To parse all of them takes its time where others want the cores as well. */
const AT_MOST_MS = 120_000;

test('every test asserts something, itself or by a function that it calls', { timeout: AT_MOST_MS }, () => {
  const files = modulesOf('').map((file) => read(file, readFileSync(join(TESTS, file), 'utf8')));

  expect(files.flatMap(({ tests }) => tests).length).toBeGreaterThan(1_000);
  expect(withoutAssertion(files)).toEqual([]);
});

test('a test that asserts nothing is found', () => {
  const helpers = read(
    'helpers.mjs',
    'export const ask = async () => {}; export const check = (it) => expect(it).toBe(1);',
  );
  const sample = read(
    'sample.mjs',
    `function indirectly(it) { return [it].map((one) => check(one)); }
     const ask = () => {};
     test('a', () => { expect(1).toBe(1); });
     test.concurrent('b', async ({ stage }) => indirectly(await stage()));
     test.each([1])('c %i', (one) => console.log(one));
     test('d', { timeout: 1 }, async () => { await ask(); });`,
  );
  expect(withoutAssertion([helpers, sample])).toEqual(["sample.mjs:5 'c %i'", "sample.mjs:6 'd'"]);
});

test('no comment in Rust has a code example, since no test would run it', () => {
  const sources = ['src', 'crates/core/src', 'bench/upstream/src'].flatMap((folder) => {
    const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
    return files.filter((file) => file.endsWith('.rs')).map((file) => join(folder, file));
  });
  expect(sources.length).toBeGreaterThan(100);
  expect(sources.filter((file) => hasProgram(readFileSync(join(ROOT, file), 'utf8')))).toEqual([]);
  expect(hasProgram('/// ```text\n/// a drawing\n/// ```\n')).toBe(false);
  expect(hasProgram('/// ```text\n/// a drawing\n/// ```\n//! ```\n//! one();\n//! ```\n')).toBe(true);
});

/** Whether a fence in a doc comment opens a block that rustdoc takes for a program. @param {string} rust */
function hasProgram(rust) {
  const fences = [...rust.matchAll(/^ *\/\/[/!] *```(.*)$/gm)];
  return fences.some(([, language], index) => index % 2 === 0 && language?.trim() !== 'text');
}

/**
 * Not the packages that `npm run test:frameworks` installs: one of them is a link to this folder's own.
 *
 * @param {string} folder Below the tests. @returns {string[]}
 */
function modulesOf(folder) {
  return readdirSync(join(TESTS, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : modulesOf(path);
    return path.endsWith('.mjs') ? [path] : [];
  });
}

/** @param {ReturnType<typeof read>[]} files */
function withoutAssertion(files) {
  const functions = files.flatMap(({ functions }) => functions);
  /** @type {Map<string, Body[]>} */
  const byName = new Map();
  for (const each of functions) byName.set(each.name, [...(byName.get(each.name) ?? []), each]);
  /** Those that lead to an assertion. @type {Set<Body>} */
  const asserting = new Set();
  /** A name means the function of its own file, else one that is imported. @param {Body} body */
  const asserts = ({ file, calls }) =>
    ASSERTIONS.some((name) => calls.has(name)) ||
    [...calls].some((called) => {
      const named = byName.get(called) ?? [];
      const own = named.filter((each) => each.file === file);
      return (own.length > 0 ? own : named).some((each) => asserting.has(each));
    });
  for (let before = -1; before < asserting.size;) {
    before = asserting.size;
    for (const each of functions) if (!asserting.has(each) && asserts(each)) asserting.add(each);
  }
  const tests = files.flatMap(({ tests }) => tests).filter((each) => !asserts(each));
  return tests.map(({ file, line, name }) => `${file}:${line} ${name}`);
}

/**
 * @param {string} file
 * @param {string} text
 */
function read(file, text) {
  const how = { languageVersion: ts.ScriptTarget.Latest, jsDocParsingMode: ts.JSDocParsingMode.ParseNone };
  const source = ts.createSourceFile(file, text, how, true, ts.ScriptKind.JS);
  /** @type {{ functions: Body[], tests: Body[] }} */
  const found = { functions: [], tests: [] };
  /** @param {string} name @param {ts.Node} node */
  const body = (name, node) => {
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    return { file, name, line, calls: callsIn(node) };
  };
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isFunctionDeclaration(node) && node.name) found.functions.push(body(node.name.text, node));
    if (
      ts.isVariableDeclaration(node) &&
      ts.isIdentifier(node.name) &&
      node.initializer &&
      isFunction(node.initializer)
    )
      found.functions.push(body(node.name.text, node.initializer));
    if (ts.isCallExpression(node) && ['test', 'it'].includes(root(node.expression))) {
      const [title, ...rest] = node.arguments;
      const does = rest.find(isFunction) ?? rest.find(ts.isCallExpression) ?? rest.find(ts.isIdentifier);
      if (title && does) found.tests.push(body(title.getText(), does));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** @param {ts.Node} node */
function isFunction(node) {
  return ts.isArrowFunction(node) || ts.isFunctionExpression(node);
}

/** The name that a callee begins with: `test` of `test.skipIf(x)('…')`. @param {ts.Expression} callee @returns {string} */
function root(callee) {
  if (ts.isIdentifier(callee)) return callee.text;
  if (ts.isPropertyAccessExpression(callee) || ts.isCallExpression(callee)) return root(callee.expression);
  return '';
}

/** @param {ts.Node} node */
function callsIn(node) {
  /** @type {Set<string>} */
  const calls = new Set();
  /** @param {ts.Node} each */
  const visit = (each) => {
    if (ts.isCallExpression(each)) calls.add(root(each.expression));
    // A function that is handed on is called: `test('…', checked)`, `names.map(check)`.
    else if (ts.isIdentifier(each)) calls.add(each.text);
    ts.forEachChild(each, visit);
  };
  visit(node);
  return calls;
}
