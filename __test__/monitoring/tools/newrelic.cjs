'use strict';
const newrelic = require('newrelic');

const { agent } = /** @type {any} */ (newrelic);
globalThis.record = async (work) => {
  agent.customEventAggregator.clear();
  await newrelic.startBackgroundTransaction('root', work);
  await new Promise((resolve) => setTimeout(resolve, 20));
  return agent.customEventAggregator
    .getEvents()
    .map(([{ type }, attributes]) => ({ name: type, attributes }))
    .sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
};

/** @param {any} event */
function keyOf({ name, attributes }) {
  return `${name} ${attributes.sequence}`;
}
