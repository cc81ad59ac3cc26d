'use strict';
/** A table by consecutive numbers, whose deleted values can be collected at once. */

/** How many consecutive numbers share a page. */
const PAGE = 256;

/**
 * A table of short-lived values by consecutive numbers, in pages. V8's `Map` grows by copying, and an outgrown table that has moved to the
 * old generation keeps all its values until the next full garbage collection: nearly a third of what a completion allocates. A value
 * that is deleted here is referred to by nothing.
 * @template T
 */
class Numbered {
  /** @type {Map<number, { things: (T | undefined)[], count: number }>} */ #pages = new Map();
  /** The newest page. It is kept when it is empty, as the next number is likely to be on it. */
  #last = -1;

  /** @param {number} number */
  get(number) {
    return this.#pages.get(Math.floor(number / PAGE))?.things[number % PAGE];
  }

  /** @param {number} number @param {T} thing */
  set(number, thing) {
    const key = Math.floor(number / PAGE);
    let page = this.#pages.get(key);
    if (!page) {
      if (this.#pages.get(this.#last)?.count === 0) this.#pages.delete(this.#last);
      this.#last = key;
      page = { things: new Array(PAGE).fill(undefined), count: 0 };
      this.#pages.set(key, page);
    }
    if (page.things[number % PAGE] === undefined) page.count += 1;
    page.things[number % PAGE] = thing;
  }

  /** @param {number} number */
  delete(number) {
    const key = Math.floor(number / PAGE);
    const page = this.#pages.get(key);
    if (page?.things[number % PAGE] === undefined) return;
    page.things[number % PAGE] = undefined;
    page.count -= 1;
    if (page.count === 0 && key !== this.#last) this.#pages.delete(key);
  }
}

module.exports = { Numbered };
