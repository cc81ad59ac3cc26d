/** `openpipe.reports`: where reports go, and what happens to them on the way (contract.md, section 7). */

import { execFileSync, spawn } from 'node:child_process';
import diagnostics from 'node:diagnostics_channel';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import OpenAI from 'openpipe-native';
import { afterAll, describe, expect } from 'vitest';

import { MESSAGES } from '../support/calls.mjs';
import { listeningLogger } from '../support/logger.mjs';
import { runProgram } from '../support/programs.mjs';
import { callToItsEnd } from '../support/reporting.mjs';
import { clientOptions, FALLBACK, PRIMARY, test } from '../support/upstreams.mjs';

const DOWN = /** @type {const} */ ({ kind: 'status', status: 503 });
const PROGRAM = fileURLToPath(new URL('programs/file.mjs', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'openpipe-sinks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = () => join(folder, `reports-${(files += 1)}.jsonl`);

/** @param {string} file @returns {any[]} */
const linesOf = (file) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

describe('a file', () => {
  test('gets a line for every target that was tried, OpenPipe too, with the body that the target got', async ({
    stage,
  }) => {
    const file = newFile();
    const { openai } = await stage({
      primary: DOWN,
      openpipe: {
        logRequest: true,
        reports: { file },
        fallback: { model: FALLBACK, params: { temperature: 0.5 } },
        tags: { a: 'b' },
      },
    });
    for (const stream of [false, true]) {
      await callToItsEnd(openai, { model: PRIMARY, messages: MESSAGES, metadata: { m: '1' }, stream });
    }
    expect(await openai.flush()).toEqual({ delivered: 4, dropped: 0, pending: 0 });

    const lines = linesOf(file);
    expect(lines).toHaveLength(4);
    expect(new Set(lines.map(({ callId }) => callId)).size).toBe(2);
    for (const [upstream, outcome, attempt, statusCode] of [
      ['openpipe', 'server_error', 1, 503],
      ['openai', 'ok', 2, 200],
    ]) {
      const found = lines.filter((line) => line.upstream === upstream);
      expect(found).toHaveLength(2);
      for (const line of found) {
        expect(line).toMatchObject({ outcome, attempt, statusCode, endpoint: 'chat', tags: { a: 'b' } });
      }
    }
    const [fallback] = lines.filter((line) => line.upstream === 'openai');
    expect(fallback.reqPayload).toMatchObject({ model: FALLBACK, temperature: 0.5 });
    expect(fallback.reqPayload).not.toHaveProperty('metadata');
    expect(fallback.respPayload.choices[0].message.content).toBeTypeOf('string');
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('works without a key of OpenPipe, to which nothing is sent', async ({ serve }) => {
    const upstream = await serve();
    const openpipe = await serve();
    const file = newFile();
    const openai = new OpenAI(
      clientOptions(openpipe.url, upstream.url, { openpipe: { logRequest: true, reports: { file } } }),
    );
    await callToItsEnd(openai, { model: 'gpt' });
    await openai.flush();
    expect(linesOf(file)).toHaveLength(1);
    expect(openpipe.requests).toHaveLength(0);
  });

  test('gets nothing of a call with `logRequest: false`', async ({ stage }) => {
    const file = newFile();
    const { openai } = await stage({ openpipe: { logRequest: true, reports: [{ file }] } });
    await callToItsEnd(openai, { model: FALLBACK, openpipe: { logRequest: false } });
    await callToItsEnd(openai, { model: FALLBACK });
    await openai.flush();
    expect(linesOf(file)).toHaveLength(1);
  });

  test('is created again where it was moved away', async ({ stage }) => {
    const file = newFile();
    const { openai } = await stage({ openpipe: { logRequest: true, reports: { file } } });
    for (let turn = 0; turn < 2; turn += 1) {
      await callToItsEnd(openai, { model: FALLBACK });
      await openai.flush();
      if (turn === 0) renameSync(file, `${file}.1`);
    }
    expect([linesOf(file).length, linesOf(`${file}.1`).length]).toEqual([1, 1]);
  });

  test('has complete lines of several processes', async ({ serve }) => {
    const upstream = await serve();
    const file = newFile();
    const runs = Array.from({ length: 3 }, () => runProgram('reports/programs/file', [upstream.url, file, '20']));
    for (const { code, stderr } of await Promise.all(runs)) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = linesOf(file);
    expect(lines).toHaveLength(60);
    expect(new Set(lines.map(({ callId }) => callId)).size).toBe(60);
  });

  test.skipIf(process.platform !== 'linux')(
    'on a full disk is retried, and then the report is dropped',
    async ({ stage }) => {
      const file = newFile();
      symlinkSync('/dev/full', file);
      const { openai } = await stage({ openpipe: { logRequest: true, reports: { file } } });
      await callToItsEnd(openai, { model: FALLBACK });
      expect(await openai.flush({ timeout: 100 })).toEqual({ delivered: 0, dropped: 0, pending: 1 });
      rmSync(file);
      expect(await openai.flush()).toEqual({ delivered: 1, dropped: 0, pending: 0 });
      expect(linesOf(file)).toHaveLength(1);
    },
  );

  test.skipIf(process.platform !== 'linux')('that grows over its limit loses no earlier line', async ({ serve }) => {
    const upstream = await serve();
    const file = newFile();
    const shell = spawn('bash', [
      '-c',
      `ulimit -f 8; exec "${process.execPath}" "${PROGRAM}" "${upstream.url}" "${file}" 40`,
    ]);
    await new Promise((resolve) => shell.on('exit', resolve));
    const text = readFileSync(file, 'utf8');
    expect(text.endsWith('\n')).toBe(true);
    expect(linesOf(file).length).toBeGreaterThan(3);
    expect(text.length).toBeLessThanOrEqual(8 * 1024);
  });

  test.skipIf(process.platform === 'win32')(
    'that is a pipe without a reader delays neither calls nor the end of the process',
    async ({ serve }) => {
      const upstream = await serve();
      const file = newFile();
      execFileSync('mkfifo', [file]);
      const { code, stdout, ms } = await runTimed([upstream.url, file, '3']);
      expect(code).toBe(0);
      expect(JSON.parse(stdout).callsMs).toBeLessThan(3_000);
      expect(ms).toBeLessThan(15_000);
    },
  );

  test('must be in a folder that exists', () => {
    const options = clientOptions('http://a.test', 'http://b.test', {
      openpipe: { reports: { file: join(folder, 'no', 'x') } },
    });
    expect(() => new OpenAI(options)).toThrow(TypeError);
  });
});

/** @param {string[]} args */
async function runTimed(args) {
  const began = performance.now();
  const ran = await runProgram('reports/programs/file', args);
  return { ...ran, ms: performance.now() - began };
}

describe('`redact`', () => {
  /** @param {any} stage @param {(report: any) => any} redact */
  async function written(stage, redact) {
    const file = newFile();
    const { logger, warnings } = listeningLogger();
    const { openai } = await stage({ logger, openpipe: { logRequest: true, reports: { file, redact } } });
    for (let turn = 0; turn < 2; turn += 1) await callToItsEnd(openai, { model: FALLBACK });
    const counts = await openai.flush();
    /** @type {any[]} */
    let lines = [];
    try {
      lines = linesOf(file);
    } catch {
      // Nothing was written.
    }
    return { counts, lines, warnings: warnings.filter((/** @type {string} */ text) => text.includes('redact')) };
  }

  test('returns the report that is written', async ({ stage }) => {
    const { counts, lines, warnings } = await written(stage, (report) => ({ ...report, reqPayload: 'gone' }));
    expect(counts).toEqual({ delivered: 2, dropped: 0, pending: 0 });
    expect(lines.map(({ reqPayload, upstream }) => [reqPayload, upstream])).toEqual(Array(2).fill(['gone', 'openai']));
    expect(warnings).toEqual([]);
  });

  test('returns null for nothing', async ({ stage }) => {
    const { counts, lines, warnings } = await written(stage, () => null);
    expect({ counts, lines, warnings }).toEqual({
      counts: { delivered: 0, dropped: 0, pending: 0 },
      lines: [],
      warnings: [],
    });
  });

  for (const [name, redact] of /** @type {[string, (report: any) => any][]} */ ([
    [
      'throws',
      () => {
        throw new Error('a secret');
      },
    ],
    ['returns undefined', () => undefined],
    ['returns a promise', async (report) => report],
    ['returns a text', () => 'report'],
    ['returns an array', () => []],
    ['returns what cannot be written', (report) => ((report.self = report), report)],
  ])) {
    test(`that ${name} has nothing written, gives one warning, and counts as dropped`, async ({ stage }) => {
      const { counts, lines, warnings } = await written(stage, redact);
      expect({ counts, lines }).toEqual({ counts: { delivered: 0, dropped: 2, pending: 0 }, lines: [] });
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).not.toContain('secret');
    });
  }

  test('of OpenPipe returns the report that is sent', async ({ serve }) => {
    const upstream = await serve();
    const openpipe = await serve();
    const redact = (/** @type {any} */ report) => ({ ...report, reqPayload: { model: 'm' } });
    const openai = new OpenAI(
      clientOptions(openpipe.url, upstream.url, {
        openpipe: { logRequest: true, reports: [{ openpipe: true, redact }] },
      }),
    );
    await callToItsEnd(openai, { model: 'gpt' });
    await openai.flush();
    expect(openpipe.requests.map(({ body }) => body.reqPayload)).toEqual([{ model: 'm' }]);
  });
});

test('`false` is for no reports', async ({ serve }) => {
  const upstream = await serve();
  const openpipe = await serve();
  const openai = new OpenAI(
    clientOptions(openpipe.url, upstream.url, { openpipe: { logRequest: true, reports: false } }),
  );
  await callToItsEnd(openai, { model: 'gpt' });
  expect(await openai.flush()).toEqual({ delivered: 0, dropped: 0, pending: 0 });
  expect(openpipe.requests).toHaveLength(0);
});

test('OpenPipe without a key is an OpenAIError', () => {
  const options = { apiKey: 'sk', openpipe: { reports: /** @type {const} */ ('openpipe') } };
  expect(() => new OpenAI(options)).toThrow(OpenAI.OpenAIError);
});

test('a malformed sink is a TypeError', () => {
  for (const reports of /** @type {any[]} */ ([
    true,
    'file',
    {},
    { openpipe: false },
    { file: '' },
    { file: 'x', redact: 1 },
  ])) {
    expect(() => new OpenAI({ apiKey: 'sk', openpipe: { reports } }), JSON.stringify(reports)).toThrow(TypeError);
  }
});

test('the channel `openpipe:report` gets each report while it has a subscriber', async ({ stage }) => {
  const { openai } = await stage({ openpipe: { logRequest: true, reports: false } });
  /** @type {any[]} */
  const seen = [];
  const listen = (/** @type {unknown} */ report) => void seen.push(report);
  diagnostics.subscribe('openpipe:report', listen);
  await callToItsEnd(openai, { model: PRIMARY });
  await callToItsEnd(openai, { model: FALLBACK, openpipe: { logRequest: false } });
  await expect.poll(() => seen.length).toBe(1);
  diagnostics.unsubscribe('openpipe:report', listen);
  await callToItsEnd(openai, { model: PRIMARY });
  expect(seen).toMatchObject([{ upstream: 'openpipe', outcome: 'ok', attempt: 1, reqPayload: { model: PRIMARY } }]);
});
