// Served mode in a browser: the built command line serves the built window, as a user on a headless machine has it.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium, test as base, type Page } from '@playwright/test';

export const ROOT = resolve(import.meta.dirname, '../..');
/** Debian's Chromium, or the one that SECATEUR_CHROMIUM names. */
export const executablePath = process.env.SECATEUR_CHROMIUM ?? '/usr/bin/chromium';

export interface Served {
  readonly url: string;
  /** Data folder of this window alone. */
  readonly home: string;
  readonly pid: number;
}

/** A page whose console errors and outside requests are collected in `problems`. */
export const test = base.extend<{ served: Served; window: Page; problems: string[] }>({
  served: async ({}, use) => {
    base.skip(!existsSync(executablePath), `there is no Chromium at ${executablePath}`);
    const home = mkdtempSync(join(tmpdir(), 'secateur-window-'));
    const child = spawn(process.execPath, [join(ROOT, 'out/main/cli.js'), 'serve', '--json'], {
      cwd: ROOT,
      env: { ...process.env, SECATEUR_HOME: home, HOME: home },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const url = await new Promise<string>((done, fail) => {
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        const found = /"url": "([^"]+)"/.exec(text)?.[1];
        if (found) done(found);
      });
      child.on('exit', () => fail(new Error(`the server ended: ${text}`)));
    });
    await use({ url, home, pid: child.pid! });
    const ended = new Promise((done) => child.on('exit', done));
    child.kill('SIGINT');
    await ended;
    rmSync(home, { recursive: true, force: true });
  },
  problems: async ({}, use) => use([]),
  window: async ({ served, problems, viewport }, use) => {
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    const context = await browser.newContext({ viewport });
    const origin = new URL(served.url).origin;
    await context.route(
      (url) => url.origin !== origin && url.protocol !== 'data:',
      (route) => {
        problems.push(`request: ${route.request().url()}`);
        return route.abort();
      },
    );
    const page = await context.newPage();
    page.on('console', (m) => void (m.type() === 'error' && problems.push(`console: ${m.text()}`)));
    page.on('pageerror', (e) => void problems.push(`page: ${e.message}`));
    await page.goto(served.url);
    await page.waitForSelector('html[data-ready]');
    await use(page);
    await browser.close();
  },
});
export { expect } from '@playwright/test';
