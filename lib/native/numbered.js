'use strict';

/** The number of consecutive numbers on a page. */
const PAGE = 256;

/**
 * A table of short-lived values by consecutive numbers. A `Map` keeps its outgrown tables in a chain, with all that was in them,
 * until the next full collection once the first of them is old: nearly a third of what a completion allocates. A value that is
 * deleted here can be collected at once.
 * @template T
 */
class Numbered {
  /** @type {Map<number, { things: (T | undefined)[], count: number }>} */ #pages = new Map();
  /** The page that was opened last. It stays while it is empty: the next number is likely to be on it. */
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
