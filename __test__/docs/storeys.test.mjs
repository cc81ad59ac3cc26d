/** The storeys of docs/design.md: nothing imports what stands above it, and nothing imports in a circle. */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, normalize, relative } from 'node:path';

import { expect, test } from 'vitest';

import { ENDPOINTS } from '../../lib/options/endpoints.js';
import { root } from '../support/compiler.mjs';

/** The rooms of the core, each above those that it may use. */
const CORE = [
  'text', 'stopped', 'in_place', 'boxed', 'failure', 'deadline', 'events', 'endpoint', 'policy', 'options', 'plan', 'record',
  'report', 'host', 'upstream', 'stream', 'engine', 'call',
]; // prettier-ignore

/** The folders of lib/, likewise. The last are doors, and use none of one another. */
const LIB = ['native', 'reports', 'host-client', 'options', 'call', 'sdk', 'fetch', 'openpipe-client'];
const DOORS = ['sdk', 'fetch', 'openpipe-client'];

/** @param {string} folder @param {string} extension */
function filesIn(folder, extension) {
  return readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(extension))
    .map((path) => ({ path: `${folder}/${path}`, text: readFileSync(`${root}${folder}/${path}`, 'utf8') }));
}

/** The modules of the crate that a Rust source uses, outside of its comments and tests. @param {string} source */
function modulesUsed(source) {
  const code = source.replace(/^\s*\/\/.*$/gm, '').split('#[cfg(test)]\nmod tests {')[0] ?? '';
  const single = [...code.matchAll(/\bcrate::(\w+)/g)].map(([, name = '']) => name);
  const grouped = [...code.matchAll(/\bcrate::\{([^;]*)\};/g)].flatMap(([, group = '']) =>
    group.replace(/::\{[^}]*\}/g, '').split(',').map((name) => name.trim().split('::')[0] ?? ''),
  ); // prettier-ignore
  return new Set([...single, ...grouped].filter(Boolean));
}

/** The arrows between modules: from each file, to each module that it uses. @param {string} folder */
function arrowsOfCrate(folder) {
  return filesIn(folder, '.rs')
    .filter(({ path }) => !path.endsWith('tests.rs') && !path.endsWith('/lib.rs'))
    .flatMap(({ path, text }) => {
      const from = relative(folder, path).split('/')[0]?.replace('.rs', '') ?? '';
      return [...modulesUsed(text)].filter((to) => to !== from).map((to) => ({ path, from, to }));
    });
}

/** The paths that a tree of `use` names, as lists of names. @param {string} tree @returns {string[][]} */
function pathsOf(tree) {
  const [, before = '', group] = /^([\w:\s]*?)\{(.*)\}$/s.exec(tree.trim()) ?? [];
  const names = (/** @type {string} */ path) => path.replace(/ as \w+/, '').split('::').map((name) => name.trim()).filter(Boolean); // prettier-ignore
  if (group === undefined) return [names(tree)];
  // A comma within braces belongs to a smaller tree.
  return group.split(/,(?![^{]*\})/).filter((part) => part.trim()).flatMap(pathsOf).map((path) => [...names(before), ...path]); // prettier-ignore
}

/** The arrows between files of the core. What a mod.rs re-exports is no arrow: others use it there as if it stood there. */
function arrowsOfCore() {
  const files = filesIn('crates/core/src', '.rs').filter(({ path }) => !path.endsWith('tests.rs'));
  const moduleOf = (/** @type {string} */ path) =>
    path.replace('crates/core/src/', '').replace(/(^|\/)(mod|lib)\.rs$|\.rs$/, '').split('/').filter(Boolean); // prettier-ignore
  const byModule = new Map(files.map(({ path }) => [moduleOf(path).join('::'), path]));
  /** The file of the module that a path leads to or into. @param {string[]} path @returns {string | undefined} */
  const fileOf = (path) => path.length > 0 ? (byModule.get(path.join('::')) ?? fileOf(path.slice(0, -1))) : undefined; // prettier-ignore
  return files.flatMap(({ path: from, text }) => {
    const here = moduleOf(from);
    const code = withoutTests(text).replace(/^\s*\/\/.*$/gm, '');
    const uses = [...code.matchAll(/^use ([^;]+);/gm)].flatMap(([, tree = '']) => pathsOf(tree));
    const within = [...code.matchAll(/\b(?:crate|super)(?:::\w+)+/g)].map(([path]) => path.split('::'));
    return [...uses, ...within].flatMap((path) => {
      const ups = path.findIndex((name) => name !== 'super');
      const start = path[0] === 'crate' ? [] : here.slice(0, here.length - Math.max(ups, 0));
      const to = fileOf([...start, ...path.slice(path[0] === 'crate' ? 1 : Math.max(ups, 0))]);
      return to !== undefined && to !== from ? [{ from, to }] : [];
    });
  });
}

