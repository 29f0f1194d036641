import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/files.ts';
import { serve } from '../support/serve.ts';
import { shortVerdicts, stages, steps, t } from '../../src/renderer/app/strings.ts';
import { STEPS } from '../../src/renderer/state/names.ts';
import { overflow } from './overflow.ts';
import { noSeriousViolations, showIn, Window } from './pages.ts';
import { expect, test } from './served.ts';

// Latencies are fixed figures, so verdicts depend on the models alone.
test.describe('on given latencies', () => {
  test.use({ steady: true });
  test('from the start to a verified bundle of the sample, as its recipe has it', async ({ window, problems }) => {
    const w = new Window(window);
    await expect(w.heading).toHaveText(steps.model.title);
    await noSeriousViolations(window, 'start');
    await w.chooseSample();
    await expect(w.panel(t.graph).locator('[data-ready=true]')).toBeVisible();
    await noSeriousViolations(window, 'model');
    await w.next();
    await w.reached();
    await expect(window.getByText(t.withinReach)).toBeVisible();
    await noSeriousViolations(window, 'budget');
    await w.next();
    await expect(w.panel(t.afterPreprocess).getByRole('img').first()).toBeVisible();
    await noSeriousViolations(window, 'data');
    await w.next();
    await window.getByText(t.advanced, { exact: true }).click();
    await noSeriousViolations(window, 'recipe');
    // The number of samples does not matter for the window.
    const calibration = window.getByRole('spinbutton', { name: t.calibration });
    await calibration.fill('64');
    await calibration.blur();
    // The window learns of the job by events; polling would take processor time from the
    // measurement.
    let asked = 0;
    window.on('request', (r) => (asked += r.postData()?.includes('"jobs.get"') ? 1 : 0));
    await w.start();
    await expect(w.status).toHaveText('running');
    await expect(window.getByText(/% ·/).first()).toBeVisible();
    await noSeriousViolations(window, 'run');
    await expect(w.status).toHaveText('done', { timeout: 900_000 });
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThan(10);
    // The verdict depends on this machine's noise; the job's own tests check that it follows from
    // the figures.
    await expect(window.getByTestId('outcome')).toContainText(t.budget);
    // Only stages that ran are ticked.
    await expect(window.locator('.stages li.done').filter({ hasText: stages['baseline']! })).toBeVisible();
    await expect(window.locator('.stages li.skipped').filter({ hasText: stages['recover']! })).toBeVisible();
    // A reload shows the job again.
    await window.reload();
    await expect(w.status).toHaveText('done');
    await expect(w.panel(t.thisJob)).toContainText('scenes-resnet.onnx');
    await w.step('review');
    await expect(w.panel(t.sliders)).toBeVisible();
    await expect(w.panel(t.ownSamples).getByRole('img').first()).toBeVisible();
    await noSeriousViolations(window, 'review');

    // A slider changes the prediction at once.
    const prediction = w.panel(t.sliders).locator('.prediction');
    const before = await prediction.textContent();
    await w.panel(t.sliders).getByRole('slider').first().fill('1');
    expect(await prediction.textContent()).not.toBe(before);
    await w.button(t.reset).click();
    expect(await prediction.textContent()).toBe(before);

    await w.next();
    const verdict = await w.verdict();
    await w.verify();
    await noSeriousViolations(window, 'export');
    await w.button(t.library).click();
    await expect(window.getByRole('row').filter({ hasText: 'compression' })).toContainText(shortVerdicts[verdict]);
    await noSeriousViolations(window, 'library');
    expect(problems).toEqual([]);
  });
});

test('what cannot be done yet says why, and errors come with a remedy', async ({ window }) => {
  const w = new Window(window);
  for (const name of STEPS.slice(1))
    await expect(window.getByRole('navigation').getByRole('button', { name: steps[name].name })).toBeDisabled();
  await expect(w.button(t.next)).toBeDisabled();
  await expect(window.getByText(t.blocked.model)).toBeVisible();
  await window.getByRole('button', { name: `${t.choose}: ${t.dropServed}` }).click();
  const dialog = window.getByRole('dialog');
  await dialog.getByRole('button', { name: 'docs/' }).click();
  await dialog.getByRole('button', { name: 'images/' }).click();
  await expect(dialog).toContainText(t.emptyFolder);
  // The list shows any folder the user may read; an invalid path gives an error and leaves the list
  // unchanged.
  const path = dialog.getByRole('textbox', { name: t.typedPath });
  await path.fill('/no/such/folder');
  await path.press('Enter');
  await expect(dialog.getByRole('alert')).toContainText('/no/such/folder');
  await path.fill('/');
  await path.press('Enter');
  await expect(dialog.getByRole('button', { name: 'etc/' })).toBeVisible();
  await window.keyboard.press('Escape');
  await expect(window.getByRole('dialog')).toBeHidden();
});

test('a dropped model is uploaded; a server that is gone is shown, and found again', async ({ window, served }) => {
  const w = new Window(window);
  const bytes = readFileSync(join(ROOT, 'resources/samples/scenes-resnet.onnx')).toString('base64');
  await window.evaluate((text) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], 'mine.onnx'));
    dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
  }, bytes);
  await w.panel('mine.onnx').getByText(t.params).waitFor();
  expect(readdirSync(join(served.home, 'uploads'))).toHaveLength(1);

  const alert = window.getByRole('alert').filter({ hasText: t.lost });
  // The process hangs, and no connection is closed.
  process.kill(served.pid, 'SIGSTOP');
  await expect(alert).toBeVisible();
  process.kill(served.pid, 'SIGCONT');
  await expect(alert).toBeHidden();
  process.kill(served.pid, 'SIGKILL');
  await expect(alert).toBeVisible();
  const again = await serve(served.home);
  try {
    expect(again.url).toBe(served.url);
    await expect(alert).toBeHidden();
    // Events that were missed are fetched, and earlier choices of files are still valid.
    await window.getByRole('button', { name: t.measureTime }).click();
    await expect(window.getByText(t.perRun)).toBeVisible({ timeout: 900_000 });
  } finally {
    await again.stop();
  }
});

test('without the token of the address the window says that it has no connection', async ({ window, served }) => {
  await window.goto('about:blank');
  await window.goto(new URL(served.url).origin);
  const alert = window.getByRole('alert').first();
  await expect(alert).toContainText('The request was refused');
  await expect(alert).toContainText('secateur serve');
});

test('a script from elsewhere is refused by the content security policy', async ({ window, problems }) => {
  await window.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'document.title = "run"';
    document.head.append(script);
  });
  await expect(window).toHaveTitle('Secateur');
  expect(problems.some((p) => p.includes('Content Security Policy'))).toBe(true);
});

for (const scheme of ['light', 'dark'] as const)
  for (const viewport of [
    { width: 1280, height: 800 },
    { width: 800, height: 600 },
  ])
    test.describe(`${scheme} ${viewport.width}x${viewport.height}`, () => {
      test.use({ viewport });
      test('fits its window', async ({ window }, info) => {
        const w = new Window(window);
        await w.chooseSample();
        for (const where of ['model', 'recipe', 'library', 'settings'] as const) {
          if (where === 'model' || where === 'recipe') await w.step(where);
          else await w.button(t[where]).click();
          // The previous page's check changed the theme.
          await showIn(window, scheme);
          expect(await overflow(window)).toBeLessThanOrEqual(0);
          await window.screenshot({ path: info.outputPath(`${where}.png`) });
          await noSeriousViolations(window, where);
        }
      });
    });
