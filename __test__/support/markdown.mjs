/** Reads the blocks of code and the links of the documents. */

import { readdirSync, readFileSync } from 'node:fs';

import { root } from './compiler.mjs';

/** The documents, by their paths from the root. */
export const documents = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'examples/README.md', ...inDocs()];

function inDocs() {
  return readdirSync(`${root}docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`);
}

/** @param {string} document */
export function textOf(document) {
  return readFileSync(root + document, 'utf8');
}

/**
 * A block of code.
 *
 * @typedef {object} Block
 * @property {string} document
 * @property {number} line The line on which its text begins.
 * @property {string} text
 * @property {string | undefined} file The file that it shows, by a comment before it.
 */

/** The TypeScript of a document. @param {string} document @returns {Block[]} */
export function typescriptOf(document) {
  const page = textOf(document);
  return [...page.matchAll(/^(?:<!-- (?<file>\S+) -->\n\n)?```ts\n(?<text>.*?)^```$/gms)].map((match) => {
    const { file, text = '' } = match.groups ?? {};
    const before = page.slice(0, match.index + match[0].indexOf('```ts\n'));
    return { document, line: before.split('\n').length + 1, text, file };
  });
}

/** The targets of a document's links, without those to other sites. @param {string} document @returns {string[]} */
export function linksOf(document) {
  const page = withoutCode(textOf(document));
  return [...page.matchAll(/\]\((?<to>[^)\s]+)\)/g)]
    .map((match) => match.groups?.['to'] ?? '')
    .filter((to) => !/^[a-z]+:/.test(to));
}

/** The anchors of a document's headings. @param {string} document */
export function anchorsOf(document) {
  const headings = [...withoutCode(textOf(document)).matchAll(/^#+ (?<text>.*)$/gm)];
  return headings.map((match) =>
    (match.groups?.['text'] ?? '')
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** @param {string} page */
function withoutCode(page) {
  return page.replace(/^```.*?^```$/gms, '');
}