/** The arrows between files of lib/. */
function arrowsOfLib() {
  return filesIn('lib', '.js')
    .filter(({ path }) => !path.startsWith('lib/testing/'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/require\('(\.[^']+)'\)/g)].map(([, to = '']) => ({
        from: path,
        to: normalize(`${dirname(path)}/${to}`),
      })),
    )
    .filter(({ to }) => to.startsWith('lib/'));
}

/** A circle among arrows, as the places that it leads through. @param {{ from: string, to: string }[]} arrows */
function circleIn(arrows) {
  /** @type {Map<string, string[]>} */
  const next = new Map();
  for (const { from, to } of arrows) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set();
  /** @param {string} place @param {string[]} way @returns {string[] | undefined} */
  const follow = (place, way) => {
    if (way.includes(place)) return [...way.slice(way.indexOf(place)), place];
    if (done.has(place)) return undefined;
    done.add(place);
    for (const to of next.get(place) ?? []) {
      const circle = follow(to, [...way, place]);
      if (circle) return circle;
    }
    return undefined;
  };
  for (const place of next.keys()) {
    const circle = follow(place, []);
    if (circle) return circle;
  }
  return undefined;
}

test('each room of the core uses only those below it', () => {
  const arrows = arrowsOfCrate('crates/core/src');
  expect(arrows.length).toBeGreaterThan(100);
  const up = arrows.filter(({ from, to }) => CORE.indexOf(to) >= CORE.indexOf(from) || !CORE.includes(to));
  expect(up).toEqual([]);
});

test('the files of the binding use one another in no circle', () => {
  const arrows = arrowsOfCrate('src');
  expect(arrows.length).toBeGreaterThan(10);
  expect(circleIn(arrows)).toBeUndefined();
});

test('the files of the core use one another in no circle', () => {
  const arrows = arrowsOfCore();
  expect(arrows.length).toBeGreaterThan(500);
  expect(arrows).toContainEqual({ from: 'crates/core/src/call/reporting.rs', to: 'crates/core/src/call/client.rs' });
  expect(circleIn(arrows)).toBeUndefined();
});

test('the core knows nothing of the binding', () => {
  const manifest = readFileSync(`${root}crates/core/Cargo.toml`, 'utf8');
  expect(manifest).not.toMatch(/napi/);
  for (const { path, text } of filesIn('crates/core/src', '.rs')) expect(text, path).not.toMatch(/\bnapi\b/);
});

/** The source of a Rust file without its tests. @param {string} text */
const withoutTests = (text) => text.split('#[cfg(test)]')[0] ?? '';

/** The files of the core and of the binding that are not tests, without the tests within them. @param {string} folder */
const sourcesOf = (folder) =>
  filesIn(folder, '.rs')
    .filter(({ path }) => !path.endsWith('tests.rs'))
    .map(({ path, text }) => ({ path, text: withoutTests(text) }));

/** The lines of files in which something stands. @param {{ path: string, text: string }[]} files @param {RegExp} pattern */
const linesWith = (files, pattern) =>
  files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line) => (pattern.test(line) ? [`${path}: ${line.trim()}`] : [])),
  );

/** Words of JavaScript, its runtimes, their error codes, and its SDKs. */
const OF_JAVASCRIPT =
  /JavaScript|javascript(?!;)|Node\.js|\b(undici|libuv|npm|axios)\b|openai-node|\b(Type|Syntax|Abort|Fetch)Error\b|\bAPI\w*Error\b|OpenAIError|UND_ERR_|HPE_|ERR_(TLS|SSL|_)|\bNODE_[ET]|`fetch`/;

test('a code of Node.js, a class of its SDKs and a use of the table of JavaScript are words of JavaScript', () => {
  const lines = [
    'pub(crate) const CLOSED: &str = "UND_ERR_SOCKET";',
    'pub(crate) const NO_HTTP: &str = "HPE_INVALID_CONSTANT";',
    '"ERR_TLS_CERT_ALTNAME_INVALID"',
    'use crate::failure::javascript::CONNECT_TIMEOUT;',
    'Surface::Connection => "APIConnectionError",',
  ];
  for (const line of lines) expect(line).toMatch(OF_JAVASCRIPT);
  // The one line that the room of failures needs for it.
  expect('mod javascript;').not.toMatch(OF_JAVASCRIPT);
});

