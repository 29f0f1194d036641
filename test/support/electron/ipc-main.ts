// The main process's side of IPC.
import { EventEmitter } from 'node:events';
import type { IpcMain, IpcMainInvokeEvent } from 'electron';

type Handler = (event: IpcMainInvokeEvent, ...args: unknown[]) => unknown;
const handlers = new Map<string, Handler>();

class Main extends EventEmitter {
  handle(channel: string, handler: Handler): void {
    if (handlers.has(channel)) throw new Error(`Attempted to register a second handler for '${channel}'`);
    handlers.set(channel, handler);
  }
  removeHandler(channel: string): void {
    handlers.delete(channel);
  }
}

export const ipcMain = new Main() satisfies Pick<IpcMain, 'handle' | 'removeHandler'>;

export type Outcome = { readonly value: unknown } | { readonly error: string };

/**
 * Handles `ipcRenderer.invoke`. Only the message of a thrown error reaches the page, as in
 * Electron.
 */
export async function invoke(event: IpcMainInvokeEvent, channel: string, args: unknown[]): Promise<Outcome> {
  const handler = handlers.get(channel);
  try {
    if (!handler) throw new Error(`No handler registered for '${channel}'`);
    return { value: await handler(event, ...args) };
  } catch (e) {
    return { error: `Error invoking remote method '${channel}': ${String(e)}` };
  }
}
