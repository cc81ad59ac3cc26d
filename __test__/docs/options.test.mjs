/** docs/options.md says what types.d.ts says, no less and no more; and its errors are those that one gets. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import OpenAI from 'openpipe-native';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

import { OPENAI_KEY } from '../support/keys.mjs';

import { root } from '../support/compiler.mjs';

/** The interfaces whose members are options, and how the document's headings name those: with which words before. */
const DOCUMENTED = /** @type {const} */ ({
  OpenPipeCallOptions: '',
  OpenPipeOptions: '',
  FallbackTarget: 'fallback.',
  BreakerPolicy: 'breaker.',
});

const page = readFileSync(`${root}docs/options.md`, 'utf8');

/** @typedef {{ type: string, default: string | undefined, isOptional: boolean }} Member */

/**
 * A type as it is for a client whose tables the compiler does not know: models and names are any text.
 * @param {string} type
 */
const withoutNames = (type) =>
  type
    .replaceAll(/\b(ModelName|UpstreamName)<\w+>/g, 'string')
    .replaceAll(/<Names(, Aliases)?>/g, '')
    .replaceAll(/Record<(Names|Aliases),/g, 'Record<string,');

/** What the types declare, by the name that the document has for it. @returns {Map<string, Member>} */
function declared() {
  const source = ts.createSourceFile(
    'types.d.ts',
    readFileSync(`${root}types.d.ts`, 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const members = new Map();
  for (const [name, prefix] of Object.entries(DOCUMENTED)) {
    const found = source.statements.find(
      (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name,
    );
    if (!found || !ts.isInterfaceDeclaration(found)) throw new Error(`types.d.ts has no interface ${name}`);
    for (const member of found.members) {
      if (!ts.isPropertySignature(member) || !member.type) throw new Error(`${name} has more than plain members`);
      // A brand of the type, not an option.
      if (ts.isComputedPropertyName(member.name)) continue;
      const tag = ts.getJSDocTags(member).find(({ tagName }) => tagName.text === 'default');
      members.set(prefix + member.name.getText(), {
        type: withoutNames(member.type.getText()).replace(/ \| undefined$/, ''),
        default: tag && ts.getTextOfJSDocComment(tag.comment),
        isOptional: Boolean(member.questionToken),
      });
    }
  }
  return members;
}

/** What the document says of each option, by its heading. @returns {Map<string, { type: string, default: string | undefined, isRequired: boolean }>} */
function documented() {
  return new Map(
    [...page.matchAll(/^### `(?<name>[^`]+)`\n\n(?<facts>(?:- .*\n)+)/gm)].map(({ groups }) => {
      const { name = '', facts = '' } = groups ?? {};
      const fact = (/** @type {string} */ label) => new RegExp(`^- ${label}: (.*)$`, 'm').exec(facts)?.[1];
      const type = /^`([^`]+)`/.exec(fact('Type') ?? '')?.[1] ?? '';
      return [name, { type, default: fact('Default'), isRequired: /^- Required$/m.test(facts) }];
    }),
  );
}

/** How a text is written down differs: line breaks, and which words are code. @param {string | undefined} text */
const plain = (text) => text?.replaceAll('`', '').replace(/\s+/g, ' ').trim();

test('docs/options.md has exactly the existing options', () => {
  const headings = [...page.matchAll(/^### (.*)$/gm)].map(([, heading]) => heading);
  expect(headings.sort()).toEqual([...declared().keys()].map((name) => `\`${name}\``).sort());
  expect([...documented().keys()].sort()).toEqual([...declared().keys()].sort());
});

for (const [name, member] of declared()) {
  test(`docs/options.md gives the type and the default of \`${name}\` as types.d.ts does`, () => {
    const told = documented().get(name);
    expect(told?.type).toBe(member.type);
    expect(plain(told?.default)).toBe(plain(member.default));
    expect(told?.isRequired).toBe(!member.isOptional);
  });
}

/** A type with the alias that it may be replaced by what that stands for. @param {string} type */
function spelledOut(type) {
  const types = readFileSync(`${root}types.d.ts`, 'utf8');
  return new RegExp(`type ${type} =([^;]*);`).exec(types)?.[1] ?? type;
}

/** @typedef {string | { choice?: string[], bounded_time?: { most: number }, count?: { most: number } }} Kind */
/** @typedef {{ name: string, places: string[], kind: Kind }} OptionSpec */

/** The core's own description of the options (crates/core/src/options/spec.rs). @type {OptionSpec[]} */
const specs = JSON.parse(createRequire(import.meta.url)('../../binding.js').optionTable());

/** The interfaces of types.d.ts for the places where an option may stand, as the documents name their members. */
const PLACES = /** @type {const} */ ({ client: '', target: 'fallback.', breaker: 'breaker.' });

for (const [place, prefix] of Object.entries(PLACES)) {
  test(`types.d.ts has the options of the core's description, no more and no less: ${place}`, () => {
    const described = specs.filter(({ places }) => places.includes(place)).map(({ name }) => prefix + name);
    const inTypes = [...declared().keys()].filter((name) =>
      prefix === '' ? !name.includes('.') : name.startsWith(prefix),
    );
    expect(described.sort()).toEqual(inTypes.sort());
  });
}

test("types.d.ts has the options of an upstream that the core's description has", () => {
  const types = readFileSync(`${root}types.d.ts`, 'utf8');
  const members = /^export interface Upstream \{\n(.*?)^\}/ms.exec(types)?.[1] ?? '';
  const inTypes = [...members.matchAll(/^  (\w+)\?: /gm)].map(([, name]) => name);
  const described = specs.filter(({ places }) => places.includes('upstream')).map(({ name }) => name);
  expect(inTypes.sort()).toEqual(described.sort());
});

const DAY = 86_400_000;

/**
 * What an option takes at its bounds and refuses beyond them, by its kind; and the words in which the types say so.
 * @param {Kind} kind
 */
function boundsOf(kind) {
  if (typeof kind === 'object') {
    const { bounded_time: time, count } = kind;
    if (time)
      return { takes: [0.5, time.most], refuses: [0, time.most + 1, Infinity], words: 'in milliseconds, up to a day' };
    if (count) return { takes: [1, count.most], refuses: [0, 1.5, count.most + 1], words: 'How many' };
  }
  if (kind === 'share') return { takes: [0.001, 1], refuses: [0, 1.001], words: 'above 0, up to 1' };
  if (kind === 'time') return { takes: [0.5, Infinity], refuses: [0, -1, NaN], words: 'in milliseconds' };
  if (kind === 'bytes') return { takes: [1, Infinity], refuses: [0, 1.5], words: 'bytes' };
  if (kind === 'retries') return { takes: [0, 7], refuses: [-1, 1.5], words: 'How many times' };
  return undefined;
}

/** An `openpipe` object with a value at an option's place. @type {Record<string, (member: object) => object>} */
const AT = {
  client: (member) => member,
  target: (member) => ({ fallback: { model: 'f', ...member } }),
  breaker: (member) => ({ breaker: member }),
  upstream: (member) => ({ upstreams: { mine: { baseURL: 'http://127.0.0.1:9/v1', apiKey: 'k', ...member } } }),
};

describe("the bounds of the core's description", () => {
  const rows = specs.flatMap(({ name, places, kind }) => {
    const bounds = boundsOf(kind);
    return bounds ? places.filter((place) => AT[place]).map((place) => ({ name, place, ...bounds })) : [];
  });

  test('cover every number among the options', () => {
    expect(rows.map(({ name, place }) => `${place}.${name}`)).toEqual(
      expect.arrayContaining(['client.deadline', 'target.maxRetries', 'breaker.failures', 'upstream.timeout']),
    );
    const times = specs.flatMap(({ kind }) =>
      typeof kind === 'object' && kind.bounded_time ? [kind.bounded_time] : [],
    );
    expect(times.map(({ most }) => most)).toEqual([DAY, DAY, DAY]);
  });

  for (const { name, place, takes, refuses, words } of rows) {
    const make = (/** @type {number} */ value) => () =>
      new OpenAI({
        apiKey: OPENAI_KEY,
        logLevel: 'off',
        openpipe: /** @type {any} */ (AT[place]?.({ [name]: value })),
      });

    test(`hold for \`${name}\` of ${place}, and are in the types`, () => {
      for (const value of takes) expect(make(value), `${value}`).not.toThrow();
      for (const value of refuses) expect(make(value), `${value}`).toThrow(TypeError);
      const types = readFileSync(`${root}types.d.ts`, 'utf8');
      const comments = [...types.matchAll(new RegExp(`/\\*\\*((?:(?!\\*/).)*)\\*/\\s+${name}\\?: `, 'gs'))];
      expect(comments.some(([, comment]) => plain(comment?.replaceAll('*', ''))?.includes(words))).toBe(true);
    });
  }
});

for (const { name, kind } of specs) {
  const choices = typeof kind === 'object' ? kind.choice : undefined;
  if (!choices) continue;
  test(`types.d.ts has the values of \`${name}\` that the core's description has`, () => {
    const inType = [...spelledOut(declared().get(name)?.type ?? '').matchAll(/["'](\w+)["']/g)].map(
      ([, value]) => value,
    );
    expect(inType.sort()).toEqual([...choices].sort());
  });
}

/** The rows of the table of errors. */
const mistakes = [...page.slice(page.indexOf('## Errors')).matchAll(/^\| `(\{.*?\})` +\| (.*?) +\|$/gm)].map(
  ([, options = '', message = '']) => ({ options, message }),
);

describe('docs/options.md quotes an error’s text:', () => {
  test('there are some', () => {
    expect(mistakes.length).toBeGreaterThan(10);
  });

  for (const { options, message } of mistakes) {
    test(options, async () => {
      const openpipe = new Function(`return ${options}`)();
      const make = (/** @type {any} */ own) => new OpenAI({ apiKey: OPENAI_KEY, logLevel: 'off', openpipe: own });
      const error = expect.objectContaining({ name: 'TypeError', message });
      expect(() => make(openpipe)).toThrow(error);
      if (Object.keys(openpipe).some((name) => ['fallbackClient', 'transport'].includes(name))) return;
      const call = make({}).chat.completions.create({ model: 'm', messages: [], openpipe });
      await expect(call).rejects.toEqual(error);
    });
  }
});
