// The one window.
import { join } from 'node:path';
import { BrowserWindow, nativeTheme } from 'electron';
import { START_PAGE } from './protocol.ts';

/** Opens the window; `out` is the build folder that holds preload/ and renderer/. */
export async function openWindow(out: string): Promise<BrowserWindow> {
  const window = new BrowserWindow({
    width: 1280,
    height: 800,
    minWidth: 800,
    minHeight: 600,
    show: false,
    title: 'Secateur',
    // The page's own background, so that nothing flashes before the first paint.
    backgroundColor: nativeTheme.shouldUseDarkColors ? '#12161c' : '#f7f8f6',
    webPreferences: {
      preload: join(out, 'preload', 'index.cjs'),
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webSecurity: true,
      spellcheck: false,
    },
  });
  window.removeMenu();
  window.once('ready-to-show', () => window.show());
  await window.loadURL(START_PAGE);
  return window;
}
