/**
 * A call and a stream where another global `Promise` is put in place. Arguments: an upstream's URL; `zone` for one that, like
 * that of zone.js, is there before the SDK and reads the state of its own instances instead of asking their `then`.
 */

const [baseURL, kind] = process.argv.slice(2);

/** @type {any} */
const Native = Promise;
const { then } = Native.prototype;

class Other extends Native {}

class Zoned extends Native {
  constructor(/** @type {any} */ executor) {
    super((/** @type {any} */ resolve, /** @type {any} */ reject) =>
      executor((/** @type {any} */ value) => {
        if (value instanceof Zoned) then.call(value, resolve, reject);
        else resolve(value);
      }, reject),
    );
  }
}

if (kind === 'zone') {
  Zoned.prototype.then = then;
  Native.prototype.then = function (/** @type {any[]} */ ...reactions) {
    return new Zoned((/** @type {any} */ resolve, /** @type {any} */ reject) => then.call(this, resolve, reject)).then(
      ...reactions,
    );
  };
  globalThis.Promise = /** @type {any} */ (Zoned);
}
const { default: OpenAI } = await import('openpipe-native');
if (kind !== 'zone') globalThis.Promise = /** @type {any} */ (Other);

for (const transport of /** @type {const} */ (['native', 'fetch'])) {
  const openai = new OpenAI({ apiKey: 'sk-test', baseURL, maxRetries: 0, openpipe: { transport } });
  const { data, response } = await openai.chat.completions.create({ model: 'gpt-4o', messages: [] }).withResponse();
  console.log(response.status, data.choices[0]?.message.content);
  let text = '';
  const stream = await openai.chat.completions.create({ model: 'gpt-4o', messages: [], stream: true });
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
  console.log(text);
}