test('no word of JavaScript occurs in the core outside of its one table', () => {
  const table = 'crates/core/src/failure/javascript.rs';
  const [tables, others] = [true, false].map((isTable) =>
    sourcesOf('crates/core/src').filter(({ path }) => (path === table) === isTable),
  );
  expect(linesWith(tables ?? [], OF_JAVASCRIPT).length).toBeGreaterThan(5);
  expect(linesWith(others ?? [], OF_JAVASCRIPT)).toEqual([]);
});

test('the core names the `choices` of chat completions in its folder of endpoints only', () => {
  const [inside, outside] = [true, false].map((isInside) =>
    sourcesOf('crates/core/src').filter(({ path }) => path.includes('/endpoint/') === isInside),
  );
  expect(linesWith(inside ?? [], /"choices/).length).toBeGreaterThan(2);
  expect(linesWith(outside ?? [], /"choices|\bchoices\\"/)).toEqual([]);
  expect(linesWith(sourcesOf('src'), /choices/)).toEqual([]);
});

/** Forms of comparing the message of an error, in either language. An empty one may be looked for. */
const COMPARED =
  /\bmessage\??\.(startsWith|endsWith|includes|match|indexOf|search|starts_with|ends_with|contains|find|as_str)\(|\btest\([^)]*message|\bmessage\)? [!=]==? (?!''|'string')/;

test('no message of an error is compared: errors are told apart by codes and kinds', () => {
  for (const line of ["if (error.message.startsWith('x'))", 'if (/x/.test(error.message))', 'message.contains("x")'])
    expect(line).toMatch(COMPARED);
  expect(linesWith([...filesIn('lib', '.js'), ...sourcesOf('src')], COMPARED)).toEqual([]);
  // What another program throws may have nothing but a message: its table holds the few that are known by it.
  const inCore = linesWith(sourcesOf('crates/core/src'), COMPARED);
  expect(inCore.filter((line) => !line.startsWith('crates/core/src/failure/host_errors.rs'))).toEqual([]);
});

test('each folder of lib uses only those below it, and no door another', () => {
  const folderOf = (/** @type {string} */ path) => path.split('/')[1] ?? '';
  const arrows = arrowsOfLib().filter(({ from, to }) => folderOf(from) !== folderOf(to));
  expect(arrows.length).toBeGreaterThan(50);
  const wrong = arrows.filter(({ from, to }) => {
    const [above, below] = [LIB.indexOf(folderOf(from)), LIB.indexOf(folderOf(to))];
    return below < 0 || above <= below || DOORS.includes(folderOf(to));
  });
  expect(wrong).toEqual([]);
});

test('the files of lib require one another in no circle', () => {
  expect(circleIn(arrowsOfLib())).toBeUndefined();
});

test('a circle is found', () => {
  const arrows = [
    { from: 'a', to: 'b' },
    { from: 'b', to: 'c' },
    { from: 'c', to: 'b' },
  ];
  expect(circleIn(arrows)).toEqual(['b', 'c', 'b']);
});

test('the endpoints of lib are those of the core', () => {
  const core = readFileSync(`${root}crates/core/src/endpoint/mod.rs`, 'utf8');
  const arms = (/** @type {string} */ name) => {
    const body = core.split(`pub const fn ${name}(self) -> &'static str {`)[1]?.split('\n    }\n')[0] ?? '';
    return [...body.matchAll(/=> "([^"]+)"/g)].map(([, text]) => text);
  };
  expect(arms('name')).toContain('chat');
  expect(ENDPOINTS.map(({ name }) => name)).toEqual(arms('name'));
  expect(ENDPOINTS.map(({ path }) => path)).toEqual(arms('path'));
});

test('no file of lib but the table of endpoints names their paths', () => {
  const files = filesIn('lib', '.js').filter(({ path }) => !path.startsWith('lib/testing/'));
  const naming = linesWith(files, /'\/(chat\/completions|completions|responses|embeddings)'/);
  // Which upstream stands for all of a client's, and the resource that cancels a response.
  const known = /^lib\/(options\/endpoints|sdk\/state|sdk\/own-upstream|sdk\/sdk-transport)\.js/;
  expect(naming.filter((line) => !known.test(line))).toEqual([]);
});
