/**
 * @typedef {import('../../lib/testing/behaviour.js').Bytes} Bytes
 * @typedef {import('../../lib/testing/behaviour.js').Common} Common
 * @typedef {import('../../lib/testing/behaviour.js').AnswerMembers} AnswerMembers
 * @typedef {import('../../lib/testing/behaviour.js').Answer} Answer
 * @typedef {import('../../lib/testing/behaviour.js').StreamFault} StreamFault
 * @typedef {import('../../lib/testing/behaviour.js').StreamPoint} StreamPoint
 * @typedef {import('../../lib/testing/behaviour.js').StreamFailure} StreamFailure
 * @typedef {import('../../lib/testing/behaviour.js').StatusMembers} StatusMembers
 * @typedef {import('../../lib/testing/behaviour.js').Status} Status
 * @typedef {import('../../lib/testing/behaviour.js').Mishap} Mishap
 * @typedef {import('../../lib/testing/behaviour.js').RawMembers} RawMembers
 * @typedef {import('../../lib/testing/behaviour.js').Raw} Raw
 * @typedef {import('../../lib/testing/behaviour.js').SseMembers} SseMembers
 * @typedef {import('../../lib/testing/behaviour.js').Sse} Sse
 */

export { namedBehaviours, behaviourOfModel } from '../../lib/testing/behaviour.js';
