// Entry of the Electron app: composition only.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { app, BrowserWindow, ipcMain } from 'electron';
import { SecateurError } from '../shared/contract/errors.ts';
import { askToLeave, choosePath, reveal, showFault } from './app/dialogs.ts';
import { connectIpc } from './app/ipc.ts';
import { closeBeforeQuit, guardWindow } from './app/leave.ts';
import { setMenu } from './app/menu.ts';
import { registerScheme, serveRenderer } from './app/protocol.ts';
import { lockDown } from './app/security.ts';
import { withTheme } from './app/theme.ts';
import { utilitySpawner } from './app/utility-process.ts';
import { createWindow, loadWindow } from './app/window.ts';
import { openServices } from './services/index.ts';
import { writeFileAtomic } from './storage/atomic.ts';
import { dataHome, ensureHome } from './storage/paths.ts';
import { createRouter } from './transport/router.ts';

// The built file lies in out/main.
const out = dirname(import.meta.dirname);
const log = (line: string): void => console.error(line);
let window: BrowserWindow | null = null;

async function start(home: string): Promise<void> {
  const services = openServices({
    home,
    spawner: utilitySpawner({ worker: join(import.meta.dirname, 'worker.js') }),
    resources: join(app.isPackaged ? process.resourcesPath : dirname(out), 'resources'),
  });
  let placed = Promise.resolve();
  closeBeforeQuit(async () => void (await Promise.all([services.close(), placed])));
  const router = createRouter(services, {
    version: app.getVersion(),
    mode: 'electron',
    choose: (kind) => choosePath(window, kind),
    reveal,
    log,
  });
  const channel = connectIpc({
    ipc: ipcMain,
    router: withTheme(router, services.settings.get().theme),
    window: () => window,
    log,
  });
  const mine = (): number =>
    services.jobs.list().filter((j) => (j.status === 'queued' || j.status === 'running') && j.ownerPid === process.pid)
      .length;

  lockDown();
  serveRenderer(join(out, 'renderer'));
  setMenu((command) => channel.tell('menu', { command }));
  const open = async (): Promise<void> => {
    const write = (path: string, text: string): Promise<void> => (placed = writeFileAtomic(path, text));
    window = createWindow({ out, state: join(home, 'window.json'), write, log });
    guardWindow(window, { busy: mine, ask: askToLeave });
    window.on('closed', () => {
      window = null;
      channel.stop();
    });
    await loadWindow(window);
  };
  app.on('activate', () => void (window === null && open()));
  await open();
}

/**
 * Creates the data folder, which also holds Chromium's files: two data folders are two app
 * instances. Throws `home-unwritable`.
 */
function prepare(): string {
  const { home } = ensureHome(dataHome());
  const browser = join(home, 'browser');
  mkdirSync(browser, { recursive: true });
  app.setPath('userData', browser);
  return home;
}

function fail(e: unknown): void {
  log(e instanceof Error ? (e.stack ?? e.message) : String(e));
  showFault(SecateurError.from(e));
  app.exit(1);
}

try {
  const home = prepare();
  registerScheme();
  app.enableSandbox();
  if (!app.requestSingleInstanceLock()) app.quit();
  else {
    app.on('second-instance', () => {
      if (window?.isMinimized()) window.restore();
      window?.focus();
    });
    app.on('window-all-closed', () => {
      if (process.platform !== 'darwin') app.quit();
    });
    app
      .whenReady()
      .then(() => start(home))
      .catch(fail);
  }
} catch (e) {
  fail(e);
}
