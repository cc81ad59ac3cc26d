/**
 * Invented keys, one for each place of a key, and a search for them in all spellings:
 * as they are, in the middle, in base64, hex or percent-encoding.
 */

import { inspect } from 'node:util';

/** With characters that encodings change, and that a header and a URL can carry. */
export const KEYS = {
  openai: 'sk-/openai+key=7Qm2c9Xw~aa41',
  openpipe: 'opk-/openpipe+key=3Jd8k1Vz~bb52',
  custom: 'fk-/custom+key=9Ht5n6Rp~cc63',
  default: 'dk-/default+header=2Lw7s4Yb~dd74',
  call: 'ck-/call+header=6Fx3u8Gq~ee85',
  user: 'uu-user.of.url.1Zr9e5Kt~ff96',
  password: 'pw-password.of.url.8Nv2b7Md~gg07',
  proxyUser: 'pu-user.of.proxy.4Ca6h3Ws~hh18',
  proxyPassword: 'pp-password.of.proxy.5Ei1j9Uo~ii29',
};

/** @typedef {keyof typeof KEYS} KeyName */

/** What of a key in base64 is the same wherever it stands in the encoded text. @param {string} key */
function base64Cores(key) {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.from('.'.repeat(offset) + key).toString('base64');
    return encoded.slice(offset === 0 ? 0 : 4, 4 * Math.floor((offset + key.length) / 3)).replaceAll('=', '');
  });
}

/** @type {[KeyName, string[]][]} */
const forms = Object.entries(KEYS).map(([name, key]) => {
  const cut = key.slice(-14);
  const base64 = base64Cores(key);
  const url = base64.map((core) => core.replaceAll('+', '-').replaceAll('/', '_'));
  const bytes = [...Buffer.from(cut)];
  const texts = [cut, encodeURIComponent(cut), ...base64, ...url, Buffer.from(cut).toString('hex')];
  return [
    /** @type {KeyName} */ (name),
    [...texts, bytes.join(','), bytes.join(', '), inspect(Buffer.from(cut)).slice(8, -1)],
  ];
});

/** The names of the keys in a text, in any spelling. @param {string} text @returns {KeyName[]} */
export function keysIn(text) {
  return forms.filter(([, all]) => all.some((form) => text.includes(form))).map(([name]) => name);
}

/** Every way to print a value, and everything that is reachable from it. @param {unknown} value */
export function everyPrint(value) {
  const prints = [
    () => String(value),
    () => JSON.stringify(value) ?? '',
    () => inspect(value),
    () =>
      inspect(value, {
        depth: Infinity,
        showHidden: true,
        getters: true,
        showProxy: true,
        maxStringLength: null,
        maxArrayLength: null,
      }),
    () => inspect(value, { depth: Infinity, customInspect: true, compact: true, breakLength: Infinity }),
    () => inspect(structuredClone(value), { depth: Infinity, showHidden: true }),
    () => String(/** @type {any} */ (value)?.stack),
    () => String(/** @type {any} */ (value)?.message),
    () => reached(value),
  ];
  return prints
    .map((print) => {
      try {
        return print();
      } catch {
        // What cannot be printed in this way shows nothing in it.
        return '';
      }
    })
    .join('\n');
}

/**
 * The texts of all properties, hidden ones, symbols and getters too, of errors and of what is in them: `cause`, `headers`.
 * @param {unknown} value @param {Set<unknown>} [seen] @returns {string}
 */
function reached(value, seen = new Set()) {
  if (typeof value === 'string') return `${value}\n`;
  if (typeof value !== 'object' || value === null || seen.has(value)) return '';
  // A client holds its key, in `apiKey`, and says itself what may be shown of it.
  if (typeof (/** @type {any} */ (value)[inspect.custom]) === 'function' && !(value instanceof Headers)) return '';
  seen.add(value);
  if (value instanceof Headers || value instanceof Map) return reached([...value.entries()], seen);
  let text = '';
  for (const key of Reflect.ownKeys(value)) {
    try {
      text += `${String(key)}\n${reached(/** @type {any} */ (value)[key], seen)}`;
    } catch {
      // A getter that throws shows nothing.
    }
  }
  return text;
}
