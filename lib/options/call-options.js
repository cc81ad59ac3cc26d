'use strict';
/** The `openpipe` options of one call: those of its request options, and those that its body brings. */

const { Writer, callback, record } = require('./writer.js');

/** @typedef {import('./client-options.js').ClientOptions} ClientOptions */
/** @typedef {import('./writer.js').CustomClient} CustomClient */
/** @typedef {import('./writer.js').Written} Written */
/** @typedef {import('../call/judge.js').Judge} Judge */

/**
 * Writes `openpipe` of a call, that of the request options and that of the body; `undefined` where there is neither.
 * @param {unknown} trusted @param {unknown} body
 * @param {{ clients: CustomClient[], judges: Judge[], allowed: ClientOptions['allowed'], warn: (message: string) => void }} reading
 */
function readCallOptions(trusted, body, { clients, judges, allowed, warn }) {
  const hasTrusted = trusted !== undefined && trusted !== null;
  const given = body === undefined || body === null ? undefined : fromBody(body, allowed, warn);
  if (!hasTrusted && given === undefined) return undefined;
  const own = hasTrusted ? new Writer(clients, judges).write(trusted) : undefined;
  const brought = given === undefined ? undefined : new Writer(clients, []).write(given);
  return {
    /** Members of the JSON that the core reads. */
    text: [...members('', own), ...judgeMember(own), ...members('body_', brought)],
    onFallback: callback(own?.functions['openpipe.onFallback']) ?? callback(brought?.functions['openpipe.onFallback']),
  };
}

/** A body's functions judge nothing. @param {Written | undefined} written */
function judgeMember(written) {
  return written && Object.keys(written.judges).length > 0 ? [`"functions":${JSON.stringify(written.judges)}`] : [];
}

/** @param {string} prefix @param {Written | undefined} written */
function members(prefix, written) {
  if (!written) return [];
  const { text, odd, clients } = written;
  const named = (/** @type {string} */ name) =>
    prefix ? `"body${name[0]?.toUpperCase()}${name.slice(1)}"` : `"${name}"`;
  const all = [`${named('openpipe')}:${text}`];
  if (Object.keys(odd).length > 0) all.push(`${named('odd')}:${JSON.stringify(odd)}`);
  if (Object.keys(clients).length > 0) all.push(`${named('clients')}:${JSON.stringify(clients)}`);
  return all;
}

/**
 * The members of a body's `openpipe`, which may come from a user, that the constructor allows. Others are not read.
 * @param {any} value @param {ClientOptions['allowed']} allowed @param {(message: string) => void} warn
 */
function fromBody(value, allowed, warn) {
  if (allowed === true) return value;
  if (typeof value !== 'object') return undefined;
  const names = Object.keys(value);
  const kept = record();
  for (const name of allowed) if (Object.hasOwn(value, name)) kept[name] = value[name];
  if (names.some((name) => !allowed.includes(name))) {
    warn('a body brought `openpipe` options that `openpipe.allowInBody` does not allow: they are ignored');
  }
  return Object.keys(kept).length > 0 ? kept : undefined;
}

module.exports = { readCallOptions };
