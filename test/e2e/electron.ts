// Starts the built app: in Electron when its binary is installed, otherwise on the stand-in of
// test/support/electron.
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { _electron, chromium, type Page } from '@playwright/test';
import type { Deed, DialogName, Report } from '../support/electron/control.ts';
import { INBOX, type Inbox } from '../support/electron/page-side.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const STARTED_MS = 300_000;
const ENDED_MS = 60_000;

export interface LaunchOptions {
  /** The data folder. */
  readonly home: string;
  /** Folder of the app's package.json and out/; this repository by default. */
  readonly app?: string;
}

export interface ElectronWindow {
  readonly page: Page;
  /** True for Electron itself, false for the stand-in. */
  readonly real: boolean;
  /** Sets the answer of the next dialog of that name. Without an answer the dialog is cancelled. */
  answer(dialog: DialogName, answer: unknown): Promise<void>;
  /** Dialogs shown so far (on the stand-in). */
  readonly dialogs: readonly { readonly dialog: DialogName; readonly options: unknown }[];
  /** Makes a path available to the page as a dropped file: by its name, on the stand-in. */
  fileAt(path: string): Promise<void>;
  /** Chooses an item of the menu by its id. */
  menu(id: string): Promise<void>;
  /** Closes the window as the user does, with the question about running jobs. */
  closeWindow(): Promise<void>;
  /** Resolves with the exit code when the app has ended. */
  readonly ended: Promise<number | null>;
  /** Output of the app so far. */
  output(): string;
  /** Ends the app without a question. */
  close(): Promise<void>;
}

/** Path of Electron's binary, or null when only its package is installed. */
export function electronBinary(root = ROOT): string | null {
  const folder = join(root, 'node_modules/electron');
  const name = join(folder, 'path.txt');
  const dist = process.env['ELECTRON_OVERRIDE_DIST_PATH'] ?? join(folder, 'dist');
  const path = join(dist, existsSync(name) ? readFileSync(name, 'utf8').trim() : 'electron');
  return existsSync(path) ? path : null;
}

/** Opens the window. Throws with the app's output when it does not open. */
export function launchElectron({ home, app = ROOT }: LaunchOptions): Promise<ElectronWindow> {
  const binary = electronBinary();
  const env = { ...process.env, SECATEUR_HOME: home } as Record<string, string>;
  return binary ? launchReal(binary, app, env) : launchStandIn(app, env);
}

async function launchReal(executablePath: string, app: string, env: Record<string, string>): Promise<ElectronWindow> {
  const electron = await _electron.launch({ executablePath, args: [app], env });
  const child = electron.process();
  const said = collect(child);
  return {
    page: await electron.firstWindow(),
    real: true,
    dialogs: [],
    answer: (name, answer) =>
      electron.evaluate(
        ({ dialog }, given) => void ((dialog as never)[given.name] = (async () => given.answer) as never),
        {
          name,
          answer,
        },
      ),
    fileAt: () => Promise.resolve(),
    menu: (id) => electron.evaluate(({ Menu }, item) => Menu.getApplicationMenu()?.getMenuItemById(item)?.click(), id),
    closeWindow: () => electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.close()),
    ended: exitOf(child),
    output: said,
    close: async () => {
      // Without a question, as on the stand-in.
      await electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().forEach((w) => w.destroy()));
      await electron.close();
    },
  };
}

async function launchStandIn(app: string, env: Record<string, string>): Promise<ElectronWindow> {
  const child = fork(join(app, 'out/main/index.js'), [], {
    execArgv: ['--import', join(ROOT, 'test/support/electron/register.ts')],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env,
  });
  const said = collect(child);
  const ended = exitOf(child);
  const dialogs: { dialog: DialogName; options: unknown }[] = [];
  let limit: NodeJS.Timeout | undefined;
  const port = await new Promise<number>((done, fail) => {
    const stop = (why: string): void => fail(new Error(`the app did not open: ${why}\n${said()}`));
    limit = setTimeout(() => stop(`nothing after ${STARTED_MS / 1000} s`), STARTED_MS);
    void ended.then((code) => stop(`exit code ${code}`));
    child.on('message', (m: Report) => {
      if (m.said === 'loaded') done(m.port);
      if (m.said === 'dialog') dialogs.push({ dialog: m.dialog, options: m.options });
    });
  })
    .catch((e: unknown) => {
      child.kill('SIGKILL');
      throw e;
    })
    .finally(() => clearTimeout(limit));
  const browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`);
  const [page] = browser.contexts()[0]?.pages() ?? [];
  if (!page) throw new Error('the window has no page');
  const tell = (deed: Deed): Promise<void> =>
    new Promise((done, fail) => child.send(deed, (e) => (e ? fail(e) : done())));
  return {
    page,
    real: false,
    dialogs,
    answer: (dialog, answer) => tell({ do: 'answer', dialog, answer }),
    fileAt: (path) =>
      page.evaluate(
        ([inbox, name, at]) => void (globalThis as unknown as Record<string, Inbox>)[inbox!]!.paths.set(name!, at!),
        [INBOX, basename(path), path],
      ),
    menu: (id) => tell({ do: 'menu', id }),
    closeWindow: () => tell({ do: 'close' }),
    ended,
    output: said,
    close: async () => {
      if (child.connected) await tell({ do: 'end' });
      const kill = setTimeout(() => child.kill('SIGKILL'), ENDED_MS);
      await ended;
      clearTimeout(kill);
      await browser.close();
    },
  };
}

function collect(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (d) => (text += String(d)));
  return () => text;
}

const exitOf = (child: ChildProcess): Promise<number | null> => new Promise((done) => child.on('exit', done));
