'use strict';
/** The messages of a delivery (src/mailbox.rs). */

const { parse } = JSON;

/**
 * Reads all messages at once. Where that fails, each is read alone, so that only the one which is wrong is lost; in its place
 * stands one of no call, for the texts that it brings along.
 * @param {string} text A JSON array of messages, each `[call, name, …]`.
 * @param {(call: number, error: unknown) => void} failed
 * @returns {any[][]}
 */
function messagesOf(text, failed) {
  try {
    return parse(text);
  } catch {
    return elementsOf(text).map((element) => {
      try {
        return parse(element);
      } catch (error) {
        const [, call, name] = /^\[(\d+),"(\w+)"/.exec(element) ?? [];
        failed(Number(call), error);
        return [-1, name];
      }
    });
  }
}

/** The texts of a JSON array's elements, whatever is wrong within them. @param {string} text */
function elementsOf(text) {
  const elements = [];
  let depth = 0;
  let start = 1;
  // A string is passed over at once; what is left are the characters that open, close and separate.
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},]/gs)) {
    if (token === '[' || token === '{') depth += 1;
    else if (token === ']' || token === '}') depth -= 1;
    const ends = (token === ',' && depth === 1) || (token === ']' && depth === 0);
    if (!ends) continue;
    if (index > start) elements.push(text.slice(start, index));
    start = index + 1;
  }
  return elements;
}

module.exports = { messagesOf };
