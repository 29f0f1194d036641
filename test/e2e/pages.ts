// The window as a user walks through it: what every runner drives, whatever opened the page.
import type { Locator, Page } from '@playwright/test';
import { steps, t } from '../../src/renderer/app/strings.ts';
import type { StepName } from '../../src/renderer/state/names.ts';

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
  async chooseSample(): Promise<void> {
    await this.panel(t.samples).getByRole('button', { name: t.choose }).click();
    await this.panel('scenes-resnet.onnx').getByText(t.params).waitFor();
  }
  /** By the window's own list of files: from the folder it shows to the file, or to the folder itself. */
  async chooseFile(field: string, path: readonly string[], folder = false): Promise<void> {
    await this.page.getByRole('button', { name: `${t.choose}: ${field}` }).click();
    const dialog = this.page.getByRole('dialog');
    for (const [i, name] of path.entries())
      await dialog.getByRole('button', { name: folder || i < path.length - 1 ? `${name}/` : name }).click();
    if (folder) await dialog.getByRole('button', { name: t.useFolder }).click();
  }
  get status(): Locator {
    return this.page.getByTestId('status');
  }
}
