// The window in served mode, in Chromium: time to interactive, first view of a model of 2,000 boxes, and the time between
// frames while a job streams its progress. Needs a Chromium (SECATEUR_CHROMIUM, or /usr/bin/chromium).
//   npm run bench -- window [--seconds 15]
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, type Page } from '@playwright/test';
import { serializeModel } from '../src/main/engine/onnx/index.ts';
import { t } from '../src/renderer/app/strings.ts';
import { Window } from '../test/e2e/pages.ts';
import { residualChain } from '../test/support/residual-chain.ts';
import { root, table } from './support.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '15' } } });
const executablePath = process.env['SECATEUR_CHROMIUM'] ?? '/usr/bin/chromium';
if (!existsSync(executablePath)) {
  console.log(`skipped: there is no Chromium at ${executablePath}`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'secateur-window-bench-'));
// Each block is two convolutions and a sum, each with its activation: two boxes and one.
writeFileSync(join(folder, 'big.onnx'), serializeModel(residualChain({ blocks: 667, width: 4 })));

const spawned = performance.now();
const server = spawn(process.execPath, [join(root, 'out/main/cli.js'), 'serve', '--json'], {
  cwd: folder,
  env: { ...process.env, SECATEUR_HOME: join(folder, 'home'), HOME: folder },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const url = await new Promise<string>((done) => {
  let text = '';
  server.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    const found = /"url": "([^"]+)"/.exec(text)?.[1];
    if (found) done(found);
  });
});
const served = performance.now() - spawned;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const ms = (x: number): string => `${x.toFixed(0)} ms`;
const quantile = (x: number[], q: number): number => [...x].sort((a, b) => a - b)[Math.floor(q * (x.length - 1))]!;

async function open(): Promise<{ page: Page; ready: number }> {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  const started = performance.now();
  await page.goto(url);
  await page.waitForSelector('html[data-ready]');
  return { page, ready: performance.now() - started };
}

const rows = [['what', 'measured', 'wanted']];
try {
  const starts: number[] = [];
  for (let i = 0; i < 5; i++) {
    const { page, ready } = await open();
    starts.push(ready);
    await page.context().close();
  }
  rows.push(['server up', ms(served), '']);
  rows.push(['address opened to interactive, median of 5', ms(quantile(starts, 0.5)), '']);
  rows.push(['both together', ms(served + quantile(starts, 0.5)), '1500 ms']);

  const big = await open();
  // As text: this file is checked without the browser's types.
  await big.page.evaluate(`
    globalThis.times = {};
    new MutationObserver(() => {
      const graph = document.querySelector('.graph');
      if (graph) times.asked ??= performance.now();
      if (graph?.querySelector('.svelte-flow__node')) times.shown ??= performance.now();
    }).observe(document.body, { subtree: true, childList: true, attributes: true })`);
  await new Window(big.page).chooseFile(t.drop, ['big.onnx']);
  await big.page.waitForFunction('times.shown', null, { timeout: 120_000 });
  const shown = await big.page.evaluate<number>('times.shown - times.asked');
  rows.push(['first view of a model of 2,000 boxes', ms(shown), '1000 ms']);
  await big.page.context().close();

  const { page } = await open();
  const w = new Window(page);
  await w.chooseSample();
  for (let i = 0; i < 3; i++) await w.next();
  await w.button(t.start).click();
  await w.status.waitFor();
  const frames = await page.evaluate<number[]>(`new Promise((done) => {
    const out = [];
    const end = performance.now() + ${1000 * Number(values.seconds)};
    let last = performance.now();
    const next = (now) => {
      out.push(now - last);
      last = now;
      if (now < end) requestAnimationFrame(next);
      else done(out);
    };
    requestAnimationFrame(next);
  })`);
  rows.push([`between frames while a job streams, p95 of ${frames.length}`, `${quantile(frames, 0.95).toFixed(1)} ms`, '16.7 ms']); // prettier-ignore
  rows.push(['the same, p50', `${quantile(frames, 0.5).toFixed(1)} ms`, '']);
  await w.button(t.cancel).click();
} finally {
  await browser.close();
  const ended = new Promise((done) => server.on('exit', done));
  server.kill('SIGINT');
  await ended;
  rmSync(folder, { recursive: true, force: true });
}
console.log(table(rows));
