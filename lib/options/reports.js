'use strict';
/** The option `openpipe.reports`: where reports go. */

const { statSync } = require('node:fs');
const { dirname, resolve } = require('node:path');

const { isObject, refuse } = require('./checks.js');

const SINK_MEMBERS = ['openpipe', 'file', 'redact'];

/**
 * Where reports go; `undefined` where the option is not set.
 * @param {unknown} value @param {{ warn: (message: string) => void }} reading
 */
function sinks(value, reading) {
  if (value === undefined || value === null) return undefined;
  if (value === false) return [];
  if (Array.isArray(value)) return value.map((item, index) => sink(`openpipe.reports[${index}]`, item, reading));
  return [sink('openpipe.reports', value, reading)];
}

/**
 * @param {string} option @param {any} value @param {{ warn: (message: string) => void }} reading
 * @returns {{ file?: string, redact?: (report: any) => unknown }}
 */
function sink(option, value, reading) {
  if (value === 'openpipe') return {};
  if (!isObject(value)) refuse(option, '"openpipe", { openpipe: true }, { file } or false', value);
  for (const name of Object.keys(value)) {
    if (!SINK_MEMBERS.includes(name))
      reading.warn(`\`${option}.${JSON.stringify(name.slice(0, 64))}\` is not known and does nothing`);
  }
  const { openpipe, file, redact } = value;
  if (redact !== undefined && redact !== null && typeof redact !== 'function')
    refuse(`${option}.redact`, 'a function', redact);
  if ((openpipe === true) === (file !== undefined && file !== null))
    throw new TypeError(`\`${option}\` must have either \`openpipe: true\` or a \`file\``);
  return { file: openpipe === true ? undefined : reportFile(`${option}.file`, file), redact: redact ?? undefined };
}

/** The absolute path of a file, whose folder must exist. @param {string} option @param {unknown} value */
function reportFile(option, value) {
  const path = resolve(typeof value === 'string' && value !== '' ? value : refuse(option, 'a non-empty string', value));
  if (path.includes('\0')) refuse(option, 'a path', value);
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory())
    throw new TypeError(`\`${option}\` must be in a folder that exists`);
  return path;
}

module.exports = { sinks };
