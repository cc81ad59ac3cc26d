'use strict';
/** What the instrumentations for OpenTelemetry have in common. */
const { context, trace } = require('@opentelemetry/api');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { InMemorySpanExporter, SimpleSpanProcessor, NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');

/** @param {any} instrumentation */
function start(instrumentation) {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  provider.register();
  registerInstrumentations({ tracerProvider: provider, instrumentations: [instrumentation] });
  globalThis.record = async (work) => {
    exporter.reset();
    await work();
    await new Promise((resolve) => setTimeout(resolve, 20));
    return exporter
      .getFinishedSpans()
      .map(({ name, attributes, status }) => ({ name, attributes, status: status.code }));
  };
}

module.exports = { start, context, trace };
