/** The charts of results.json, as SVG. */

import { init } from 'echarts';

import { median } from './median.mjs';
import { OURS } from './situations.mjs';

/** @typedef {import('./report.mjs').Results} Results */

const OUR_COLOUR = '#0f766e';
const THEIR_COLOUR = '#94a3b8';
/** Variants of this package, which are in the tables only. */
const NOT_DRAWN = ['floor', 'openpipe-native, reporting'];
const FONT = { fontFamily: 'system-ui, sans-serif', color: '#334155' };

/** @param {any} option @param {number} width @param {number} height */
function svg(option, width, height) {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  // A white background, also on a dark page.
  chart.setOption({ animation: false, backgroundColor: '#fff', textStyle: FONT, ...option });
  const text = chart.renderToSVGString();
  chart.dispose();
  return `${text}\n`;
}

/** @param {string} text */
const title = (text) => ({ text, left: 12, top: 10, textStyle: { ...FONT, fontSize: 14, fontWeight: 600 } });

/**
 * A bar for each peer, the shortest (or with `isMore` the longest) first.
 * @param {Results} results @param {string} situation @param {string} metric @param {string} heading @param {boolean} [isMore]
 */
function bars(results, situation, metric, heading, isMore = false) {
  const peers = Object.entries(results[situation] ?? {})
    .filter(([peer, metrics]) => !NOT_DRAWN.includes(peer) && metrics[metric])
    .map(([peer, metrics]) => ({ peer, value: median(metrics[metric] ?? []) }))
    .sort((a, b) => (isMore ? a.value - b.value : b.value - a.value));
  const option = {
    title: title(heading),
    grid: { left: 130, right: 90, top: 44, bottom: 16 },
    xAxis: { type: 'value', axisLabel: { show: false }, splitLine: { show: false } },
    yAxis: {
      type: 'category',
      data: peers.map(({ peer }) => peer),
      axisTick: { show: false },
      axisLine: { show: false },
    },
    series: [
      {
        type: 'bar',
        barWidth: '62%',
        data: peers.map(({ peer, value }) => ({
          value: Number(value.toPrecision(3)),
          itemStyle: { color: peer === OURS ? OUR_COLOUR : THEIR_COLOUR, borderRadius: 2 },
        })),
        label: {
          show: true,
          position: 'right',
          formatter: (/** @type {{ value: number }} */ { value }) => value.toLocaleString('en'),
          ...FONT,
        },
      },
    ],
  };
  return svg(option, 640, 70 + peers.length * 30);
}

/**
 * A line for each peer over a number that grows.
 * @param {Results} results @param {RegExp} situations The number is its group. @param {string} metric @param {string} heading
 * @param {string} over
 */
function lines(results, situations, metric, heading, over) {
  const points = Object.entries(results).flatMap(([name, peers]) => {
    const number = situations.exec(name)?.[1];
    return number === undefined ? [] : [{ number: Number(number), peers }];
  });
  const peers = [...new Set(points.flatMap((point) => Object.keys(point.peers)))];
  const option = {
    title: title(heading),
    legend: { right: 12, top: 10, data: peers },
    grid: { left: 80, right: 30, top: 56, bottom: 50 },
    xAxis: { type: 'log', name: over, nameLocation: 'middle', nameGap: 30 },
    yAxis: { type: 'value', axisLabel: { formatter: (/** @type {number} */ value) => value.toLocaleString('en') } },
    series: peers.map((peer) => ({
      name: peer,
      type: 'line',
      symbolSize: 7,
      color: peer === OURS ? OUR_COLOUR : THEIR_COLOUR,
      data: points
        .map(({ number, peers: of }) => [number, median(of[peer]?.[metric] ?? [])])
        .filter(([, value]) => Number.isFinite(value)),
    })),
  };
  return svg(option, 640, 320);
}

/** Each chart by its name. @param {Results} results @returns {Record<string, string>} */
export function drawCharts(results) {
  return {
    loop: bars(
      results,
      'completions of 1 KB, 32 at a time',
      'loop µs',
      'Time of the JavaScript thread for each completion, µs (less is better)',
    ),
    events: bars(
      results,
      'streams at full speed, 16 at a time',
      'events/s',
      'Events a second, 16 streams at full speed (more is better)',
      true,
    ),
    'growth-completions': lines(
      results,
      /^growth: (\d+) completions/,
      'requests/s',
      'Completions a second',
      'calls at a time',
    ),
    'growth-streams': lines(results, /^growth: (\d+) streams/, 'rss MB', 'Memory of the process, MB', 'open streams'),
  };
}
