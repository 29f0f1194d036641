// Seconds to an interactive window, frame times while a job streams, and seconds to the first view of a big model.
//
// Served mode in Chromium (SECATEUR_CHROMIUM names another than /usr/bin/chromium), with a data folder of its own.
//   start        from starting `secateur serve` to the window answering: process, page, first replies
//   page         the part of it that the browser takes, from navigation to interactive
//   frames       time between frames, and work of the page's thread per frame, while events of a job come in
//   first view   of a chain of 2,000 operators: from its inspection's answer to boxes on the screen; 'whole' from the click
// node scripts/run.mjs bench/window.ts [--nodes 2000] [--seconds 10] [--runs 5]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, type Browser, type Page } from '@playwright/test';
import { serializeModel } from '../src/main/engine/onnx/index.ts';
import { PRESETS } from '../src/shared/model/recipes.ts';
import { executablePath } from '../test/support/chromium-path.ts';
import { longChain } from '../test/support/long-chain.ts';
import { ask, serve } from '../test/support/serve.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '10' },
    runs: { type: 'string', default: '5' },
  },
});
const home = mkdtempSync(join(tmpdir(), 'secateur-bench-window-'));
const quantile = (list: readonly number[], q: number): number =>
  [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(q * list.length))] ?? NaN;

async function interactive(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.waitForSelector('html[data-ready]');
}

async function startTimes(browser: Browser): Promise<{ whole: number[]; page: number[] }> {
  const times = { whole: [] as number[], page: [] as number[] };
  for (let run = 0; run < Number(values.runs); run++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const start = performance.now();
    const served = await serve(home, home);
    const shown = performance.now();
    await interactive(page, served.url);
    times.whole.push(performance.now() - start);
    times.page.push(performance.now() - shown);
    await context.close();
    await served.stop();
  }
  return times;
}

/**
 * Runs in the page. `gaps` are the times between frames; `work` is the main thread's time per
 * frame, from the frame's callbacks to the first message after its style, layout and paint.
 */
const WATCH = (seconds: number): string => `new Promise((done) => {
  const gaps = [], work = [];
  const channel = new MessageChannel();
  let began = 0, last = performance.now();
  channel.port1.onmessage = () => work.push(performance.now() - began);
  const end = last + ${1000 * seconds};
  const frame = (now) => {
    gaps.push(now - last);
    last = now;
    began = performance.now();
    channel.port2.postMessage(0);
    if (now < end) requestAnimationFrame(frame);
    else done({ gaps: gaps.slice(2), work: work.slice(2) });
  };
  requestAnimationFrame(frame);
})`;

/**
 * Milliseconds between frames, and of long tasks, while the page shows a running job of the sample.
 */
async function frames(page: Page, url: string): Promise<{ gaps: number[]; work: number[] }> {
  const [sample] = await ask<{ model: string; data: string }[]>(url, 'models.samples', {});
  await ask(url, 'jobs.start', {
    model: sample!.model,
    data: sample!.data,
    budget: { ratio: 0.5, percentile: 50, threads: 1, batch: 1, provider: 'cpu' },
    recipe: PRESETS.fast,
    seed: 0,
  });
  await page.locator('.running').click();
  await page.getByTestId('status').waitFor();
  return page.evaluate<{ gaps: number[]; work: number[] }>(WATCH(Number(values.seconds)));
}

async function firstView(page: Page): Promise<{ first: number; whole: number }> {
  writeFileSync(join(home, 'chain.onnx'), serializeModel(longChain(Number(values.nodes))));
  await page.locator('nav button').first().click();
  await page.locator('.drop button').click();
  const answered = page
    .waitForResponse((r) => r.request().postData()?.includes('models.inspect') ?? false, { timeout: 120_000 })
    .then((r) => r.finished())
    .then(() => performance.now());
  await page.getByRole('dialog').getByRole('button', { name: 'chain.onnx' }).click();
  const clicked = performance.now();
  await page.locator('.svelte-flow__node').first().waitFor({ timeout: 120_000 });
  const seen = performance.now();
  return { first: seen - (await answered), whole: seen - clicked };
}

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
try {
  const start = await startTimes(browser);
  const served = await serve(home, home);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await interactive(page, served.url);
  const view = await firstView(page);
  const { gaps, work } = await frames(page, served.url);
  await served.stop();
  const row = (name: string, value: number, limit: string): void =>
    console.log(`${name.padEnd(44)} ${value.toFixed(1).padStart(8)} ms   ${limit}`);
  row(`start to interactive, median of ${values.runs}`, quantile(start.whole, 0.5), 'under 1500');
  row('  of it the page', quantile(start.page, 0.5), '');
  row(`first view of ${values.nodes} operators`, view.first, 'under 1000');
  row('  from the click, with reading the model', view.whole, '');
  row(`frames p95 of ${gaps.length}, time between`, quantile(gaps, 0.95), '');
  row('frames p95, work of the page', quantile(work, 0.95), 'under 16');
} finally {
  await browser.close();
  rmSync(home, { recursive: true, force: true });
}
