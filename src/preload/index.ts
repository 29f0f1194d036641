// The only bridge between the window and the app: it forwards requests, delivers events and finds
// the path of a dropped file. The other side checks all data.
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
        // A failing listener must not stop the others.
        console.error(e);
      }
    }
  }
  // The acknowledgement requests the next batch, so a busy window receives fewer batches.
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
      // The value is not a file.
    }
    return path === '' ? null : ((await ipcRenderer.invoke('dropped', path)) as string | null);
  },
};

contextBridge.exposeInMainWorld('secateur', bridge);
