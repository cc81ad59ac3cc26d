/** One connection of the fault server: reads requests from a raw socket, logs them, and has each answered in its turn. */

import { Exchange } from './exchange.mjs';

/** @import { Socket } from 'node:net' */
/** @import { Entry } from './exchange.mjs' */
/** @import { Fault } from '../catalogue/fault.mjs' */

let connections = 0;

/**
 * The log of requests, and the faults that answer them.
 * @typedef {object} Service
 * @property {Entry[]} log
 * @property {(name: string) => Fault} fault
 */

/** @param {Socket} socket @param {Service} service @param {Socket} [raw] What is below TLS. */
export function serve(socket, service, raw = socket) {
  const number = ++connections;
  /** @type {Entry[]} */
  const served = [];
  /** @type {Buffer[]} */
  let pieces = [];
  let length = 0;
  /** The request whose body has not come as a whole. @type {{ entry: Entry, start: () => void, bodyAt: number, end: number } | undefined} */
  let arriving;
  let busy = false;

  socket.setNoDelay(true);
  // The peer may disconnect in any way; the log has the time.
  socket.on('error', () => {});
  socket.on('data', (data) => {
    pieces.push(data);
    length += data.length;
    if (arriving) arriving.entry.bodyBytes = Math.min(length, arriving.end) - arriving.bodyAt;
    read();
  });
  socket.on('close', () => {
    for (const entry of served) entry.closedAt ??= performance.now();
    for (const entry of served) entry.written = socket.bytesWritten - socket.writableLength;
  });

  function read() {
    if (busy) return;
    arriving ??= readHead();
    if (!arriving || length < arriving.end) return;
    const { entry, start, bodyAt, end } = arriving;
    const bytes = joined();
    readBody(entry, bytes.subarray(bodyAt, end));
    keepFrom(end);
    arriving = undefined;
    busy = true;
    start();
  }

  function joined() {
    const bytes = Buffer.concat(pieces);
    pieces = [bytes];
    return bytes;
  }

  /** @param {number} from */
  function keepFrom(from) {
    const rest = joined().subarray(from);
    pieces = rest.length > 0 ? [rest] : [];
    length = rest.length;
  }

  function readHead() {
    const bytes = joined();
    if (bytes.length > 0 && !isLetter(bytes[0])) {
      // Such as a hello of TLS: what any server of plain HTTP makes of it.
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return undefined;
    }
    const headEnd = bytes.indexOf('\r\n\r\n');
    if (headEnd < 0) return undefined;
    const [first = '', ...lines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    // METHOD /fault/key/v1/chat/completions HTTP/1.1
    const path = first.split(' ')[1] ?? '';
    const [name = '', key = ''] = path.split('/').slice(1).map(decodeURIComponent);
    const bodyAt = headEnd + 4;
    /** @type {Entry} */
    const entry = {
      key,
      fault: name,
      path,
      headers,
      model: '',
      stream: false,
      body: undefined,
      bodyBytes: length - bodyAt,
      connection: number,
      reused: served.length > 0,
      nth: 0,
      at: performance.now(),
      written: 0,
    };
    service.log.push(entry);
    served.push(entry);
    const fault = service.fault(name);
    const next = () => {
      busy = false;
      // Not at once: a fault may do more to its connection before the next request is read.
      setImmediate(read);
    };
    const start = () => void fault.serve?.(new Exchange(socket, raw, entry, next));
    const end = bodyAt + Number(headers['content-length'] ?? 0);
    if (fault.early) {
      start();
      return { entry, start: () => {}, bodyAt, end };
    }
    return { entry, start, bodyAt, end };
  }

  /** @param {Entry} entry @param {Buffer} bytes */
  function readBody(entry, bytes) {
    entry.bodyBytes = bytes.length;
    try {
      const body = JSON.parse(bytes.toString());
      // A long prompt is not needed again.
      entry.body = bytes.length > 100_000 ? undefined : body;
      entry.model = body.model;
      entry.stream = body.stream === true;
    } catch {
      // not a request of ours; the log shows it
    }
    const same = service.log.filter((other) => other.key === entry.key && other.model === entry.model);
    entry.nth = same.indexOf(entry) + 1;
  }
}

/** @param {number} [byte] */
function isLetter(byte = 0) {
  return byte >= 65 && byte <= 90;
}
