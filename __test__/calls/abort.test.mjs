/** What a caller sees of a call that it aborts before there is an answer (contract.md, sections 1 and 6). */

import OpenAI from 'openpipe-native';
import { expect } from 'vitest';

import { MESSAGES, rejection } from '../support/calls.mjs';
import { FALLBACK, PRIMARY, test } from '../support/upstreams.mjs';

const SILENT = /** @type {const} */ ({ kind: 'silence' });

for (const stream of [false, true]) {
  const what = stream ? 'a stream' : 'a completion';

  test(`${what} that is aborted during its primary has an attempt of it`, async ({ stage }) => {
    const { openai, primary } = await stage({ primary: SILENT });
    const controller = new AbortController();
    const call = openai.chat.completions.create(
      { model: PRIMARY, messages: MESSAGES, stream },
      { signal: controller.signal },
    );
    const failed = rejection(call);
    await primary.arrival(1);
    controller.abort();

    const error = await failed;
    expect(error).toBeInstanceOf(OpenAI.APIUserAbortError);
    expect(error.openpipe).toMatchObject({ servedBy: 'primary', model: PRIMARY, errors: [] });
    expect(error.openpipe.attempts).toMatchObject([{ upstream: 'openpipe', outcome: 'aborted', tries: 1 }]);
    expect(Object.keys(error)).not.toContain('openpipe');
    expect(await error.openpipe.reportingFinished).toBeUndefined();
  });

  test(`${what} that is aborted during its fallback has the failed attempt of the primary`, async ({ stage }) => {
    const { openai, fallback } = await stage({ primary: { kind: 'status', status: 503 }, fallback: SILENT });
    const controller = new AbortController();
    const call = openai.chat.completions.create(
      { model: PRIMARY, messages: MESSAGES, stream, openpipe: { fallback: { model: FALLBACK } } },
      { signal: controller.signal },
    );
    const failed = rejection(call);
    await fallback.arrival(1);
    controller.abort();

    const { openpipe } = await failed;
    expect(openpipe).toMatchObject({ servedBy: 'fallback', model: FALLBACK });
    expect(openpipe.attempts).toMatchObject([
      { upstream: 'openpipe', model: PRIMARY, outcome: 'server_error' },
      { upstream: 'openai', model: FALLBACK, outcome: 'aborted', tries: 1 },
    ]);
    expect(openpipe.errors).toHaveLength(1);
    expect(openpipe.errors[0]).toBeInstanceOf(OpenAI.InternalServerError);
    expect(await openpipe.reportingFinished).toBeUndefined();
  });
}

test('a call that is aborted before it begins has no attempt', async ({ stage }) => {
  const { openai, primary } = await stage();
  const call = openai.chat.completions.create({ model: PRIMARY, messages: MESSAGES }, { signal: AbortSignal.abort() });
  const error = await rejection(call);
  expect(error).toBeInstanceOf(OpenAI.APIUserAbortError);
  expect(error.openpipe).toBeUndefined();
  expect(primary.requests).toHaveLength(0);
});
