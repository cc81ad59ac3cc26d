'use strict';

/** The number of consecutive numbers on a page. */
const PAGE = 256;

/**
 * Things by numbers that are given out in a row, each for a short time. A `Map` would do, but for one thing: the tables that
 * it outgrows, one every few dozen calls, lead from one to the next with all that was in them, and once the first is old
 * they are all kept until the next full collection. Nearly a third of what a completion allocates would live that long.
 * What is deleted here is let go at once.
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
