// Entry of the Electron app: composition only.
import { dirname, join } from 'node:path';
import { app, BrowserWindow } from 'electron';
import { registerScheme, serveRenderer } from './app/protocol.ts';
import { lockDown } from './app/security.ts';
import { openWindow } from './app/window.ts';

const out = dirname(import.meta.dirname);

registerScheme();
if (!app.requestSingleInstanceLock()) app.quit();
else {
  app.on('second-instance', () => {
    const [window] = BrowserWindow.getAllWindows();
    if (window?.isMinimized()) window.restore();
    window?.focus();
  });
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit();
  });
  void app.whenReady().then(async () => {
    lockDown();
    serveRenderer(join(out, 'renderer'));
    await openWindow(out);
    app.on('activate', () => {
      if (BrowserWindow.getAllWindows().length === 0) void openWindow(out);
    });
  });
}
