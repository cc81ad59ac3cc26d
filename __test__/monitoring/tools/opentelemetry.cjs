'use strict';
const { OpenAIInstrumentation } = require('@opentelemetry/instrumentation-openai');

require('./otel.cjs').start(new OpenAIInstrumentation());
