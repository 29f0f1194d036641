/** Formats numbers for the window. */
const fixed = (x: number, digits: number): string => x.toFixed(digits);

/** Milliseconds with at least three significant digits. */
export const ms = (x: number): string =>
  `${x >= 100 ? fixed(x, 0) : x >= 10 ? fixed(x, 1) : x >= 1 ? fixed(x, 2) : fixed(x, 3)} ms`;
/** Two times in a text that may break only between them. */
export const fromTo = (before: number, after: number | null): string =>
  [ms(before), after === null ? '–' : ms(after)].map((x) => x.replace(' ', '\u00a0')).join('\u00a0→ ');
export const percent = (x: number, digits = 1): string => `${fixed(100 * x, digits)} %`;
export const ratio = (x: number): string => `${fixed(x, 2)}x`;

function scaled(x: number, units: readonly string[], base: number): string {
  let i = 0;
  for (; x >= base && i < units.length - 1; i++) x /= base;
  return `${i === 0 ? fixed(x, 0) : x >= 100 ? fixed(x, 0) : fixed(x, 1)} ${units[i]}`.trim();
}
export const bytes = (x: number): string => scaled(x, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024);
export const amount = (x: number): string => scaled(x, ['', 'k', 'M', 'G', 'T'], 1000);

export function duration(milliseconds: number): string {
  const s = Math.round(milliseconds / 1000);
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  return m < 60 ? `${m} min ${s % 60} s` : `${Math.floor(m / 60)} h ${m % 60} min`;
}

export const fileName = (path: string): string => path.split(/[\\/]/).at(-1) ?? path;

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
export const when = (unixMs: number): string => clock.format(unixMs);
