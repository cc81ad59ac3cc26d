/** The page: sends the sliders' values, and draws the outcomes of the lanes. */

const WINDOW_MS = 20_000;
const SHOWN_CALLS = 12;

const presets = {
  'All well': { failures: 0, latency: 150, stalls: 0, blocked: 0 },
  'Some errors': { failures: 20, latency: 150, stalls: 10, blocked: 0 },
  Outage: { failures: 100, latency: 150, stalls: 0, blocked: 0 },
  'Half of it hangs': { failures: 0, latency: 150, stalls: 50, blocked: 0 },
  'Too slow': { failures: 0, latency: 2200, stalls: 0, blocked: 0 },
  'Busy JavaScript': { failures: 20, latency: 150, stalls: 20, blocked: 600 },
};

/** @type {(id: string) => HTMLElement} */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {string} tag @param {Record<string, string>} [attributes] @param {(Node | string)[]} [children] */
function element(tag, attributes = {}, children = []) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const setup = await (await fetch('/setup')).json();
const settings = setup.settings;
byId('note').textContent =
  `Every call has a timeout of ${setup.TIMEOUT_MS / 1000} s. Figures are of the last ${WINDOW_MS / 1000} s. Each lane is a process of its own. The breaker opens after 10 failures that are half of all outcomes, for 5 s.`;

/** @type {Record<string, HTMLInputElement>} */
const inputs = {};
for (const [name, { label, min, max, step }] of /** @type {[string, any][]} */ (Object.entries(setup.sliders))) {
  const input = /** @type {HTMLInputElement} */ (element('input', { type: 'range', id: name, min, max, step }));
  input.addEventListener('input', () => change({ [name]: Number(input.value) }));
  inputs[name] = input;
  byId('sliders').append(element('label', {}, [label, element('output', { for: name }), input]));
}
for (const [label, values] of Object.entries(presets)) {
  const button = element('button', { type: 'button' }, [label]);
  button.addEventListener('click', () => change(values));
  byId('presets').append(button);
}
showSettings();

/** @param {Record<string, number>} values */
function change(values) {
  Object.assign(settings, values);
  showSettings();
  void fetch('/settings', { method: 'POST', body: JSON.stringify(settings) });
}

function showSettings() {
  for (const [name, input] of Object.entries(inputs)) {
    input.value = settings[name];
    const { unit, max } = setup.sliders[name];
    const output = /** @type {HTMLElement} */ (input.parentElement?.querySelector('output'));
    output.textContent = max === 1 ? (settings[name] ? 'on' : 'off') : `${settings[name]} ${unit}`;
  }
}

/** @param {{ name: string, title: string }} lane */
function makeLane({ name, title }) {
  const figures = ['answered', 'failed', 'p50', 'p99'].map((label) => {
    const value = element('dd', { 'data-figure': label });
    return element('div', {}, [element('dt', {}, [label]), value]);
  });
  const share = element('div', { class: 'share' }, [
    element('i', { class: 'by-primary' }),
    element('i', { class: 'by-fallback' }),
    element('i', { class: 'by-failed' }),
  ]);
  const waiting = element('span');
  const errors = element('p');
  const canvas = /** @type {HTMLCanvasElement} */ (
    element('canvas', { 'aria-label': 'Each call by the time it took' })
  );
  const card = element('article', { class: name === 'openpipe-native' ? 'lane ours' : 'lane', 'data-lane': name }, [
    element('h3', {}, [title, waiting]),
    element('dl', { class: 'figures' }, figures),
    share,
    canvas,
    errors,
  ]);
  byId('lanes').append(card);
  return { card, share, waiting, errors, canvas, calls: /** @type {any[]} */ ([]), pending: 0 };
}

const lanes = new Map(setup.lanes.map((/** @type {any} */ lane) => [lane.name, makeLane(lane)]));

new EventSource('/events').addEventListener('message', ({ data }) => {
  const { lane: name, snapshot } = JSON.parse(data);
  const lane = lanes.get(name);
  if (!lane) return;
  lane.calls.push(...snapshot.ended);
  lane.pending = snapshot.waiting;
  showLane(lane);
  if (name === 'openpipe-native') showOurs(lane, snapshot.circuits);
});

/** @param {any} lane */
function showLane(lane) {
  const since = Date.now() - WINDOW_MS;
  lane.calls = lane.calls.filter((/** @type {any} */ call) => call.at > since);
  const count = (/** @type {string} */ by) => lane.calls.filter((/** @type {any} */ call) => call.by === by).length;
  const failed = count('failed');
  const times = lane.calls
    .map((/** @type {any} */ { ms }) => ms)
    .sort((/** @type {number} */ a, /** @type {number} */ b) => a - b);
  figure(lane, 'answered', String(lane.calls.length - failed), '');
  figure(lane, 'failed', String(failed), '', failed > 0 ? 'is-bad' : 'is-good');
  for (const [label, at] of /** @type {[string, number][]} */ ([
    ['p50', 0.5],
    ['p99', 0.99],
  ])) {
    const ms = times[Math.min(times.length - 1, Math.floor(times.length * at))];
    if (ms === undefined) figure(lane, label, '–', '');
    else if (ms < 1000) figure(lane, label, String(Math.round(ms)), 'ms');
    else figure(lane, label, (ms / 1000).toFixed(1), 's');
  }
  const all = Math.max(1, lane.calls.length);
  ['primary', 'fallback', 'failed'].forEach((by, index) => {
    lane.share.children[index].style.width = `${(count(by) / all) * 100}%`;
  });
  lane.waiting.textContent = `${lane.pending} waiting`;
  lane.errors.textContent = errorsOf(lane.calls);
}

