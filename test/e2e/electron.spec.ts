// The built app in Electron or on its stand-in: tests of the app's own process.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test as base, type Page } from '@playwright/test';
import type { Bridge, Input, Output, Reply, RouteName } from '../../src/shared/contract/routes.ts';
import { PRESETS } from '../../src/shared/model/recipes.ts';
import { steps } from '../../src/renderer/app/strings.ts';
import { executablePath } from '../support/chromium-path.ts';
import { BINDING } from '../support/electron/page-side.ts';
import { electronBinary, launchElectron, type ElectronWindow } from './electron.ts';
import { Window } from './pages.ts';

declare const secateur: Required<Bridge>;

const test = base.extend<{ home: string; app: ElectronWindow }>({
  home: async ({}, use) => {
    const home = mkdtempSync(join(tmpdir(), 'secateur-window-'));
    await use(home);
    rmSync(home, { recursive: true, force: true });
  },
  app: async ({ home }, use) => {
    base.skip(
      !electronBinary() && !existsSync(executablePath),
      `there is no Electron, and no Chromium at ${executablePath}`,
    );
    const folder = process.env['SECATEUR_APP'];
    const app = await launchElectron({ home, ...(folder && { app: folder }) });
    await use(app);
    await app.close();
  },
});

function request<R extends RouteName>(page: Page, route: R, input: Input<R>): Promise<Reply<Output<R>>> {
  return page.evaluate(([r, i]) => secateur.request(r, i), [route, input] as const) as Promise<Reply<Output<R>>>;
}

/** The error of a refused request. */
const refusal = async (reply: Promise<unknown>): Promise<string> => {
  const r = (await reply) as Reply<unknown>;
  return r.ok ? 'answered' : r.error.code;
};

test('the window shows the built page and reaches the app', async ({ app, home }) => {
  await expect(app.page.getByRole('heading', { level: 1 })).toHaveText('Secateur');
  const reply = await request(app.page, 'app.info', {});
  expect(reply).toMatchObject({ ok: true, data: { mode: 'electron', home } });
});

test('requests that do not fit get typed errors', async ({ app: { page } }) => {
  const ask = (...given: unknown[]): Promise<string> =>
    refusal(page.evaluate((g) => secateur.request(...(g as [string, unknown])), given));
  expect(await ask('no.such', {})).toBe('request-invalid');
  expect(await ask('jobs.get', { id: 7 })).toBe('request-invalid');
  expect(await ask({ toString: 'jobs.list' })).toBe('request-invalid');
  expect(await ask('jobs.get', { id: 'none' })).toBe('job-not-found');
  expect(await ask('models.inspect', { model: '/etc/hostname' })).toBe('path-refused');
});

test('a frame inside the page has no way to the app', async ({ app }) => {
  await app.page.evaluate(() => void document.body.append(document.createElement('iframe')));
  await expect.poll(() => app.page.frames().length).toBe(2);
  const frame = app.page.frames()[1]!;
  expect(await frame.evaluate(() => 'secateur' in globalThis)).toBe(false);
  test.skip(app.real, 'in Electron there is nothing that the frame could call');
  const reply = frame.evaluate(
    (name) =>
      (globalThis as unknown as Record<string, (...a: unknown[]) => Promise<{ value: unknown }>>)[name]!(
        'invoke',
        'request',
        ['jobs.list', {}],
      ).then((r) => r.value),
    BINDING,
  );
  expect(await refusal(reply)).toBe('request-refused');
  expect(app.output()).toContain('refused ipc request: it came from a frame inside the page');
});

test('the page goes nowhere else, and opens nothing', async ({ app: { page } }) => {
  const start = page.url();
  await page.evaluate(() => {
    window.open('https://example.com/');
    location.href = 'https://example.com/';
  });
  await page.evaluate(() => {
    const link = document.createElement('a');
    link.href = 'https://example.org/';
    link.target = '_blank';
    link.click();
  });
  // Long enough for an abandoned page to have gone.
  await page.waitForTimeout(500);
  expect(page.context().pages()).toHaveLength(1);
  expect(page.url()).toBe(start);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Secateur');
});

