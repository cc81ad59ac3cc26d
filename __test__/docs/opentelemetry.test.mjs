/** examples/openpipe-telemetry.mts, which docs/observing.md shows, makes the spans that it should. */

import { AsyncLocalStorage } from 'node:async_hooks';

import { context, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { beforeAll, beforeEach, expect } from 'vitest';

import { ask } from '../support/calls.mjs';
import { FALLBACK, PRIMARY, test } from '../support/upstreams.mjs';

const exporter = new InMemorySpanExporter();
/** The root, or what the caller is in: as the context manager of `@opentelemetry/sdk-node` has it. */
const contexts = new AsyncLocalStorage();

beforeAll(async () => {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  context.setGlobalContextManager({
    active: () => /** @type {any} */ (contexts.getStore()) ?? ROOT_CONTEXT,
    with: (active, work, thisArg, ...args) =>
      contexts.run(active, () => work.apply(thisArg, /** @type {any} */ (args))),
    bind: (_active, target) => target,
    enable() {
      return this;
    },
    disable() {
      return this;
    },
  });
  // By its URL: the compiler that checks the tests does not take the ending.
  await import(new URL('../../examples/openpipe-telemetry.mts', import.meta.url).href);
});

beforeEach(() => exporter.reset());

/** @param {string} name */
function span(name) {
  const found = exporter.getFinishedSpans().filter((each) => each.name === name);
  expect(found, name).toHaveLength(1);
  return /** @type {import('@opentelemetry/sdk-trace-base').ReadableSpan} */ (found[0]);
}

for (const stream of [false, true]) {
  const what = stream ? 'stream' : 'completion';

  test(`of a ${what} there is a span, with one for each target in it`, async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'status', status: 500 } });
    await ask(openai, { stream, openpipe: { fallback: { model: FALLBACK } } });

    const [call, failed, answered] = [span(`chat ${PRIMARY}`), span(`ask ${PRIMARY}`), span(`ask ${FALLBACK}`)];
    expect(call.attributes).toMatchObject({ 'gen_ai.response.model': FALLBACK, 'openpipe.served_by': 'fallback' });
    expect(call.status.code).toBe(SpanStatusCode.UNSET);
    expect(failed.attributes).toMatchObject({ 'openpipe.upstream': 'openpipe', 'error.type': 'server_error' });
    expect(failed.status.code).toBe(SpanStatusCode.ERROR);
    expect(answered.status.code).toBe(SpanStatusCode.UNSET);
    for (const target of [failed, answered]) {
      expect(target.parentSpanContext?.spanId).toBe(call.spanContext().spanId);
    }
  });

  test(`the span of a ${what} belongs to the caller’s`, async ({ stage }) => {
    const { openai } = await stage();
    const request = trace.getTracer('test').startSpan('GET /chat');
    await context.with(trace.setSpan(context.active(), request), () => ask(openai, { stream }));

    expect(span(`chat ${PRIMARY}`).parentSpanContext?.spanId).toBe(request.spanContext().spanId);
  });

  test(`the span of a ${what} that failed says so`, async ({ stage }) => {
    const { openai } = await stage({ primary: { kind: 'status', status: 401 } });
    await ask(openai, { stream });

    expect(span(`chat ${PRIMARY}`).status.code).toBe(SpanStatusCode.ERROR);
  });
}
