'use strict';
/** The `openpipe` options of one call: those in its request options, and those in its body. */

const { Writer, callback, record } = require('./writer.js');

/** @typedef {import('./client-options.js').ClientOptions} ClientOptions */
/** @typedef {import('./writer.js').CustomClient} CustomClient */
/** @typedef {import('./writer.js').Written} Written */
/** @typedef {import('../call/judge.js').Judge} Judge */

/**
 * Writes a call's `openpipe` options as JSON; `undefined` where there are none.
 * @param {unknown} trusted Those of the request options. @param {unknown} body Those of the body.
 * @param {{ clients: CustomClient[], judges: Judge[], allowed: ClientOptions['allowed'], warn: (message: string) => void }} reading
 */
function readCallOptions(trusted, body, { clients, judges, allowed, warn }) {
  const hasTrusted = trusted !== undefined && trusted !== null;
  const given = body === undefined || body === null ? undefined : fromBody(body, allowed, warn);
  if (!hasTrusted && given === undefined) return undefined;
  const own = hasTrusted ? new Writer(clients, judges).write(trusted) : undefined;
  const ofBody = given === undefined ? undefined : new Writer(clients, []).write(given);
  return {
    /** Members of the JSON that the core reads. */
    text: [...members('', own), ...judgeMember(own), ...members('body_', ofBody)],
    onFallback: callback(own?.functions['openpipe.onFallback']) ?? callback(ofBody?.functions['openpipe.onFallback']),
  };
}

/** The member with the functions of `reject`, which are read from the request options only. @param {Written | undefined} written */
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
 * The members of a body's `openpipe` that `allowInBody` allows, since a body may come from an untrusted user. Others are not read.
 * @param {any} value @param {ClientOptions['allowed']} allowed @param {(message: string) => void} warn
 */
function fromBody(value, allowed, warn) {
  if (allowed === true) return value;
  if (typeof value !== 'object') return undefined;
  const names = Object.keys(value);
  const kept = record();
  for (const name of allowed) if (Object.hasOwn(value, name)) kept[name] = value[name];
  if (names.some((name) => !allowed.includes(name))) {
    warn('a body has `openpipe` options that `openpipe.allowInBody` does not allow: they are ignored');
  }
  return Object.keys(kept).length > 0 ? kept : undefined;
}

module.exports = { readCallOptions };
