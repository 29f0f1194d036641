// The single window: its creation, its position, and the storing of that position.
import { join } from 'node:path';
import { BrowserWindow, nativeTheme, screen } from 'electron';
import { START_PAGE } from './address.ts';
import { LEAST, onScreen, readWindowState, type WindowState } from './window-state.ts';

export interface WindowOptions {
  /** The build folder that holds preload/ and renderer/. */
  readonly out: string;
  /** File that stores the window's position. */
  readonly state: string;
  /** Replaces the file atomically. */
  readonly write: (path: string, text: string) => Promise<void>;
  readonly log: (line: string) => void;
}

/** Time from the last move of the window to the writing of its position. */
const SETTLE_MS = 500;
/** Two crashes of the page within this time count as a crash loop. */
const CRASH_LOOP_MS = 10_000;

/**
 * Creates the window and begins to load its page; it becomes visible when there is something to
 * show.
 */
export function createWindow(o: WindowOptions): BrowserWindow {
  const { bounds, maximized } = readWindowState(o.state);
  const primary = screen.getPrimaryDisplay();
  const others = screen.getAllDisplays().filter((d) => d.id !== primary.id);
  const place = onScreen(
    bounds,
    [primary, ...others].map((d) => d.workArea),
  );
  const window = new BrowserWindow({
    width: 1280,
    height: 800,
    ...place,
    minWidth: LEAST.width,
    minHeight: LEAST.height,
    show: false,
    title: 'Secateur',
    // Matches the page's background, so that nothing flashes before the first paint.
    backgroundColor: nativeTheme.shouldUseDarkColors ? '#12161c' : '#f7f8f6',
    webPreferences: {
      preload: join(o.out, 'preload', 'index.cjs'),
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webSecurity: true,
      spellcheck: false,
    },
  });
  window.once('ready-to-show', () => {
    if (maximized) window.maximize();
    window.show();
  });
  reloadAfterCrash(window, o.log);
  remember(window, o);
  return window;
}

/** Loads the page. */
export async function loadWindow(window: BrowserWindow): Promise<void> {
  await window.loadURL(START_PAGE);
}

/**
 * Reloads a crashed page. Jobs continue in other processes, and the page finds them again. A page
 * that crashes again at once is not reloaded.
 */
function reloadAfterCrash(window: BrowserWindow, log: (line: string) => void): void {
  let last = -Infinity;
  window.webContents.on('render-process-gone', (_, { reason, exitCode }) => {
    if (reason === 'clean-exit' || window.isDestroyed()) return;
    log(`the page ended: ${reason} (${exitCode})`);
    const now = performance.now();
    if (now - last > CRASH_LOOP_MS) window.webContents.reload();
    last = now;
  });
}

function remember(window: BrowserWindow, { state, write, log }: WindowOptions): void {
  let timer: NodeJS.Timeout | undefined;
  const save = (): void => {
    clearTimeout(timer);
    const now: WindowState = { bounds: window.getNormalBounds(), maximized: window.isMaximized() };
    // A failed write is only logged: the next window then opens at the older position.
    write(state, `${JSON.stringify(now)}\n`).catch((e: unknown) =>
      log(`the position of the window is not saved: ${String(e)}`),
    );
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(save, SETTLE_MS);
  };
  window.on('resize', later);
  window.on('move', later);
  window.on('maximize', later);
  window.on('unmaximize', later);
  window.on('close', save);
  window.on('closed', () => clearTimeout(timer));
}
