// Serves the built window under app://secateur/. Only files that lie inside the renderer folder, links resolved.
import { readFile, realpath } from 'node:fs/promises';
import { extname, resolve, sep } from 'node:path';
import { protocol } from 'electron';

export const SCHEME = 'app';
export const HOST = 'secateur';
export const START_PAGE = `${SCHEME}://${HOST}/index.html`;

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

/** The absolute path of the file that a URL names, or null when it is not a file inside `root`. */
export async function resolveInside(root: string, url: string): Promise<string | null> {
  try {
    const { host, pathname } = new URL(url);
    if (host !== HOST) return null;
    const name = decodeURIComponent(pathname);
    if (name.includes('\0') || name.includes('\\')) return null;
    const folder = await realpath(root);
    const file = await realpath(resolve(folder, `.${name}`));
    return file.startsWith(folder + sep) ? file : null;
  } catch {
    return null;
  }
}

/** Answers app:// requests out of `root`. */
export function serveRenderer(root: string): void {
  protocol.handle(SCHEME, async (request) => {
    const file = request.method === 'GET' ? await resolveInside(root, request.url) : null;
    const type = file === null ? undefined : TYPES[extname(file)];
    if (file === null || type === undefined) return new Response('Not found', { status: 404 });
    return new Response(await readFile(file), {
      headers: { 'content-type': type, 'x-content-type-options': 'nosniff' },
    });
  });
}
