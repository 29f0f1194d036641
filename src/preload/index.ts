// The only door between the window and the app: one generic forwarder, no logic. The router on the other side validates.
import { contextBridge, ipcRenderer } from 'electron';

const bridge = {
  request: (route: string, input?: unknown): Promise<unknown> => ipcRenderer.invoke('request', route, input),
  on: (topic: string, listener: (event: unknown) => void): (() => void) => {
    const forward = (_: unknown, name: string, event: unknown): void => {
      if (name === topic) listener(event);
    };
    ipcRenderer.on('event', forward);
    return () => void ipcRenderer.off('event', forward);
  },
};

contextBridge.exposeInMainWorld('secateur', bridge);
