/**
 * Serves the window over HTTP, for a machine without a screen: the files of the built window, one
 * address for requests, one event stream. Listens on loopback only. Every request needs the token,
 * and Host and Origin must be this machine's own names, so that no foreign page can reach it, even
 * through a name that resolves to this machine.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { SecateurError, type ErrorCode } from '../../shared/contract/errors.ts';
import type { Topic } from '../../shared/contract/routes.ts';
import { Outbox } from './outbox.ts';
import type { Router } from './router.ts';

export interface HttpOptions {
  readonly router: Router;
  /** Folder of the built window. */
  readonly root: string;
  /** 0: any free port. */
  readonly port: number;
  /** Returns the token of a port; default: a fresh token. */
  readonly tokenFor?: (port: number) => Promise<string>;
  /**
   * Stores a file sent by the page, given its upload id, name and bytes. Resolves to its path on
   * this machine.
   */
  readonly upload?: (id: string, name: string, content: Readable) => Promise<string>;
  readonly log: (line: string) => void;
}

export interface HttpWindow {
  /** Includes the token. */
  readonly url: string;
  readonly port: number;
  readonly token: string;
  close(): Promise<void>;
}

/** An incomplete request is closed after this time without a byte. */
const SILENCE_MS = 30_000;
/** The page treats the stream as lost after three intervals of silence. */
const HEARTBEAT_MS = 500;
const BODY_LIMIT = 1 << 20;
const NAMES = ['127.0.0.1', 'localhost', '[::1]'];
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; " +
  "font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Starts the server. Throws `port-unusable`. */
export async function serveWindow(o: HttpOptions): Promise<HttpWindow> {
  let token = '';
  const streams = new Set<() => void>();
  const server = createServer((request, response) => {
    const { socket } = request;
    socket.setTimeout(SILENCE_MS);
    request.once('end', () => socket.setTimeout(0));
    void answer(request, response, o, token, streams).catch(() => {
      if (!response.headersSent) response.writeHead(500).end();
      else response.destroy();
    });
  });
  // An upload may take hours as long as data arrives.
  server.requestTimeout = 0;
  server.on('connection', (socket) => socket.on('timeout', () => socket.destroy()));
  await listen(server, o.port);
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : o.port;
  token = (await o.tokenFor?.(port)) ?? randomBytes(24).toString('base64url');
  return {
    url: `http://127.0.0.1:${port}/#${token}`,
    port,
    token,
    close: async () => {
      for (const end of streams) end();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', (e) => fail(new SecateurError('port-unusable', { port, reason: e.message }, { cause: e })));
    server.listen(port, '127.0.0.1', done);
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  o: HttpOptions,
  token: string,
  streams: Set<() => void>,
): Promise<void> {
  const refuse = (status: number, reason: string): void => {
    o.log(`refused http ${request.method} ${JSON.stringify((request.url ?? '').slice(0, 80))}: ${reason}`);
    fail(response, status, new SecateurError('request-refused', { reason }));
  };
  if (!ownName(request.headers.host)) return refuse(421, 'it names another host');
  const { origin } = request.headers;
  if (origin !== undefined && !sameOrigin(origin, request.headers.host!))
    return refuse(403, 'it comes from another page');
  const url = URL.parse(request.url ?? '/', 'http://127.0.0.1');
  if (!url) return refuse(400, 'its address is not valid');
  if (!url.pathname.startsWith('/api/')) return file(request, response, o.root, url.pathname);
  if (!sameToken(request.headers.authorization, token)) return refuse(401, 'the token is missing or wrong');
  if (url.pathname === '/api/events' && request.method === 'GET') return stream(response, o.router, streams);
  const upload = /^\/api\/upload\/([\w-]{1,64})\/(.+)$/.exec(url.pathname);
  if (upload && request.method === 'PUT' && o.upload) {
    try {
      const name = upload[2]!.split('/').map(decodeURIComponent).join('/');
      return json(response, 200, { ok: true, data: { path: await o.upload(upload[1]!, name, request) } });
    } catch (e) {
      // The unread rest of the body would be parsed as the next request.
      response.setHeader('connection', 'close');
      const error = e instanceof URIError ? new SecateurError('request-refused', { reason: 'its address is not valid' }) : SecateurError.from(e); // prettier-ignore
      return fail(response, 400, error);
    }
  }
  if (url.pathname !== '/api/request' || request.method !== 'POST') return refuse(404, 'there is no such address');
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) return refuse(415, 'it is not JSON');
  const body = await read(request);
  if (body === null) {
    // The unread rest of the body would be parsed as the next request.
    response.setHeader('connection', 'close');
    return refuse(413, 'it is too long');
  }
  let asked: { route?: unknown; input?: unknown };
  try {
    asked = JSON.parse(body) as typeof asked;
  } catch {
    return refuse(400, 'it is not JSON');
  }
  if (typeof asked !== 'object' || asked === null || typeof asked.route !== 'string')
    return refuse(400, 'it names no route');
  // A page that abandons a request, or is closed, closes the connection.
  const abandoned = new AbortController();
  response.on('close', () => abandoned.abort());
  const reply = await o.router.call(asked.route, asked.input, { transport: 'http', signal: abandoned.signal });
  const bad: readonly ErrorCode[] = ['request-invalid', 'path-refused'];
  json(response, reply.ok || !bad.includes(reply.error.code) ? 200 : 400, reply);
}

const ownName = (host: string | undefined): boolean => host !== undefined && NAMES.includes(host.replace(/:\d+$/, ''));

function sameOrigin(origin: string, host: string): boolean {
  const from = URL.parse(origin);
  return from?.protocol === 'http:' && from.host === host;
}

/**
 * Compares digests, which have equal lengths, so that the time of the comparison reveals nothing.
 */
function sameToken(header: string | undefined, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}

async function read(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > BODY_LIMIT) return null;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
};

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { ...HEADERS, 'content-type': 'application/json' }).end(JSON.stringify(value));
}

