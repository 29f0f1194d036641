// Opens the built window in a browser: the files of out/renderer under the app's own address, its content security
// policy in force, and no way to any other host.
import { existsSync, readFileSync } from 'node:fs';
import { extname, join, resolve, sep } from 'node:path';
import { chromium, test as base, type Page } from '@playwright/test';

const ROOT = resolve(import.meta.dirname, '../..');
const RENDERER = join(ROOT, 'out/renderer');
const ORIGIN = 'http://secateur.test';
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** Debian's Chromium, or the one that SECATEUR_CHROMIUM names. */
const executablePath = process.env.SECATEUR_CHROMIUM ?? '/usr/bin/chromium';

/** A page whose console errors and outside requests are collected in `problems`. */
export const test = base.extend<{ window: Page; problems: string[] }>({
  problems: async ({}, use) => use([]),
  window: async ({ problems, viewport }, use) => {
    base.skip(!existsSync(executablePath), `there is no Chromium at ${executablePath}`);
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    const context = await browser.newContext({ viewport });
    await context.route('**/*', async (route) => {
      const url = new URL(route.request().url());
      const file = resolve(RENDERER, `.${url.pathname}`);
      if (url.origin !== ORIGIN || !file.startsWith(RENDERER + sep) || !existsSync(file)) {
        problems.push(`request: ${url.href}`);
        return route.abort();
      }
      return route.fulfill({ body: readFileSync(file), contentType: TYPES[extname(file)] });
    });
    const page = await context.newPage();
    page.on('console', (m) => void (m.type() === 'error' && problems.push(`console: ${m.text()}`)));
    page.on('pageerror', (e) => void problems.push(`page: ${e.message}`));
    await page.goto(`${ORIGIN}/index.html`);
    await use(page);
    await browser.close();
  },
});
export { expect } from '@playwright/test';
