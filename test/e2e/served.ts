// Served mode in a browser: the built command line serves the built window, as on a machine without
// a screen.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, test as base, type Page } from '@playwright/test';
import { executablePath } from '../support/chromium-path.ts';
import { ROOT } from '../support/files.ts';
import { BUILT_CLI, serve } from '../support/serve.ts';
import { STEADY_CLI } from './set-up.ts';

export interface Served {
  readonly url: string;
  /** Data folder of this window only. */
  readonly home: string;
  readonly pid: number;
}

/** A page whose console errors and outside requests are collected in `problems`. */
interface Fixtures {
  ownFiles: boolean;
  steady: boolean;
  served: Served;
  window: Page;
  problems: string[];
}

export const test = base.extend<Fixtures>({
  /** Whether the file list begins with the data folder instead of this repository. */
  ownFiles: [false, { option: true }],
  /**
   * Whether latencies of whole models are fixed figures, so that verdicts do not depend on the
   * machine.
   */
  steady: [false, { option: true }],
  served: async ({ ownFiles, steady }, use) => {
    base.skip(!existsSync(executablePath), `there is no Chromium at ${executablePath}`);
    const home = mkdtempSync(join(tmpdir(), 'secateur-window-'));
    const { url, pid, stop } = await serve(home, ownFiles ? home : ROOT, steady ? STEADY_CLI : BUILT_CLI);
    await use({ url, home, pid });
    await stop();
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
