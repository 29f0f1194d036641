// Runs in the page, as text: the module that a sandboxed preload gets from require('electron').

/**
 * Name of the binding to the stand-in's process, and of the object that the process calls in the
 * page.
 */
export const BINDING = '__standInCall';
export const INBOX = '__standInInbox';

/** The page's interface for the stand-in. */
export interface Inbox {
  deliver(channel: string, args: unknown[]): void;
  /** Paths of files by name, for webUtils. */
  readonly paths: Map<string, string>;
}

/**
 * Returns the script that runs before the page's own: `source` is a preload in CommonJS. It does
 * not run in subframes.
 */
export function preloadScript(source: string): string {
  const setUp = `(${pageSide.toString()})(${JSON.stringify(BINDING)}, ${JSON.stringify(INBOX)})`;
  return `if (window.top === window) (() => {
    const require = ${setUp}, module = { exports: {} };
    (function (require, module, exports) {${source}\n})(require, module, module.exports);
  })();`;
}

/** Must be self-contained: the page has no access to anything outside its body. */
function pageSide(binding: string, inboxName: string): (name: string) => unknown {
  type Listener = (event: object, ...args: unknown[]) => void;
  type Call = (kind: string, channel: string, args: unknown[]) => Promise<{ value?: unknown; error?: string }>;
  const page = globalThis as unknown as Record<string, unknown>;
  const call: Call = (kind, channel, args) => (page[binding] as Call)(kind, channel, structuredClone(args));
  const listeners = new Map<string, Set<Listener>>();
  const inbox: Inbox = {
    deliver(channel, args) {
      for (const listener of [...(listeners.get(channel) ?? [])]) listener({}, ...args);
    },
    paths: new Map(),
  };
  page[inboxName] = inbox;
  const ipcRenderer = {
    async invoke(channel: string, ...args: unknown[]) {
      const { value, error } = await call('invoke', channel, args);
      if (error !== undefined) throw new Error(error);
      return value;
    },
    send: (channel: string, ...args: unknown[]) => void call('send', channel, args),
    on(channel: string, listener: Listener) {
      listeners.set(channel, (listeners.get(channel) ?? new Set()).add(listener));
      return ipcRenderer;
    },
    off(channel: string, listener: Listener) {
      listeners.get(channel)?.delete(listener);
      return ipcRenderer;
    },
  };
  const electron = {
    ipcRenderer,
    contextBridge: {
      exposeInMainWorld(key: string, api: object) {
        Object.defineProperty(page, key, { value: Object.freeze({ ...api }), enumerable: true });
      },
    },
    webUtils: {
      getPathForFile(file: { name?: unknown; lastModified?: unknown }) {
        if (typeof file?.name !== 'string' || file.lastModified === undefined) throw new TypeError('not a File');
        return inbox.paths.get(file.name) ?? '';
      },
    },
  };
  return (name) => {
    if (name === 'electron') return electron;
    throw new Error(`module not found: ${name}`);
  };
}
