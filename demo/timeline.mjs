/** Prints what happens, when it happens, in ms since the call was made. */

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 };

/** @typedef {keyof typeof STYLES} Style */

/** Whose line it is decides its colour; without colours the word itself says it. */
const STYLE_OF = /** @type {const} */ ({
  call: 'dim',
  primary: 'yellow',
  failed: 'red',
  fallback: 'cyan',
  token: 'blue',
  answer: 'green',
  error: 'red',
  loop: 'dim',
});

const INDENT = '     ';
const TIME_WIDTH = 9;
const WORD_WIDTH = 10;

const coloured = Boolean(process.stdout.isTTY) && !process.env['NO_COLOR'];

/** @typedef {ReturnType<typeof createTimeline>} Timeline */

/** One timeline for one call. */
export function createTimeline() {
  let startedAt = Date.now();
  let zero = performance.now();
  const elapsed = () => performance.now() - zero;
  return {
    elapsed,

    /** The call is made now. */
    start() {
      startedAt = Date.now();
      zero = performance.now();
    },

    /**
     * @param {number} epochMs
     * @returns {number} In ms since the call was made; for the clocks of other processes.
     */
    since: (epochMs) => epochMs - startedAt,

    /**
     * @param {keyof typeof STYLE_OF} who
     * @param {string} text
     * @param {number} [ms] When, if not now.
     */
    line(who, text, ms = elapsed()) {
      const time = `+${Math.max(0, Math.round(ms))} ms`.padStart(TIME_WIDTH);
      say(`${INDENT}${style('dim', time)}  ${style(STYLE_OF[who], who.padEnd(WORD_WIDTH))}${text}`);
    },

    /**
     * What is known only afterwards, and so has no place in time.
     *
     * @param {string} word
     * @param {string} text
     */
    note(word, text) {
      say(`${INDENT}${' '.repeat(TIME_WIDTH)}  ${style('dim', word.padEnd(WORD_WIDTH))}${text}`);
    },
  };
}

/**
 * @param {number} number
 * @param {string} title
 * @param {string} promise
 */
export function printHeading(number, title, promise) {
  say(`\n${style('bold', `${String(number).padStart(2)}.  ${title}`)}`);
  say(`${INDENT}${style('dim', `Promised: ${promise}`)}`);
}

/** @param {string[]} problems None: it went as promised. */
export function printVerdict(problems) {
  if (problems.length === 0) say(`${INDENT}${style('green', '✓ as promised')}`);
  for (const problem of problems) say(`${INDENT}${style('red', `✗ NOT as promised: ${problem}`)}`);
}

/**
 * @param {number} kept
 * @param {number} all
 * @param {number} ms
 */
export function printSummary(kept, all, ms) {
  const text = `${kept} of ${all} situations went as promised, in ${(ms / 1000).toFixed(1)} s.`;
  say(`\n${style(kept === all ? 'green' : 'red', style('bold', text))}`);
}

/** @param {string} text */
export function say(text) {
  process.stdout.write(`${text}\n`);
}

/**
 * @param {Style} name
 * @param {string} text
 */
function style(name, text) {
  return coloured ? `\u001b[${STYLES[name]}m${text}\u001b[0m` : text;
}
