// A vision-language package: a question about a picture, its answer while it is written, and the package with fewer
// tokens beside it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import sharp from 'sharp';
import { steps, t, tryPage } from '../../src/renderer/app/strings.ts';
import { makePicture, PICTURE_SIZE } from '../../src/main/engine/sample/vlm/pictures.ts';
import { overflow } from './overflow.ts';
import { noSeriousViolations, showIn, Window } from './pages.ts';
import { expect, test } from './served.ts';

// Latencies are fixed figures, so that fewer tokens are faster however busy the machine is.
test.use({ steady: true });

/** Holds the replies to questions back, so that only the pieces of the text arrive, until `release` is called. */
async function holdReplies(page: Page): Promise<{ release(): void }> {
  let release = (): void => undefined;
  const gate = new Promise<void>((done) => (release = done));
  await page.route('**/api/request', async (route) => {
    if ((route.request().postDataJSON() as { route: string }).route !== 'answers.ask') return route.continue();
    const response = await route.fetch();
    await gate;
    // The page has abandoned the request when the user has stopped the answer.
    await route.fulfill({ response }).catch(() => undefined);
  });
  return { release: () => release() };
}

/** Screenshots in both schemes and at both sizes; nothing is wider or higher than the window. */
async function look(page: Page, name: string, path: (file: string) => string): Promise<void> {
  for (const [width, height] of [
    [1280, 800],
    [800, 600],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const scheme of ['dark', 'light'] as const) {
      await showIn(page, scheme);
      expect(await overflow(page), `${name} ${width} in ${scheme}`).toBeLessThanOrEqual(0);
      await page.screenshot({ path: path(`${name}-${width}-${scheme}.png`) });
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

test('a question about a picture, with all image tokens and with fewer', async ({ window, served, problems }, info) => {
  const picture = join(served.home, 'scene.png');
  const { pixels } = makePicture(7, 1);
  await sharp(pixels, { raw: { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } }).png().toFile(picture); // prettier-ignore
  const w = new Window(window);
  await w.chooseFile(t.dropServed, ['resources', 'samples', 'scenes-vlm'], true);

  // The package: its components are shown already, and how the time grows with image tokens.
  const growth = w.panel(t.trial.growth);
  await growth.getByRole('button', { name: t.trial.measureGrowth }).click();
  await expect(growth.getByRole('img', { name: /^18: .*ms, 36: .*, 72: .*, 144: / })).toBeVisible();
  await w.panel(t.trial.entry).getByRole('button', { name: t.trial.open }).click();
  await expect(w.heading).toHaveText(tryPage.title);
  await noSeriousViolations(window, 'try, empty');
  await look(window, 'empty', (file) => info.outputPath(file));

  // The text is there before the reply that completes it.
  await window.getByLabel(t.trial.choosePicture).setInputFiles(picture);
  await expect(window.getByRole('img', { name: 'scene.png' })).toBeVisible();
  const original = w.panel(t.trial.original);
  const answer = original.locator('[aria-live]');
  const { release } = await holdReplies(window);
  await window.getByLabel(t.trial.prompt).fill('how many rings ?');
  await window.getByLabel(t.trial.prompt).press('Enter');
  await expect(answer).toHaveText(/\w+/);
  await expect(answer).toHaveAttribute('aria-busy', 'true');
  await w.button(t.trial.stop).click();
  await expect(original).toContainText(t.trial.stopped);
  release();
  await w.button(t.trial.ask).click();
  await expect(original.getByText(t.trial.prefill)).toBeVisible();
  await expect(answer).toHaveText(/\w+/);

  // Fewer tokens: the cells that stay, predicted times, and both answers.
  const fewer = w.panel(t.trial.fewer);
  await fewer.getByLabel(t.trial.compareWith).selectOption('dpp');
  const cells = (kept: number) => window.getByRole('img', { name: t.trial.cells(kept, 144), exact: true });
  await expect(cells(36)).toBeVisible();
  await w.button(t.trial.measureTimes).click();
  await expect(fewer).toContainText(t.trial.measured);
  const predicted = async (): Promise<number> => parseFloat(await fewer.locator('[aria-live] strong').innerText());
  const at36 = await predicted();
  const slider = fewer.getByRole('slider', { name: t.trial.keep });
  for (let i = 0; i < 6; i++) await slider.press('ArrowLeft');
  await expect(fewer).toContainText(t.trial.ofTokens(30, 144));
  await expect(fewer).toContainText(t.trial.predicted);
  expect(await predicted()).toBeLessThan(at36);
  await expect(cells(30)).toBeVisible();
  await w.button(t.trial.ask).click();
  const reduced = w.panel(t.trial.reduced('dpp', 30));
  await expect(reduced.getByText(t.trial.perToken)).toBeVisible();
  await expect(window.getByText(new RegExp(`${t.trial.same}|${t.trial.differ}`))).toBeVisible();
  await noSeriousViolations(window, 'try');
  await look(window, 'answers', (file) => info.outputPath(file));

  // The written package answers by itself.
  await w.button(t.trial.write).click();
  await expect(fewer.getByText(t.trial.written)).toBeVisible();
  const folder = await fewer.locator('.notice .mono').innerText();
  expect(folder.startsWith(served.home)).toBe(true);
  expect(existsSync(join(folder, 'onnx/vision_encoder.onnx'))).toBe(true);
  expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).toMatchObject({ image_seq_length: 30 });
  const text = await reduced.locator('[aria-live]').innerText();
  await w.button(t.trial.ask).click();
  await expect(reduced.getByText(t.trial.perToken)).toBeVisible();
  expect(await reduced.locator('[aria-live]').innerText()).toBe(text);
  await noSeriousViolations(window, 'try, written');
  await look(window, 'written', (file) => info.outputPath(file));

  // A file that is no picture.
  writeFileSync(join(served.home, 'broken.png'), 'no picture');
  await window.getByLabel(t.trial.changePicture).setInputFiles(join(served.home, 'broken.png'));
  await expect(window.getByText(t.trial.noPreview)).toBeVisible();
  await w.button(t.trial.ask).click();
  await expect(original.getByRole('alert')).toContainText('image-unreadable');
  await w.button(`← ${t.trial.backToModel}`).click();
  await expect(w.heading).toHaveText(steps.model.title);
  expect(problems).toEqual([]);
});
