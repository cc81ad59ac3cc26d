// A call with its spans. In a program of yours the SDK for Node.js (`@opentelemetry/sdk-node`) takes the place of the
// provider here, and brings the context manager by which spans find their parents.

import { trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import OpenAI from 'openpipe-native';

import './openpipe-telemetry.mjs';

const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));

const openai = new OpenAI({ openpipe: { fallback: { model: 'gpt-5.4-mini' } } });

await openai.chat.completions.create({
  model: 'gpt-5.4',
  messages: [{ role: 'user', content: 'Count to 10' }],
});

const spans = exporter.getFinishedSpans();
for (const call of spans.filter((span) => !span.parentSpanContext)) {
  console.log(call.name, call.attributes);
  const inCall = spans.filter((span) => span.parentSpanContext?.spanId === call.spanContext().spanId);
  for (const span of inCall) console.log('-', span.name, span.attributes);
}
