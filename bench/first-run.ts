// Measures when each step is reached, from an empty data folder to a verified bundle of the sample,
// in the window with its default choices.
//   node scripts/run.mjs bench/first-run.ts
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { t } from '../src/renderer/app/strings.ts';
import { executablePath } from '../test/support/chromium-path.ts';
import { serve } from '../test/support/serve.ts';
import { Window } from '../test/e2e/pages.ts';

const MARK_S = 120;
const home = mkdtempSync(join(tmpdir(), 'secateur-first-'));
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const started = performance.now();
const told = (what: string): void =>
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s  ${what}`);
const served = await serve(home, home);
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(served.url);
  const w = new Window(page);
  await w.heading.waitFor();
  told('the window');
  await w.chooseSample();
  told('the model');
  await w.next();
  await w.panel(t.reachable).getByRole('img').first().waitFor({ timeout: 300_000 });
  told('what is reachable');
  await w.next();
  await w.panel(t.afterPreprocess).getByRole('img').first().waitFor({ timeout: 60_000 });
  await w.next();
  await w.button(t.start).click();
  told('the job started');
  await w.status.getByText('done').waitFor({ timeout: 600_000 });
  told('the job done');
  await w.next();
  await w.panel(t.sliders).waitFor({ timeout: 120_000 });
  told('the review');
  await w.next();
  await w.button(t.verify).click();
  await page.getByText(t.verified, { exact: true }).waitFor({ timeout: 120_000 });
  told(`the bundle verified   under ${MARK_S}`);
} finally {
  await served.stop();
  await browser.close();
  rmSync(home, { recursive: true, force: true });
}
