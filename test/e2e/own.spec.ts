// A user's own ONNX file and folder of images: from the window's file list to a verified bundle,
// then the library.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { presets, shortVerdicts, t } from '../../src/renderer/app/strings.ts';
import { EXPERIMENTAL } from '../../src/main/engine/bundle/layout.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { writeCompressFixture } from '../support/compress-fixture.ts';
import { noSeriousViolations, Window } from './pages.ts';
import { expect, test } from './served.ts';

const CLASSES = ['blue', 'green', 'red', 'white'];
const EACH = 16;

/** Writes one folder per class, with noise images around the colour of the class. */
async function writeImages(folder: string): Promise<void> {
  const random = seededRandom(7);
  for (const [label, name] of CLASSES.entries()) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < EACH; i++) {
      const pixels = Uint8Array.from(
        { length: 192 },
        (_, at) => (at % 3 === label ? 160 : 40) + Math.floor(90 * random.next()),
      );
      await sharp(pixels, { raw: { width: 8, height: 8, channels: 3 } })
        .png()
        .toFile(join(folder, name, `${i}.png`));
    }
  }
}

// The verdict does not matter here, so latencies are fixed figures.
test.use({ ownFiles: true, steady: true });

test('from an own model and a folder of images to a verified bundle', async ({ window, served, problems }) => {
  const own = join(served.home, 'own');
  await writeImages(join(own, 'pictures'));
  writeCompressFixture(own);
  const w = new Window(window);
  await w.chooseOwn(['own', 'tiny.onnx']);
  await expect(w.panel('tiny.onnx').getByText(t.params)).toBeVisible();

  // The structure is one Tab stop: arrow keys move in it, and Enter shows the facts of a box.
  const graph = window.getByTestId('graph');
  await expect(graph.and(window.locator('[data-ready=true]'))).toBeVisible();
  await expect(graph.locator('[tabindex="0"]')).toHaveCount(0);
  await graph.focus();
  await window.keyboard.press('ArrowRight');
  await window.keyboard.press('Enter');
  await expect(window.getByTestId('box-facts')).toContainText(t.boxOutputs);
  await window.keyboard.press('Escape');
  await expect(window.getByTestId('box-facts')).toHaveCount(0);

  // The detected family can be corrected, and the correction is stored.
  const family = w.panel('tiny.onnx').getByRole('combobox');
  await expect(family).toHaveValue('cnn');
  await family.selectOption('vit');
  await expect(w.panel('tiny.onnx').getByText(t.corrected)).toBeVisible();

  await w.next();
  await w.reached();
  await window.getByRole('slider').fill('0.8');
  await w.next();
  await expect(window.getByText(t.noDataCost)).toBeVisible();
  await w.chooseFile('Data', ['own', 'pictures'], true);
  await expect(w.panel(t.afterPreprocess).getByRole('img')).not.toHaveCount(0);
  await expect(window.getByText(`${CLASSES.length} ${t.classes}`)).toBeVisible();
  await expect(window.getByText(String(CLASSES.length * EACH), { exact: true })).toBeVisible();
  await w.next();
  await w.preset('fast');
  await window.getByText(t.advanced, { exact: true }).click();
  // An invalid number is rejected, and the field shows the value in force.
  const rate = window.getByLabel(t.learningRate);
  await expect(rate).toHaveAttribute('placeholder', t.automatic);
  await expect(rate).toHaveValue('');
  for (const [given, taken] of [
    ['0.02', '0.02'],
    ['-1', ''],
    ['99', '10'],
    ['', ''],
  ] as const) {
    await rate.fill(given);
    await rate.blur();
    await expect(rate).toHaveValue(taken);
  }
  const seconds = window.getByRole('spinbutton', { name: t.allocationSeconds });
  await seconds.fill('-40');
  await seconds.blur();
  await expect(seconds).toHaveValue('0');
  await seconds.fill('60');
  await seconds.blur();
  // Removing the only block would leave no slider to move; which plan is cheaper depends on this
  // machine's noise.
  await window.getByLabel(t.removeBlocks).uncheck();
  const frozen = await w.panel(t.frozen).locator('label .id').first().textContent();
  await w.panel(t.frozen).getByRole('checkbox').first().check();
  await w.start();
  await expect(w.status).toHaveText('done', { timeout: 900_000 });
  await w.next();
  await expect(w.panel(t.ownSamples).getByRole('img')).not.toHaveCount(0);
  await expect(w.panel(t.pareto)).toBeVisible();

  // The frozen group has nothing to move, and another group has.
  await expect(w.panel(t.sliders).getByRole('slider')).not.toHaveCount(0);
  await expect(w.panel(t.sliders).getByText(frozen!, { exact: true })).toHaveCount(0);
  await w.next();
  const verdict = await w.verdict();
  await w.verify();

  // The library lists all results.
  await w.button(t.library).click();
  const row = window.getByRole('row').filter({ hasText: 'compression' });
  await expect(row).toContainText(presets.fast!.title);
  await expect(row.locator('[data-verdict]')).toHaveText(shortVerdicts[verdict]);
  // No action is cut off in a narrow window.
  const usual = window.viewportSize()!;
  await window.setViewportSize({ width: 800, height: 600 });
  for (const action of await row.getByRole('button').all()) {
    const { x, width } = (await action.boundingBox())!;
    expect(x + width).toBeLessThanOrEqual(800);
  }
  await window.setViewportSize(usual);
  await window.getByRole('searchbox').fill('nothing like it');
  await expect(window.getByText(t.noneFound)).toBeVisible();
  await window.getByRole('searchbox').fill('tiny');
  await expect(window.getByRole('row').filter({ hasText: 'compression' })).toBeVisible();
  await w.tab(t.models);
  await expect(window.getByRole('row').filter({ hasText: 'tiny.onnx' })).toContainText('Vision transformer');
  await noSeriousViolations(window, 'models');
  await window.getByRole('searchbox').fill('');
  await w.tab(t.devices);
  await expect(window.getByRole('row').filter({ hasText: t.thisMachine })).toBeVisible();
  await noSeriousViolations(window, 'devices');
  await w.tab(t.bundles);
  const bundle = window
    .getByRole('row')
    .filter({ hasText: `tiny${verdict === 'accepted' ? '' : EXPERIMENTAL}.ortpackage` });
  const path = await bundle.locator('.name').getAttribute('title');
  await noSeriousViolations(window, 'bundles');
  await bundle.getByRole('button', { name: t.delete }).click();
  await expect(window.getByRole('alertdialog')).toContainText(t.ask.bundle[0]);
  await noSeriousViolations(window, 'confirm');
  await window.getByRole('alertdialog').getByRole('button', { name: t.cancel }).click();
  expect(existsSync(path!)).toBe(true);
  await bundle.getByRole('button', { name: t.delete }).click();
  await window.getByRole('alertdialog').getByRole('button', { name: t.delete }).click();
  await expect(bundle).toContainText(t.gone);
  expect([existsSync(path!), existsSync(`${path}.zip`)]).toEqual([false, false]);

  // For another budget, the wizard is set to the request of that job.
  await w.tab(t.jobs);
  await window.getByRole('row').filter({ hasText: 'compression' }).getByRole('button', { name: t.duplicate }).click();
  await expect(window.getByRole('slider')).toHaveValue('0.8');
  expect(problems).toEqual([]);
});
