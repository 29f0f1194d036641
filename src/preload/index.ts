// The only door between the window and the app: it forwards requests, hands out events and knows the path of a dropped
// file. Whatever passes is checked on the other side.
import { contextBridge, ipcRenderer, webUtils } from 'electron';
import type { Bridge } from '../shared/contract/routes.ts';

type Listener = (event: unknown) => void;
const listeners = new Map<string, Set<Listener>>();
let listening = false;

ipcRenderer.on('events', (_, number: number, batch: readonly { topic: string; event: unknown }[]) => {
  for (const { topic, event } of batch) {
    for (const listener of [...(listeners.get(topic) ?? [])]) {
      try {
        listener(event);
      } catch (e) {
        // One listener's failure is not the others'.
        console.error(e);
      }
    }
  }
  // Only now is the next batch sent: a window that is busy gets fewer of them.
  ipcRenderer.send('events', number);
});

const bridge: Bridge = {
  request: (route, input, call) => ipcRenderer.invoke('request', route, input, call),
  abandon: (call) => ipcRenderer.send('abandon', call),
  on: (topic, listener) => {
    const all = listeners.get(topic) ?? new Set();
    listeners.set(topic, all.add(listener));
    if (!listening) {
      listening = true;
      ipcRenderer.send('events', 0);
    }
    return () => void all.delete(listener);
  },
  dropped: async (file) => {
    let path = '';
    try {
      path = webUtils.getPathForFile(file as File);
    } catch {
      // Not a file.
    }
    return path === '' ? null : ((await ipcRenderer.invoke('dropped', path)) as string | null);
  },
};

contextBridge.exposeInMainWorld('secateur', bridge);
