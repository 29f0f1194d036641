// The window as a user walks through it: what every runner drives, whatever opened the page.
import AxeBuilder from '@axe-core/playwright';
import { expect, type Locator, type Page } from '@playwright/test';
import { presets, steps, t } from '../../src/renderer/app/strings.ts';
import type { StepName } from '../../src/renderer/state/names.ts';

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
  /** The bundle of the export step. Its panel holds every check: where one fails, the report of this says which. */
  async verify(): Promise<void> {
    await this.button(t.verify).click();
    const checks = this.panel(t.checks);
    await expect(checks).toBeVisible({ timeout: 900_000 });
    // Whether the latency holds is a matter of the minute: that verdict is tested on given figures.
    await expect(checks.getByRole('row').filter({ hasText: '✗' }).filter({ hasNotText: 'latency' })).toHaveCount(0);
    await expect(checks.getByRole('row').filter({ hasText: 'golden' })).toContainText('✓');
  }
  get status(): Locator {
    return this.page.getByTestId('status');
  }
}
