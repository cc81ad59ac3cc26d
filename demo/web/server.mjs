/** Serves the page with sliders on 127.0.0.1, and starts the processes of the lanes and of the upstreams. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { peerNames, titleOf } from '../clients.mjs';

import { firstSettings, settingsOf, sliders, TIMEOUT_MS } from './settings.mjs';

/**
 * @import { ChildProcess } from "node:child_process"
 * @import { IncomingMessage, ServerResponse } from "node:http"
 * @import { ClientName } from "../clients.mjs"
 */

/** @type {ClientName[]} */
const laneNames = [...peerNames, 'openpipe-native'];

/** Settings are some hundred bytes. */
const MOST_BYTES = 10_000;

const headers = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:",
};

const files = {
  '/': { file: 'page.html', type: 'text/html; charset=utf-8' },
  '/page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
};

/**
 * @param {{ port?: number }} [options] Default: a port that is free.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function serveDemo({ port = 0 } = {}) {
  let settings = firstSettings();
  /** @type {Set<ServerResponse>} */
  const readers = new Set();
  const upstreams = start('./upstreams.mjs', []);
  const [urls] = await once(upstreams, 'message');
  const lanes = laneNames.map((name) => {
    const child = start('./lane.mjs', [name, urls.primary, urls.fallback]);
    child.on('message', (snapshot) => {
      for (const reader of readers) reader.write(`data: ${JSON.stringify({ lane: name, snapshot })}\n\n`);
    });
    return child;
  });
  const children = [upstreams, ...lanes];

  const server = createServer(async (request, response) => {
    // Another site's page in the same browser must not change settings, also by DNS rebinding.
    if (!isOurs(request, server)) return void response.writeHead(403).end();
    const { pathname } = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (request.method === 'POST' && pathname === '/settings') {
      settings = settingsOf(await readJson(request), settings);
      for (const child of children) if (child.connected) child.send(settings);
      return void response.writeHead(204, headers).end();
    }
    if (pathname === '/events') return follow(response);
    if (pathname === '/setup') {
      const setup = { lanes: laneNames.map((name) => ({ name, title: titleOf(name) })), sliders, settings, TIMEOUT_MS };
      response.writeHead(200, { ...headers, 'content-type': 'application/json' });
      return void response.end(JSON.stringify(setup));
    }
    const found = Object.hasOwn(files, pathname) ? files[/** @type {keyof typeof files} */ (pathname)] : undefined;
    if (!found) return void response.writeHead(404, headers).end();
    response.writeHead(200, { ...headers, 'content-type': found.type });
    response.end(readFileSync(new URL(found.file, import.meta.url)));
  });

  /** @param {ServerResponse} response */
  function follow(response) {
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' });
    response.flushHeaders();
    readers.add(response);
    response.on('close', () => readers.delete(response));
  }

  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${portOf(server)}/`,
    async close() {
      for (const child of children) child.kill();
      for (const reader of readers) reader.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** @param {string} module @param {string[]} args @returns {ChildProcess} */
function start(module, args) {
  return fork(new URL(module, import.meta.url), args, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

/** @param {IncomingMessage} request @param {import("node:http").Server} server */
function isOurs({ headers: { host, origin } }, server) {
  const port = portOf(server);
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  return hosts.includes(host ?? '') && (origin === undefined || hosts.some((each) => origin === `http://${each}`));
}

/** @param {import("node:http").Server} server */
function portOf(server) {
  return /** @type {import("node:net").AddressInfo} */ (server.address()).port;
}

/** @param {IncomingMessage} request @returns {Promise<unknown>} */
async function readJson(request) {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) {
    text += piece;
    if (text.length > MOST_BYTES) return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
