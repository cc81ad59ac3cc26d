'use strict';
/** @param {any} Sentry */
function start(Sentry) {
  /** @type {any[]} */
  const spans = [];
  Sentry.init({
    dsn: 'http://public@127.0.0.1:9/1',
    tracesSampleRate: 1,
    traceLifecycle: 'static',
    dataCollection: { genAI: { inputs: true, outputs: true } },
    sendDefaultPii: true,
    beforeSendTransaction: (event) => {
      spans.push(...event.spans);
      return null;
    },
    transport: () => ({ send: async () => ({}), flush: async () => true }),
  });
  globalThis.record = async (work) => {
    spans.length = 0;
    await Sentry.startSpan({ name: 'root', op: 'test' }, work);
    await Sentry.flush(500);
    return spans
      .filter(({ op }) => op?.startsWith('gen_ai'))
      .map(({ description, op, data, status }) => ({ name: description, op, status, attributes: data }));
  };
}

module.exports = { start };
