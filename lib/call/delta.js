'use strict';
/**
 * Decodes delta encoding: most chunks of a stream differ from an earlier one only in a text, so only the text crosses the boundary
 * and the chunk is made from a template (crates/core/src/events/delta.rs).
 */

/** @typedef {(string | number)[]} Path */

/** Decodes the chunks of one stream. */
class Chunks {
  /** @type {Template | AnyTemplate | undefined} */ #template;

  /**
   * @param {any} encoded One of: a chunk; `[chunk, paths]`, a new template and the paths to its variable texts; the text, or the array
   *   of texts and integers, of a chunk that has the last template's form.
   */
  chunkOf(encoded) {
    if (typeof encoded === 'string') return this.#alike([encoded]);
    if (!Array.isArray(encoded)) return encoded;
    if (typeof encoded[0] !== 'object') return this.#alike(encoded);
    const [chunk, paths] = encoded;
    const hasDelta = typeof chunk.choices?.[0]?.delta === 'object' && chunk.choices[0].delta !== null;
    this.#template = hasDelta ? new Template(chunk, paths) : new AnyTemplate(chunk, paths);
    // The reader may change its chunk, so it gets a copy of the template.
    return this.#alike(paths.map((/** @type {Path} */ path) => textAt(chunk, path)));
  }

  /** @param {(string | number)[]} texts */
  #alike(texts) {
    return /** @type {Template | AnyTemplate} */ (this.#template).chunkWith(texts);
  }
}

/** A template of a chat chunk with one choice that has a `delta`. */
class Template {
  /** @param {any} chunk @param {Path[]} paths */
  constructor(chunk, paths) {
    const [choice] = chunk.choices;
    this.chunk = chunk;
    this.choice = choice;
    this.delta = choice.delta;
    this.paths = paths;
    /** The names of the members that are objects, which each chunk gets its own copy of. */
    this.inChunk = nestedIn(chunk, 'choices');
    this.inChoice = nestedIn(choice, 'delta');
    this.inDelta = nestedIn(choice.delta);
  }

  /** @param {(string | number)[]} texts In the order of the paths. */
  chunkWith(texts) {
    // A spread expression for each level: V8's inline cache copies an object quickly only where it has seen few hidden classes.
    const delta = { ...this.delta };
    copyNested(delta, this.inDelta);
    const choice = { ...this.choice };
    copyNested(choice, this.inChoice);
    choice.delta = delta;
    const chunk = { ...this.chunk };
    copyNested(chunk, this.inChunk);
    chunk.choices = [choice];
    for (let index = 0; index < texts.length; index += 1) {
      const path = /** @type {Path} */ (this.paths[index]);
      ownerOf(chunk, path)[/** @type {string} */ (path.at(-1))] = texts[index];
    }
    return chunk;
  }
}

/** A template of any other event. */
class AnyTemplate {
  /** @param {any} event @param {Path[]} paths */
  constructor(event, paths) {
    this.event = event;
    this.paths = paths;
    this.nested = nestedIn(event);
  }

  /** @param {(string | number)[]} texts In the order of the paths. */
  chunkWith(texts) {
    const event = { ...this.event };
    copyNested(event, this.nested);
    for (let index = 0; index < texts.length; index += 1) {
      const path = /** @type {Path} */ (this.paths[index]);
      ownerOf(event, path)[/** @type {string} */ (path.at(-1))] = texts[index];
    }
    return event;
  }
}

/** The object that holds the last member of a path. @param {any} chunk @param {Path} path */
function ownerOf(chunk, path) {
  let owner = chunk;
  for (let index = 0; index < path.length - 1; index += 1) owner = owner[/** @type {string} */ (path[index])];
  return owner;
}

/** @param {any} chunk @param {Path} path @returns {string} */
const textAt = (chunk, path) => ownerOf(chunk, path)[/** @type {string} */ (path.at(-1))];

/** The names of an object's members that are objects. @param {any} object @param {string} [but] */
function nestedIn(object, but) {
  return Object.keys(object).filter(
    (name) => name !== but && typeof object[name] === 'object' && object[name] !== null,
  );
}

/** @param {any} object @param {string[]} names */
function copyNested(object, names) {
  for (const name of names) object[name] = copyOf(object[name]);
}

/** A deep copy of a JSON value. @param {any} value @returns {any} */
function copyOf(value) {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  const copy = { ...value };
  copyNested(copy, nestedIn(copy));
  return copy;
}

module.exports = { Chunks };
