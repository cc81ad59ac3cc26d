'use strict';
require('./sentry.cjs').start(require('@sentry/node10'));
