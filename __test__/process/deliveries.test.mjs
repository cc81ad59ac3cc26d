/** What Rust delivers to JavaScript: what fails there is the failure of one call (contract.md, section 1). */

import { createRequire } from 'node:module';

import OpenAI from 'openpipe-native';
import { describe, expect } from 'vitest';

import { MESSAGES } from '../support/calls.mjs';
import { FALLBACK, PRIMARY, test } from '../support/upstreams.mjs';

const require = createRequire(import.meta.url);
const { messagesOf } = require('../../lib/native/messages.js');
const { TEXTS } = require('../../lib/native/protocol.js');
const { Call } = require('../../lib/call/call.js');
const { FetchCall } = require('../../lib/fetch/call.js');
const reports = require('../../lib/reports/reports.js');

describe('the messages of a delivery', () => {
  test('are parsed one by one where one of them is malformed, which fails its own call', () => {
    /** @type {number[]} */
    const failed = [];
    const text = '[[1,"events",2,[{"a":"],[\\"","b":[1,{}]}]],[7,"completion",nonsense,"x"],[3,"reported"]]';
    const messages = messagesOf(text, (/** @type {number} */ call) => failed.push(call));

    expect(messages).toEqual([
      [1, 'events', 2, [{ a: '],["', b: [1, {}] }]],
      [-1, 'completion'],
      [3, 'reported'],
    ]);
    expect(failed).toEqual([7]);
  });
});

test('each message has a handler of its name', () => {
  // `reported` resolves a call's `reportingFinished`, before any handler.
  const tables = [Call.handlers, FetchCall.handlers, reports.handlers];
  const handled = new Set([...tables.flatMap((table) => Object.keys(table)), 'reported']);
  expect([...handled].sort()).toEqual(Object.keys(TEXTS).sort());
});

describe('a failed target whose error cannot be made', () => {
  class Throwing extends OpenAI {
    /** @returns {never} */
    makeStatusError() {
      throw new RangeError('no such error');
    }
  }

  test('does not throw into the listener of a signal: the calls that share it are aborted', async ({ stage }) => {
    const { options } = await stage({
      primary: { kind: 'status', status: 500 },
      fallback: { kind: 'silence' },
    });
    const openai = new Throwing(options);
    const controller = new AbortController();
    let moved = 0;
    const aborted = Array.from({ length: 3 }, () =>
      openai.chat.completions.create(
        {
          model: PRIMARY,
          messages: MESSAGES,
          openpipe: {
            fallback: { model: FALLBACK },
            onFallback: () => {
              moved += 1;
              if (moved === 3) controller.abort();
            },
          },
        },
        { signal: controller.signal },
      ),
    );

    for (const { reason } of /** @type {PromiseRejectedResult[]} */ (await Promise.allSettled(aborted))) {
      expect(reason).toBeInstanceOf(OpenAI.APIUserAbortError);
    }
  });
});
