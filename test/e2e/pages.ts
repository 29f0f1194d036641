// The window as a user walks through it: what every runner drives, whatever opened the page.
import AxeBuilder from '@axe-core/playwright';
import { expect, type Locator, type Page } from '@playwright/test';
import { presets, steps, t } from '../../src/renderer/app/strings.ts';
import type { StepName } from '../../src/renderer/state/names.ts';
import type { Verdict } from '../../src/renderer/state/verdict.ts';

/** Shows the page in that scheme, and waits until it has taken it. */
export async function showIn(page: Page, colorScheme: 'light' | 'dark'): Promise<void> {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await page.locator(`html[data-theme=${colorScheme}]`).waitFor();
}

/** In both themes. */
export async function noSeriousViolations(page: Page, where: string): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await showIn(page, colorScheme);
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
    expect(serious.map((v) => `${where} ${colorScheme}: ${v.id}: ${v.nodes[0]?.html}`)).toEqual([]);
  }
}

/** What measures takes its time, and waits for whatever else measures on this machine. */
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
  /** On the budget step: until it shows what this device can reach. */
  async reached(): Promise<void> {
    await expect(this.panel(t.reachable).getByRole('img').first()).toBeVisible(MEASURED);
  }
  /** Starts the job of the recipe step. A budget that is met already, or out of reach by what was measured, is asked about. */
  async start(): Promise<void> {
    await this.button(t.start).click();
    const question = this.page.getByRole('alertdialog');
    await expect(question.or(this.status)).toBeVisible();
    if (await question.isVisible()) await this.answer(t.startAnyway);
  }
  /** Of the question that is open. */
  async answer(name: string): Promise<void> {
    const question = this.page.getByRole('alertdialog');
    await question.getByRole('button', { name, exact: true }).click();
    await expect(question).toBeHidden();
  }
  async chooseSample(): Promise<void> {
    await this.panel(t.samples).getByRole('button', { name: t.choose }).click();
    await this.panel('scenes-resnet.onnx').getByText(t.params).waitFor();
  }
  /** A model by its path below a folder that the window may look at. */
  chooseOwn(path: readonly string[]): Promise<void> {
    return this.chooseFile(t.dropServed, path);
  }
  /** By the window's own list of files: from the folder it shows to the file, or to the folder itself. */
  async chooseFile(field: string, path: readonly string[], folder = false): Promise<void> {
    await this.page.getByRole('button', { name: `${t.choose}: ${field}` }).click();
    const dialog = this.page.getByRole('dialog');
    for (const [i, name] of path.entries())
      await dialog.getByRole('button', { name: folder || i < path.length - 1 ? `${name}/` : name }).click();
    if (folder) await dialog.getByRole('button', { name: t.useFolder }).click();
  }
  /** What the job that is shown came to, as the window says it. */
  async verdict(): Promise<Verdict> {
    return (await this.page.getByTestId('outcome').getAttribute('data-verdict')) as Verdict;
  }
  /**
   * To the bundle on the export step, by the question that stands before one that was not accepted. How the budget is judged
   * is a matter of the minute, so that both ways are right.
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
  /** The bundle of the export step. Its panel holds every check: where one fails, the report of this says which. */
  async verify(): Promise<void> {
    await this.openBundle();
    await this.button(t.verify).click();
    const checks = this.panel(t.checks);
    await expect(checks).toBeVisible(MEASURED);
    // Whether the latency holds is a matter of the minute: that verdict is tested on given figures.
    await expect(checks.getByRole('row').filter({ hasText: '✗' }).filter({ hasNotText: 'latency' })).toHaveCount(0);
    await expect(checks.getByRole('row').filter({ hasText: 'golden' })).toContainText('✓');
  }
  get status(): Locator {
    return this.page.getByTestId('status');
  }
}
