/** The router and its HTTP server together, for a process without a window of its own. */
import { spawn } from 'node:child_process';
import { platform } from 'node:process';
import type { Services } from '../services/index.ts';
import { serveWindow, type HttpWindow } from './http.ts';
import { createRouter } from './router.ts';

export interface ServeOptions {
  readonly services: Services;
  readonly version: string;
  readonly port: number;
  /** Folder of the built window. */
  readonly root: string;
  /** Folders that the window may list. */
  readonly roots: readonly string[];
  readonly log: (line: string) => void;
}

/** Throws `port-unusable`. */
export function serveHere(o: ServeOptions): Promise<HttpWindow> {
  const router = createRouter(o.services, {
    version: o.version,
    mode: 'served',
    roots: o.roots,
    reveal,
    log: o.log,
  });
  return serveWindow({ router, root: o.root, port: o.port, log: o.log });
}

/** On a machine without a desktop nothing opens, and the window says so. */
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