const fail = (response: ServerResponse, status: number, error: SecateurError): void =>
  json(response, status, { ok: false, error: error.toPayload() });

/** Serves only files inside the window's folder, after links are resolved. */
async function file(request: IncomingMessage, response: ServerResponse, root: string, pathname: string): Promise<void> {
  try {
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new Error('method');
    const name = decodeURIComponent(pathname === '/' ? '/index.html' : pathname);
    const folder = await realpath(root);
    const path = await realpath(resolve(folder, `.${name}`));
    const type = TYPES[extname(path)];
    if (!path.startsWith(folder + sep) || !(await stat(path)).isFile() || !type) throw new Error('outside');
    response
      .writeHead(200, { ...HEADERS, 'content-type': type, 'content-security-policy': POLICY })
      .end(request.method === 'HEAD' ? undefined : await readFile(path));
  } catch {
    response.writeHead(404, { ...HEADERS, 'content-type': 'text/plain' }).end('Not found');
  }
}

/**
 * One JSON document per line. While the reader is slow, events of the same key replace each other.
 */
function stream(response: ServerResponse, router: Router, streams: Set<() => void>): void {
  response.writeHead(200, { ...HEADERS, 'content-type': 'application/x-ndjson' });
  response.write('\n');
  let ready = true;
  const outbox = new Outbox();
  const flush = (): void => {
    if (!ready || outbox.empty) return;
    ready = response.write(`${JSON.stringify(outbox.take())}\n`);
  };
  response.on('drain', () => {
    ready = true;
    flush();
  });
  const off = router.on((topic: Topic, event) => outbox.put(topic, event));
  const timer = setInterval(flush, 50);
  // An empty line is the heartbeat: its absence tells the page that the server is gone, however the
  // connection ended.
  const heart = setInterval(() => ready && (ready = response.write('\n')), HEARTBEAT_MS);
  const end = (): void => {
    clearInterval(timer);
    clearInterval(heart);
    off();
    streams.delete(end);
    response.end();
  };
  streams.add(end);
  response.on('close', end);
}
