// Reads the layout in the page, so this file is checked with the types of the browser.
import type { Page } from '@playwright/test';

/**
 * Pixels by which the page exceeds the window: its width or height, or the width of the main part, the only one that
 * scrolls down. Not above 0 where everything fits.
 */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const [root, main] = [document.documentElement, document.querySelector('main')!];
    return Math.max(
      root.scrollWidth - innerWidth,
      root.scrollHeight - innerHeight,
      main.scrollWidth - main.clientWidth,
    );
  });
