// Requests of the window over Electron's IPC, and the events back to it. The sender is checked
// before the content.
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
  /** Logs refused senders. */
  readonly log: (line: string) => void;
}

export interface WindowChannel {
  /** Sends the window an event that does not come from the router. */
  tell<T extends Topic>(topic: T, event: Events[T]): void;
  /** Called when the window is gone. */
  stop(): void;
}

/** Answers `request` and `dropped`, and sends the router's events in batches over `events`. */
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

  /** Requests that the page may abandon, under the names it gave them. */
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
      // A rejection would cross IPC with nothing but its message.
      return { ok: false, error: SecateurError.from(e).toPayload() };
    } finally {
      if (name !== null && pending.get(name) === abort) pending.delete(name);
    }
  });
  ipc.on('abandon', (event, call: unknown) => {
    if (!stranger(event, 'abandon') && typeof call === 'string') pending.get(call)?.abort();
  });

  // Only the preload calls this, with the path of a file that the user dropped.
  ipc.handle('dropped', (event, path: unknown): string | null => {
    if (stranger(event, 'dropped') || !isDroppable(path)) return null;
    router.grant(path);
    return path;
  });

  // Zero when the page begins to listen, then the number of each acknowledged batch.
  ipc.on('events', (event, number: unknown) => {
    if (stranger(event, 'events') || typeof number !== 'number') return;
    if (number === 0) {
      // A page was just loaded, so no one waits for the requests of the previous page.
      for (const abort of pending.values()) abort.abort();
      batches.listen();
    } else batches.taken(number);
  });

  return { tell: (topic, event) => batches.put(topic, event), stop: () => batches.stop() };
}

/**
 * Returns null when the sender is the main frame of the window and shows one of the app's pages;
 * otherwise the reason for the refusal.
 */
function whyRefused(event: IpcMainInvokeEvent | IpcMainEvent, window: BrowserWindow | null): string | null {
  if (!window || window.isDestroyed() || event.sender !== window.webContents) return 'it did not come from the window';
  try {
    const frame = event.senderFrame;
    if (!frame) return 'its page is gone';
    if (frame.parent !== null) return 'it came from a frame inside the page';
    const url = URL.parse(frame.url);
    return url?.protocol === `${SCHEME}:` && url.host === HOST ? null : 'the page is not one of Secateur';
  } catch {
    // Electron throws when a property of a closed frame is read.
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
