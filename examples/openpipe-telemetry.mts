// Makes spans and metrics of every call from the diagnostics channels. The rest of the program does not change.

import diagnostics from 'node:diagnostics_channel';

import { context, metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { CallEvent, FallbackEvent } from 'openpipe-native';

const tracer = trace.getTracer('openpipe-native');
const meter = metrics.getMeter('openpipe-native');
const duration = meter.createHistogram('gen_ai.client.operation.duration', { unit: 's' });
const fallbacks = meter.createCounter('openpipe.fallbacks');

// The events are published in the async context of the call: the active span is that of the caller.
diagnostics.subscribe('openpipe:call', (message) => {
  const { model, servedBy, attempts, durationMs, usage } = message as CallEvent;
  const [first] = attempts;
  const last = attempts.at(-1);
  if (!first || !last) return;

  const call = tracer.startSpan(`chat ${first.model}`, {
    kind: SpanKind.CLIENT,
    startTime: first.startedAt,
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': first.model,
      'gen_ai.response.model': model,
      'openpipe.served_by': servedBy,
      ...(usage && {
        'gen_ai.usage.input_tokens': usage.prompt_tokens,
        'gen_ai.usage.output_tokens': usage.completion_tokens,
      }),
    },
  });
  const inCall = trace.setSpan(context.active(), call);
  for (const attempt of attempts) {
    const attributes = { 'openpipe.upstream': attempt.upstream, 'openpipe.tries': attempt.tries };
    const span = tracer.startSpan(`ask ${attempt.model}`, { startTime: attempt.startedAt, attributes }, inCall);
    if (attempt.outcome !== 'ok') {
      span.setAttribute('error.type', attempt.outcome);
      span.setStatus({ code: SpanStatusCode.ERROR, message: attempt.message ?? attempt.outcome });
    }
    span.end(attempt.startedAt + attempt.durationMs);
  }
  if (last.outcome !== 'ok') call.setStatus({ code: SpanStatusCode.ERROR, message: last.message ?? last.outcome });
  call.end(first.startedAt + durationMs);

  duration.record(durationMs / 1000, { 'gen_ai.request.model': first.model, 'openpipe.served_by': servedBy });
});

diagnostics.subscribe('openpipe:fallback', (message) => {
  const { from, to } = message as FallbackEvent;
  fallbacks.add(1, { from: from.model, to: to.model, 'error.type': from.outcome });
});
