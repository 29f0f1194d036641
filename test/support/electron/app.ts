// The stand-in's `app`: its life cycle, theme, screens and session.
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { App, Display, NativeTheme, Rectangle, Screen, Session } from 'electron';
import { BrowserWindow, preventable } from './browser-window.ts';
import { launch, quitChromium } from './chromium.ts';
import { onDeed, report } from './control.ts';
import { Menu } from './desktop.ts';

/** Folder of the package.json that names the running main file. */
function appPath(): string {
  for (let at = dirname(process.argv[1] ?? '.'); ; at = dirname(at)) {
    try {
      readFileSync(join(at, 'package.json'));
      return at;
    } catch {
      if (dirname(at) === at) throw new Error('the app has no package.json');
    }
  }
}

class Application extends EventEmitter {
  readonly isPackaged = false;
  readonly #paths = new Map<string, string>([['userData', join(tmpdir(), 'secateur-stand-in')]]);
  #ready: Promise<void> | undefined;

  constructor() {
    super();
    // Runs after the main file, which sets options that are required before the app is ready.
    setImmediate(() => void this.whenReady());
    process.on('SIGTERM', () => this.quit());
    process.on('disconnect', () => this.exit(0));
  }

  whenReady(): Promise<void> {
    // The main file may call this before it has set its paths.
    return (this.#ready ??= new Promise((done) => setImmediate(done)).then(async () => {
      const port = await launch(this.getPath('userData'), () => {
        if (BrowserWindow.getAllWindows().length > 0) this.exit(1);
      });
      this.once('stand-in-loaded', () => report({ said: 'loaded', port }));
      this.emit('ready');
    }));
  }
  getAppPath = appPath;
  getVersion = (): string =>
    (JSON.parse(readFileSync(join(appPath(), 'package.json'), 'utf8')) as { version: string }).version;
  getName = (): string => 'secateur';
  getPath = (name: string): string => this.#paths.get(name) ?? tmpdir();
  setPath = (name: string, path: string): void => void this.#paths.set(name, path);
  requestSingleInstanceLock = (): boolean => true;
  enableSandbox(): void {}

  /** Asks every window first, then the app itself. */
  quit(): void {
    if (this.#prevented('before-quit')) return;
    for (const window of BrowserWindow.getAllWindows()) window.close();
    if (BrowserWindow.getAllWindows().length > 0 || this.#prevented('will-quit')) return;
    this.exit(0);
  }
  exit(code = 0): void {
    void quitChromium().finally(() => process.exit(code));
  }
  #prevented(name: string): boolean {
    const event = preventable();
    this.emit(name, event);
    return event.defaultPrevented;
  }
}

type Imitated =
  'getVersion' | 'getPath' | 'requestSingleInstanceLock' | 'enableSandbox' | 'quit' | 'exit' | 'whenReady';
export const app = new Application() satisfies Pick<App, Imitated>;

class Theme extends EventEmitter {
  themeSource: NativeTheme['themeSource'] = 'system';
  get shouldUseDarkColors(): boolean {
    return this.themeSource === 'dark';
  }
}
export const nativeTheme = new Theme() satisfies Pick<NativeTheme, 'themeSource' | 'shouldUseDarkColors'>;

const area: Rectangle = { x: 0, y: 0, width: 1920, height: 1080 };
const display = { id: 1, bounds: area, workArea: area } as Display;
export const screen = {
  getPrimaryDisplay: () => display,
  getAllDisplays: () => [display],
} satisfies Partial<Screen>;

class DefaultSession extends EventEmitter {
  setPermissionRequestHandler(): void {}
  setPermissionCheckHandler(): void {}
}
type Handlers = 'setPermissionRequestHandler' | 'setPermissionCheckHandler';
export const session = { defaultSession: new DefaultSession() satisfies Pick<Session, Handlers> };

onDeed((deed) => {
  const [window] = BrowserWindow.getAllWindows();
  if (deed.do === 'menu') Menu.getApplicationMenu()?.getMenuItemById(deed.id)?.click();
  if (deed.do === 'close') window?.close();
  if (deed.do === 'end') {
    // Closes without a question: the test is over.
    window?.destroy();
    app.quit();
  }
});
