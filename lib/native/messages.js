'use strict';
/** The messages of a delivery (src/mailbox.rs). */

const { parse } = JSON;

/**
 * Parses all messages at once. Where that fails each is parsed by itself, so that only the malformed one is lost. A message of no call
 * takes its place, so that its texts are still counted.
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

/** Splits a JSON array into the texts of its elements, which may be malformed inside. @param {string} text */
function elementsOf(text) {
  const elements = [];
  let depth = 0;
  let start = 1;
  // A token is a string as a whole, or a character that opens, closes or separates.
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
