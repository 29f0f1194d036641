// A package of three components: from its folder to a component pruned to a budget on one use of
// the package.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { roles, t } from '../../src/renderer/app/strings.ts';
import { ROOT } from '../support/files.ts';
import { overflow } from './overflow.ts';
import { noSeriousViolations, showIn, Window } from './pages.ts';
import { expect, test } from './served.ts';

// The verdict does not matter here, so latencies are fixed figures.
test.use({ ownFiles: true, steady: true });

const COMPONENT = 'vision_encoder';

test('from the folder of a package to one of its components within a budget on the use', async ({
  window,
  served,
  problems,
}, info) => {
  const folder = join(served.home, 'own', 'small');
  // Building the models needs the registry of operators, which plain Node cannot load.
  execFileSync(process.execPath, ['scripts/run.mjs', 'test/support/write-package.ts', folder], { cwd: ROOT });
  const w = new Window(window);
  await w.chooseFile(t.dropServed, ['own', 'small'], true);

  // Components with their roles and prunable shares.
  const components = w.panel(t.components);
  await expect(components).toBeVisible();
  for (const role of [roles.decoder, roles.embedding, roles['vision-encoder']])
    await expect(components.getByText(role, { exact: true })).toBeVisible();
  await components.getByRole('radio', { name: COMPONENT }).check();
  await expect(w.panel(COMPONENT).getByText(t.prunable)).toBeVisible();
  await expect(w.panel('small').getByRole('combobox')).toHaveValue('vlm');

  // One use, at the user's settings.
  const use = w.panel(t.oneUse);
  await use.getByLabel(/tokens of the answer/).fill('5');
  await use.getByLabel(/tokens of the answer/).blur();
  await expect(use).toContainText('an answer of 5');
  await use.getByLabel(/tokens of the answer/).fill('0');
  await use.getByLabel(/tokens of the answer/).blur();
  await expect(use.getByLabel(/tokens of the answer/)).toHaveValue('5');
  await w.button(t.measureUse).click();
  const metrics = use.getByRole('table', { name: t.metrics });
  await expect(metrics.getByRole('row', { name: /first-token/ })).toContainText('ms');
  await expect(
    use
      .getByRole('table', { name: t.phases })
      .getByRole('row', { name: /decode/ })
      .first(),
  ).toContainText('%');
  await noSeriousViolations(window, 'package');

  // Correcting the family changes the use; correcting it back restores the use.
  await w.panel('small').getByRole('combobox').selectOption('lm');
  await expect(use).toContainText('a prompt of 64 tokens');
  await w.panel('small').getByRole('combobox').selectOption('vlm');
  await expect(use).toContainText('one picture of 16 tokens');
  await components.getByRole('radio', { name: COMPONENT }).check();

  await w.next();
  await expect(w.panel(t.budget)).toContainText(COMPONENT);
  await w.panel(t.budget).getByRole('combobox').selectOption('first-token');
  await w.reached();
  await expect(w.panel(t.usePartsTitle)).toContainText(t.otherComponents);
  await window.getByRole('slider').fill('0.8');
  await expect(window.getByText(t.withinReach)).toBeVisible();
  await noSeriousViolations(window, 'budget');
  await w.next();
  await w.next();
  await w.preset('fast');
  await w.start();
  await expect(w.status).toHaveText('done', { timeout: 900_000 });

  // The verdict on the use comes first, with its phases; the component's own figures follow.
  const outcome = window.getByTestId('outcome');
  await expect(outcome).toContainText('first-token');
  const phases = outcome.getByRole('table', { name: t.oneUse });
  await expect(phases.getByRole('row', { name: new RegExp(`vision.*${COMPONENT}`) })).toContainText('ms');
  await expect(phases.getByRole('row', { name: /prefill/ })).toContainText('ms');
  await expect(outcome).toContainText(t.shareOfBudget);
  await expect(w.panel(t.thisJob)).toContainText('first-token');
  await w.next();
  await expect(w.panel(t.sliders)).toBeVisible();
  await noSeriousViolations(window, 'review');
  await w.next();
  await w.verify();

  await w.button(t.library).click();
  const row = window.getByRole('row').filter({ hasText: 'compression' });
  await expect(row).toContainText(`small › ${COMPONENT}`);
  await row.getByRole('button', { name: t.duplicate }).click();
  await expect(w.panel(t.budget).getByRole('combobox')).toHaveValue('first-token');
  await w.step('model');
  await expect(components.getByRole('radio', { name: COMPONENT })).toBeChecked();
  await w.button(t.library).click();
  await w.tab(t.models);
  await expect(window.getByRole('row').filter({ hasText: 'small' })).toContainText('Vision-language model');

  // No page is wider or higher than its window.
  await window.setViewportSize({ width: 800, height: 600 });
  for (const step of ['model', 'budget', 'run', 'review'] as const) {
    await w.step(step);
    for (const scheme of ['dark', 'light'] as const) {
      await showIn(window, scheme);
      expect(await overflow(window), `${step} in ${scheme}`).toBeLessThanOrEqual(0);
      await window.screenshot({ path: info.outputPath(`${step}-${scheme}.png`), fullPage: true });
    }
  }
  expect(problems).toEqual([]);
});
