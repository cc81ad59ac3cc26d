import { createRequire } from 'node:module';
import * as Sentry from '@sentry/node10';

createRequire(import.meta.url)('./sentry.cjs').start(Sentry);
