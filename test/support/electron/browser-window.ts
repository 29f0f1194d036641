// The stand-in's windows and their contents.
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import type {
  BrowserWindowConstructorOptions,
  HandlerDetails,
  IpcMainInvokeEvent,
  Rectangle,
  WebContents as RealContents,
  WebFrameMain,
  WindowOpenHandlerResponse,
} from 'electron';
import type { Frame, Page } from 'playwright-core';
import { newPage, type PageOwner } from './chromium.ts';
import { app, session } from './app.ts';
import { invoke, ipcMain } from './ipc-main.ts';
import { INBOX, preloadScript, type Inbox } from './page-side.ts';
import { fromChromium, toChromium } from './protocol.ts';

/** An event that listeners can prevent. */
export function preventable<T extends object>(more?: T): T & Preventable {
  const event = { ...(more as T), defaultPrevented: false, preventDefault: () => void (event.defaultPrevented = true) };
  return event;
}
interface Preventable {
  readonly defaultPrevented: boolean;
  preventDefault(): void;
}

const frames = new WeakMap<Frame, Pick<WebFrameMain, 'url' | 'parent' | 'top'>>();
/** One object per frame, as in Electron. */
function frameOf(frame: Frame): WebFrameMain {
  const known = frames.get(frame) ?? {
    get url() {
      return fromChromium(frame.url());
    },
    get parent() {
      const parent = frame.parentFrame();
      return parent && frameOf(parent);
    },
    get top() {
      return frameOf(frame.page().mainFrame());
    },
  };
  frames.set(frame, known);
  return known as WebFrameMain;
}

type Offered = 'send' | 'setWindowOpenHandler' | 'getURL' | 'reload' | 'isDestroyed';
class WebContents extends EventEmitter implements PageOwner, Pick<RealContents, Offered> {
  readonly session = session.defaultSession;
  readonly page: Promise<Page>;
  /** Target of a navigation by the app itself, which is allowed without an event. */
  #going: string | null = null;
  #gone = false;
  /** Electron's own default. */
  #openHandler: (details: HandlerDetails) => WindowOpenHandlerResponse = () => ({ action: 'allow' });

  constructor({ webPreferences, width, height }: BrowserWindowConstructorOptions) {
    super();
    this.page = newPage(this).then(async (page) => {
      const { preload } = webPreferences ?? {};
      if (preload) await page.addInitScript({ content: preloadScript(readFileSync(preload, 'utf8')) });
      await page.setViewportSize({ width: width ?? 800, height: height ?? 600 });
      page.on('crash', () => this.emit('render-process-gone', {}, { reason: 'crashed', exitCode: 1 }));
      page.on('download', (download) => {
        const event = preventable();
        this.session.emit('will-download', event);
        if (event.defaultPrevented) void download.cancel();
      });
      page.on('close', () => (this.#gone = true));
      return page;
    });
    // Electron emits this at once, before the caller has the window.
    app.emit('web-contents-created', {}, this);
  }

  getURL(): string {
    return this.#going ?? '';
  }
  isDestroyed(): boolean {
    return this.#gone;
  }
  setWindowOpenHandler(handler: (details: HandlerDetails) => WindowOpenHandlerResponse): void {
    this.#openHandler = handler;
  }
  /** Messages to a page that is being replaced are lost, as in Electron. */
  send(channel: string, ...args: unknown[]): void {
    const message = { inbox: INBOX, channel, args };
    const deliver = (m: typeof message): void => {
      const page = globalThis as unknown as Record<string, Inbox | undefined>;
      page[m.inbox]?.deliver(m.channel, m.args);
    };
    void this.page.then((page) => page.evaluate(deliver, message)).catch(() => undefined);
  }
  async load(url: string): Promise<void> {
    const page = await this.page;
    this.#going = url;
    await page.goto(toChromium(url));
    this.emit('did-finish-load');
  }
  reload(): void {
    void this.page.then((page) => page.reload());
  }

  mayNavigate(frame: Frame, url: string): boolean {
    if (url === this.#going && frame.parentFrame() === null) return true;
    const event = preventable({ url, isMainFrame: frame.parentFrame() === null });
    this.emit('will-frame-navigate', event);
    if (event.isMainFrame) this.emit('will-navigate', event, url);
    return !event.defaultPrevented;
  }
  opened(url: string): void {
    if (this.#openHandler({ url } as HandlerDetails).action === 'deny') return;
    console.error(`${url} was let open a window, which the stand-in does not imitate`);
    app.exit(1);
  }
  called(frame: Frame, kind: 'invoke' | 'send', channel: string, args: unknown[]): Promise<unknown> {
    const event = { sender: this, senderFrame: frameOf(frame) } as unknown as IpcMainInvokeEvent;
    if (kind === 'invoke') return invoke(event, channel, args);
    return Promise.resolve(void ipcMain.emit(channel, event, ...args));
  }
}

const open = new Set<BrowserWindow>();

export class BrowserWindow extends EventEmitter {
  static getAllWindows = (): BrowserWindow[] => [...open];
  readonly webContents: WebContents;
  #bounds: Rectangle;
  #maximized = false;
  #destroyed = false;

  constructor(options: BrowserWindowConstructorOptions = {}) {
    super();
    const { x = 0, y = 0, width = 800, height = 600 } = options;
    this.#bounds = { x, y, width, height };
    this.webContents = new WebContents(options);
    open.add(this);
  }

  async loadURL(url: string): Promise<void> {
    await this.webContents.load(url);
    this.emit('ready-to-show');
    app.emit('stand-in-loaded');
  }
  /** Closes the window as the user does. */
  close(): void {
    const event = preventable();
    this.emit('close', event);
    if (!event.defaultPrevented) this.destroy();
  }
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    open.delete(this);
    void this.webContents.page.then((page) => page.close());
    this.emit('closed');
    if (open.size === 0) app.emit('window-all-closed');
  }
  setBounds(bounds: Partial<Rectangle>): void {
    this.#bounds = { ...this.#bounds, ...bounds };
    this.emit('move');
    this.emit('resize');
  }
  maximize(): void {
    this.#maximized = true;
    this.emit('maximize');
  }
  getNormalBounds = (): Rectangle => this.#bounds;
  isMaximized = (): boolean => this.#maximized;
  isMinimized = (): boolean => false;
  isDestroyed = (): boolean => this.#destroyed;
  show(): void {}
  restore(): void {}
  focus(): void {}
}
