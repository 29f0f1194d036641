// Serves the built window under app://secateur/. All other addresses are refused.
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { protocol } from 'electron';
import { HOST, SCHEME } from './address.ts';
import { resolveInside } from './inside.ts';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** Must run before the app is ready. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
}

/** Serves app:// requests from `root`. */
export function serveRenderer(root: string): void {
  protocol.handle(SCHEME, async (request) => {
    const file = request.method === 'GET' ? await resolveInside(root, HOST, request.url) : null;
    const type = file === null ? undefined : TYPES[extname(file)];
    if (file === null || type === undefined) return new Response('Not found', { status: 404 });
    return new Response(await readFile(file), {
      headers: { 'content-type': type, 'x-content-type-options': 'nosniff' },
    });
  });
}
