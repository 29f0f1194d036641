// Custom schemes, and the addresses that represent them in Chromium.
import type { CustomScheme, Protocol } from 'electron';

type Handler = (request: Request) => Response | Promise<Response>;

const standard = new Set<string>();
const handlers = new Map<string, Handler>();

export const protocol = {
  registerSchemesAsPrivileged(schemes: CustomScheme[]): void {
    for (const { scheme, privileges } of schemes) if (privileges?.standard) standard.add(scheme);
  },
  handle(scheme: string, handler: Handler): void {
    if (handlers.has(scheme)) throw new Error(`the scheme ${scheme} has a handler already`);
    handlers.set(scheme, handler);
  },
} satisfies Partial<Protocol>;

/**
 * Maps app://host/path to https://host.app.invalid/path for registered schemes; other addresses
 * stay unchanged.
 */
export function toChromium(url: string): string {
  const { protocol: scheme, host, pathname, search, hash } = new URL(url);
  const name = scheme.slice(0, -1);
  return standard.has(name) ? `https://${host}.${name}.invalid${pathname}${search}${hash}` : url;
}

/** The inverse of `toChromium`; other addresses stay unchanged. */
export function fromChromium(url: string): string {
  const parsed = URL.parse(url);
  const [, host, name] = /^(.*)\.([a-z]+)\.invalid$/.exec(parsed?.host ?? '') ?? [];
  if (!parsed || !host || !name || !standard.has(name)) return url;
  return `${name}://${host}${parsed.pathname}${parsed.search}${parsed.hash}`;
}

/** The response of the app's handler, or null when the scheme has no handler. */
export async function answer(url: string, method: string): Promise<Response | null> {
  const handler = handlers.get(new URL(url).protocol.slice(0, -1));
  return handler ? await handler(new Request(url, { method })) : null;
}
