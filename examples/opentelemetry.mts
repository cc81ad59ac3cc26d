// Prints the spans of a call. In your program, use the SDK for Node.js (`@opentelemetry/sdk-node`) in place of this provider: it has
// the context manager that gives each span its parent.

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