test('files are opened once they were chosen: in the dialog, or dropped', async ({ app, home }) => {
  const { page } = app;
  const inspect = (model: string): Promise<string> => refusal(request(page, 'models.inspect', { model }));
  const [chosen, dropped] = ['chosen.onnx', 'dropped.onnx'].map((name) => join(home, name));
  for (const path of [chosen!, dropped!]) {
    writeFileSync(path, 'not a model');
    expect(await inspect(path)).toBe('path-refused');
  }
  expect(await request(page, 'files.choose', { kind: 'model' })).toEqual({ ok: true, data: { path: null } });
  await app.answer('showOpenDialog', { canceled: false, filePaths: [chosen] });
  expect(await request(page, 'files.choose', { kind: 'model' })).toEqual({ ok: true, data: { path: chosen } });
  expect(await inspect(chosen!)).toMatch(/^model-/);

  await app.fileAt(dropped!);
  await page.evaluate(() => {
    const input = Object.assign(document.createElement('input'), { type: 'file', id: 'given' });
    document.body.append(input);
  });
  await page.setInputFiles('#given', dropped!);
  const drop = page.evaluate(() => secateur.dropped((document.getElementById('given') as HTMLInputElement).files![0]));
  expect(await drop).toBe(dropped);
  expect(await inspect(dropped!)).toMatch(/^model-/);
  expect(await page.evaluate(() => secateur.dropped(new File(['x'], 'made-by-the-page.onnx')))).toBeNull();
  expect(await page.evaluate(() => secateur.dropped('/etc/passwd'))).toBeNull();
});

test('the menu speaks to the window', async ({ app }) => {
  // Listening starts before the menu sends its command, however busy the machine is.
  await app.page.evaluate(() => {
    Object.assign(globalThis, { heard: new Promise((done) => secateur.on('menu', done)) });
  });
  await app.menu('open-model');
  expect(await app.page.evaluate(() => (globalThis as unknown as { heard: Promise<unknown> }).heard)).toEqual({
    command: 'open-model',
  });
});

test('the page objects of served mode drive this window too', async ({ app }) => {
  const w = new Window(app.page);
  await w.chooseSample();
  await w.next();
  await expect(w.heading).toHaveText(steps.budget.title);
});

/** Starts a job on the built-in sample and waits until it runs. */
async function startJob(app: ElectronWindow, home: string): Promise<string> {
  const { page } = app;
  const samples = await request(page, 'models.samples', {});
  const [sample] = samples.ok ? samples.data : [];
  const running = page.evaluate(
    () => new Promise((done) => secateur.on('job', (e) => (e as { progress: unknown }).progress && done(e))),
  );
  const start = (): Promise<Reply<Output<'jobs.start'>>> =>
    request(page, 'jobs.start', {
      model: sample!.model,
      data: sample!.data!,
      budget: { ratio: 0.5, percentile: 50, threads: 1, batch: 1, provider: 'cpu' },
      recipe: PRESETS.fast,
      out: join(home, 'bundle'),
      seed: 0,
    });
  // The folder was not chosen, so nothing is written to it.
  expect(await refusal(start())).toBe('path-refused');
  await app.answer('showOpenDialog', { canceled: false, filePaths: [home] });
  await request(page, 'files.choose', { kind: 'folder' });
  const started = await start();
  expect(started.ok).toBe(true);
  expect(await running).toMatchObject({ status: 'running' });
  return started.ok ? started.data.id : '';
}

test('a worker that is killed ends its job with an error, and the window goes on', async ({ app, home }) => {
  const id = await startJob(app, home);
  const job = async (): Promise<Output<'jobs.get'> | null> => {
    const reply = await request(app.page, 'jobs.get', { id });
    return reply.ok ? reply.data : null;
  };
  const { workerPid } = (await job())!;
  process.kill(workerPid!, 'SIGKILL');
  await expect.poll(async () => (await job())?.status).toBe('failed');
  expect((await job())!.error).toMatchObject({ code: 'worker-died', detail: { signal: 'SIGKILL' } });
});

test('a running job is asked about before the window closes', async ({ app, home }) => {
  const id = await startJob(app, home);
  await app.answer('showMessageBox', { response: 1 });
  await app.closeWindow();
  await app.page.waitForTimeout(300);
  expect(await request(app.page, 'jobs.get', { id })).toMatchObject({ data: { status: 'running' } });
  await app.answer('showMessageBox', { response: 0 });
  await app.closeWindow();
  expect(await app.ended).toBe(0);

  if (!app.real) expect(app.dialogs.filter((d) => d.dialog === 'showMessageBox')).toHaveLength(2);
  expect(JSON.parse(readFileSync(join(home, 'window.json'), 'utf8'))).toMatchObject({ maximized: false });
});
