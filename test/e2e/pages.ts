// Page objects for the steps of the window; every runner uses them, however it opened the page.
import AxeBuilder from '@axe-core/playwright';
import { expect, type Locator, type Page } from '@playwright/test';
import { presets, steps, t } from '../../src/renderer/app/strings.ts';
import type { StepName } from '../../src/renderer/state/names.ts';
import type { Verdict } from '../../src/renderer/state/verdict.ts';

/** Switches the page's colour scheme and waits until it is applied. */
export async function showIn(page: Page, colorScheme: 'light' | 'dark'): Promise<void> {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await page.locator(`html[data-theme=${colorScheme}]`).waitFor();
}

/** Checks accessibility in both themes. */
export async function noSeriousViolations(page: Page, where: string): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await showIn(page, colorScheme);
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
    expect(serious.map((v) => `${where} ${colorScheme}: ${v.id}: ${v.nodes[0]?.html}`)).toEqual([]);
  }
}

/** Measuring takes long, and waits for other measurements on this machine. */
const MEASURED = { timeout: 900_000 };

export class Window {
  readonly page: Page;
  constructor(page: Page) {
    this.page = page;
  }
  get heading(): Locator {
    return this.page.getByRole('heading', { level: 2 });
  }
  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }
  panel(name: string): Locator {
    return this.page.getByRole('region', { name, exact: true });
  }
  step(name: StepName): Promise<void> {
    return this.page.getByRole('navigation').getByRole('button', { name: steps[name].name }).click();
  }
  next(): Promise<void> {
    return this.button(t.next).click();
  }
  tab(name: string): Promise<void> {
    return this.page.getByRole('tab', { name, exact: true }).click();
  }
  preset(name: string): Promise<void> {
    return this.page.getByRole('radio', { name: presets[name]!.title }).check();
  }
  /** Waits on the Budget step until it shows the reachable budgets. */
  async reached(): Promise<void> {
    await expect(this.panel(t.reachable).getByRole('img').first()).toBeVisible(MEASURED);
  }
  /**
   * Starts the job from the Recipe step. Confirms the question about a budget that is already met
   * or out of reach.
   */
  async start(): Promise<void> {
    await this.button(t.start).click();
    const question = this.page.getByRole('alertdialog');
    await expect(question.or(this.status)).toBeVisible();
    if (await question.isVisible()) await this.answer(t.startAnyway);
  }
  /** Answers the open question with its button. */
  async answer(name: string): Promise<void> {
    const question = this.page.getByRole('alertdialog');
    await question.getByRole('button', { name, exact: true }).click();
    await expect(question).toBeHidden();
  }
  async chooseSample(): Promise<void> {
    await this.panel(t.samples).getByRole('button', { name: t.choose }).first().click();
    await this.panel('scenes-resnet.onnx').getByText(t.params).waitFor();
  }
  /** Opens a model by its path below a folder that the window may list. */
  chooseOwn(path: readonly string[]): Promise<void> {
    return this.chooseFile(t.dropServed, path);
  }
  /** Uses the window's own file list: from its first folder to the file, or to a folder. */
  async chooseFile(field: string, path: readonly string[], folder = false): Promise<void> {
    await this.page.getByRole('button', { name: `${t.choose}: ${field}` }).click();
    const dialog = this.page.getByRole('dialog');
    for (const [i, name] of path.entries())
      await dialog.getByRole('button', { name: folder || i < path.length - 1 ? `${name}/` : name }).click();
    if (folder) await dialog.getByRole('button', { name: t.useFolder }).click();
  }
  /** Verdict of the shown job, as displayed. */
  async verdict(): Promise<Verdict> {
    return (await this.page.getByTestId('outcome').getAttribute('data-verdict')) as Verdict;
  }
  /**
   * Opens the bundle on the Export step, confirming the question for a result that was not
   * accepted. The verdict depends on the measurement, so both cases are handled.
   */
  async openBundle(): Promise<void> {
    if ((await this.verdict()) === 'accepted') {
      await expect(this.button(t.showExperimental)).toHaveCount(0);
      return;
    }
    await expect(this.panel(t.experimental)).toContainText(t.experimentalHint);
    for (const answer of [t.cancel, t.showExperimental]) {
      await expect(this.button(t.verify)).toHaveCount(0);
      await this.button(t.showExperimental).click();
      await expect(this.page.getByRole('alertdialog')).toContainText(t.ask.experimental[0]!);
      await this.answer(answer);
    }
    await expect(this.panel(`${t.where} (${t.experimental})`)).toBeVisible();
  }
  /** Verifies the bundle on the Export step. The failure message lists all checks. */
  async verify(): Promise<void> {
    await this.openBundle();
    await this.button(t.verify).click();
    const checks = this.panel(t.checks);
    await expect(checks).toBeVisible(MEASURED);
    // The latency check depends on the machine's load; it is tested with fixed figures elsewhere.
    await expect(checks.getByRole('row').filter({ hasText: '✗' }).filter({ hasNotText: 'latency' })).toHaveCount(0);
    await expect(checks.getByRole('row').filter({ hasText: 'golden' })).toContainText('✓');
  }
  get status(): Locator {
    return this.page.getByTestId('status');
  }
}
