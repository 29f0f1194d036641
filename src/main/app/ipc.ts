// The window's requests over Electron's IPC, and the events back to it. Whoever sends is checked before what is sent.
import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { BrowserWindow, IpcMain, IpcMainEvent, IpcMainInvokeEvent } from 'electron';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Events, Reply, Topic } from '../../shared/contract/routes.ts';
import type { Router } from '../transport/router.ts';
import { Batches } from './batches.ts';
import { HOST, SCHEME } from './address.ts';

export interface IpcOptions {
  readonly ipc: Pick<IpcMain, 'handle' | 'on'>;
  readonly router: Router;
  /** The one window, while it is open. */
  readonly window: () => BrowserWindow | null;
  /** Senders that were refused. */
  readonly log: (line: string) => void;
}

export interface WindowChannel {
  /** Tells the window something that the router does not know of. */
  tell<T extends Topic>(topic: T, event: Events[T]): void;
  /** The window is gone. */
  stop(): void;
}

/** Answers `request` and `dropped`, and sends what the router tells as batches over `events`. */
export function connectIpc({ ipc, router, window, log }: IpcOptions): WindowChannel {
  const batches = new Batches((number, batch) => {
    const open = window();
    if (open && !open.isDestroyed()) open.webContents.send('events', number, batch);
  });
  router.on((topic, event) => batches.put(topic, event));

  const stranger = (event: IpcMainInvokeEvent | IpcMainEvent, channel: string): SecateurError | null => {
    const reason = whyRefused(event, window());
    if (reason === null) return null;
    log(`refused ipc ${channel}: ${reason}`);
    return new SecateurError('request-refused', { reason });
  };

  /** Requests that the page may abandon, by the names that it gave them. */
  const pending = new Map<string, AbortController>();
  ipc.handle('request', async (event, route: unknown, input: unknown, call?: unknown): Promise<Reply<unknown>> => {
    const abort = new AbortController();
    const name = typeof call === 'string' ? call : null;
    try {
      const refusal = stranger(event, 'request');
      if (refusal) throw refusal;
      if (typeof route !== 'string')
        throw new SecateurError('request-invalid', { route: typeof route, reason: 'its name is not a text' });
      if (name !== null) pending.set(name, abort);
      return await router.call(route, input, { transport: 'ipc', signal: abort.signal });
    } catch (e) {
      // A rejection would lose everything but its message on the way.
      return { ok: false, error: SecateurError.from(e).toPayload() };
    } finally {
      if (name !== null && pending.get(name) === abort) pending.delete(name);
    }
  });
  ipc.on('abandon', (event, call: unknown) => {
    if (!stranger(event, 'abandon') && typeof call === 'string') pending.get(call)?.abort();
  });

  // The preload alone asks this, with a path that it got from a file which the user dropped.
  ipc.handle('dropped', (event, path: unknown): string | null => {
    if (stranger(event, 'dropped') || !isDroppable(path)) return null;
    router.grant(path);
    return path;
  });

  // Zero when the page begins to listen, then the number of each batch it has taken.
  ipc.on('events', (event, number: unknown) => {
    if (stranger(event, 'events') || typeof number !== 'number') return;
    if (number === 0) {
      // A page that has just been loaded: nobody waits for what the one before had asked for.
      for (const abort of pending.values()) abort.abort();
      batches.listen();
    } else batches.taken(number);
  });

  return { tell: (topic, event) => batches.put(topic, event), stop: () => batches.stop() };
}

/** Null when the sender is the main frame of our window and shows one of our pages; otherwise what it is. */
function whyRefused(event: IpcMainInvokeEvent | IpcMainEvent, window: BrowserWindow | null): string | null {
  if (!window || window.isDestroyed() || event.sender !== window.webContents) return 'it did not come from the window';
  try {
    const frame = event.senderFrame;
    if (!frame) return 'its page is gone';
    if (frame.parent !== null) return 'it came from a frame inside the page';
    const url = URL.parse(frame.url);
    return url?.protocol === `${SCHEME}:` && url.host === HOST ? null : 'the page is not one of Secateur';
  } catch {
    // Electron throws when a frame is asked after its end.
    return 'its page is gone';
  }
}

function isDroppable(path: unknown): path is string {
  if (typeof path !== 'string' || path.length > 4096 || path.includes('\0') || !isAbsolute(path)) return false;
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