/** @param {any} lane @param {string} label @param {string} value @param {string} unit @param {string} [look] */
function figure(lane, label, value, unit, look = '') {
  const found = lane.card.querySelector(`[data-figure=${label}]`);
  found.className = look;
  found.replaceChildren(value, ...(unit ? [element('small', {}, [unit])] : []));
}

/** @param {any[]} calls */
function errorsOf(calls) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { error } of calls) if (error) counts.set(error, (counts.get(error) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.length > 0 ? sorted.map(([name, count]) => `${count} × ${name}`).join(', ') : 'no errors';
}

/** @param {any} lane @param {{ model: string, state: string }[]} circuits */
function showOurs(lane, circuits) {
  const calls = lane.calls
    .filter((/** @type {any} */ { attempts }) => attempts)
    .slice(-SHOWN_CALLS)
    .reverse();
  const span = Math.max(500, ...calls.map((/** @type {any} */ { ms }) => ms));
  byId('attempts').replaceChildren(...calls.map((/** @type {any} */ call) => callRow(call, span)));
  const rows = circuits.map(({ model, state }) =>
    element('li', {}, [model, element('span', { class: state === 'closed' ? 'badge' : 'badge is-open' }, [state])]),
  );
  byId('circuits').replaceChildren(...(rows.length > 0 ? rows : [element('li', {}, ['The circuit breaker is off.'])]));
}

/** @param {any} call @param {number} span */
function callRow({ attempts, ms }, span) {
  const track = element('div', { class: 'track' });
  attempts.forEach((/** @type {any} */ attempt, /** @type {number} */ index) => {
    const look =
      attempt.outcome === 'ok'
        ? index === 0
          ? 'primary'
          : 'fallback'
        : attempt.outcome === 'circuit_open'
          ? 'skipped'
          : 'failed';
    const bar = element('i', { class: `by-${look}`, title: `${attempt.model}: ${attempt.outcome}` });
    bar.style.left = `${(attempt.from / span) * 100}%`;
    bar.style.width = `${Math.min(100, (attempt.ms / span) * 100)}%`;
    track.append(bar);
  });
  const words = attempts.map((/** @type {any} */ { model, outcome }) => `${model} ${outcome}`).join(' → ');
  return element('li', {}, [track, element('span', { class: 'words' }, [`${Math.round(ms)} ms: ${words}`])]);
}

/** Each call is a dot: to the right the time of its end, upwards how long the caller waited. */
const RULES_MS = [10, 100, 1_000, 10_000];
const LOWEST_MS = 2;
const HIGHEST_MS = 20_000;

/** @param {any} lane */
function drawLane({ canvas, calls }) {
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== width * ratio) [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const left = 46;
  const y = (/** @type {number} */ ms) => {
    const share = Math.log(Math.max(LOWEST_MS, ms) / LOWEST_MS) / Math.log(HIGHEST_MS / LOWEST_MS);
    return height - 6 - share * (height - 12);
  };
  pen.font = '11px system-ui, sans-serif';
  for (const ms of RULES_MS) {
    pen.fillStyle = probe('--line');
    pen.fillRect(left, y(ms), width - left, 1);
    pen.fillStyle = probe('--faint');
    pen.fillText(ms < 1000 ? `${ms} ms` : `${ms / 1000} s`, 0, y(ms) + 4);
  }
  const now = Date.now();
  for (const { at, ms, by } of calls) {
    const x = left + (1 - (now - at) / WINDOW_MS) * (width - left);
    if (x < left) continue;
    pen.fillStyle = probe(`--${by}`);
    pen.globalAlpha = 0.75;
    pen.beginPath();
    pen.arc(x, y(ms), 2.6, 0, 7);
    pen.fill();
    pen.globalAlpha = 1;
  }
}

/** A colour of the style sheet, resolved for the page's scheme. @type {Map<string, string>} */
const resolved = new Map();
const probed = element('span', { hidden: '' });
document.body.append(probed);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => resolved.clear());

/** @param {string} name */
function probe(name) {
  let found = resolved.get(name);
  if (found === undefined) {
    probed.style.color = `var(${name})`;
    found = getComputedStyle(probed).color;
    resolved.set(name, found);
  }
  return found;
}

function draw() {
  for (const lane of lanes.values()) drawLane(lane);
  requestAnimationFrame(draw);
}
draw();
