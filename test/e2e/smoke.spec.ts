import { STEPS } from '../../src/renderer/app/steps.ts';
import { expect, test } from './window.ts';

test('the window says what it is and lists the steps, without errors or outside requests', async ({
  window,
  problems,
}) => {
  await expect(window.getByRole('heading', { level: 1 })).toHaveText('Secateur');
  await expect(window.getByText(/^version \d+\.\d+\.\d+$/)).toBeVisible();
  await expect(window.getByRole('listitem').getByRole('heading')).toHaveText(STEPS.map((s) => s.name));
  // The browser asks for an icon by itself.
  expect(problems.filter((p) => !p.includes('favicon'))).toEqual([]);
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
      test('fits its width and keeps its colours readable', async ({ window }, info) => {
        await window.emulateMedia({ colorScheme: scheme });
        expect(await window.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
        const [text, back] = await window.evaluate(() => {
          const style = getComputedStyle(document.body);
          return [style.color, style.backgroundColor];
        });
        expect(contrast(text!, back!)).toBeGreaterThan(7);
        await window.screenshot({ path: info.outputPath('window.png') });
      });
    });

/** Ratio of relative luminances, as WCAG 2 defines it. */
function contrast(a: string, b: string): number {
  const luminance = (css: string): number => {
    const [r, g, bl] = css.match(/[\d.]+/g)!.map((x) => {
      const c = Number(x) / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * bl!;
  };
  const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
  return (x! + 0.05) / (y! + 0.05);
}
