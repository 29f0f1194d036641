/** The router and its HTTP server together, for a process without a window of its own. */
import { spawn } from 'node:child_process';
import { platform } from 'node:process';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Services } from '../services/index.ts';
import { keptToken, lastPort } from '../services/served-token.ts';
import { serveWindow, type HttpWindow } from './http.ts';
import { createRouter } from './router.ts';

export interface ServeOptions {
  readonly services: Services;
  readonly version: string;
  /** 0: the port that was served last, or any free one. */
  readonly port: number;
  /** Folder of the built window. */
  readonly root: string;
  /** First folder of the window's own file list. */
  readonly start: string;
  readonly log: (line: string) => void;
}

/** Throws `port-unusable`. */
export async function serveHere(o: ServeOptions): Promise<HttpWindow> {
  const { services, log, root } = o;
  const router = createRouter(services, { version: o.version, mode: 'served', start: o.start, reveal, log });
  const path = services.servedFile;
  await services.uploads.clean(services.jobs.requests());
  const on = (port: number): Promise<HttpWindow> =>
    serveWindow({
      router,
      root,
      port,
      tokenFor: (taken) => keptToken(path, taken),
      upload: (id, name, content) => services.uploads.write(id, name, content),
      log,
    });
  const last = o.port === 0 ? await lastPort(path) : null;
  if (last === null) return on(o.port);
  try {
    return await on(last);
  } catch (e) {
    // Another window or another program uses that port.
    if (SecateurError.from(e).code !== 'port-unusable') throw e;
    return on(0);
  }
}

/** Without a desktop, nothing opens and the window says so. */
function reveal(path: string): Promise<boolean> {
  const [command, ...args] =
    platform === 'darwin'
      ? ['open', '-R', path]
      : platform === 'win32'
        ? ['explorer', `/select,${path}`]
        : ['xdg-open', path];
  if (platform === 'linux' && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY']) return Promise.resolve(false);
  return new Promise((done) => {
    const child = spawn(command!, args, { stdio: 'ignore', detached: true });
    child.on('error', () => done(false));
    child.on('spawn', () => {
      child.unref();
      done(true);
    });
  });
}
