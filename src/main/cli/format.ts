/** Formats numbers and tables for the terminal. */

/** Three significant digits: 0.812 ms, 12.3 ms, 1234 ms. */
export function milliseconds(ms: number): string {
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(3)} ms`;
}

/** Three significant digits with an SI prefix: 41.2 M. */
export function count(n: number): string {
  const units = ['', ' k', ' M', ' G', ' T'];
  let i = 0;
  let v = n;
  while (Math.abs(v) >= 999.5 && i < units.length - 1) [v, i] = [v / 1000, i + 1];
  return `${i === 0 ? String(Math.round(v)) : v.toPrecision(3)}${units[i]}`;
}

/** Binary units. */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  let v = n;
  while (v >= 1023.5 && i < units.length - 1) [v, i] = [v / 1024, i + 1];
  return `${i === 0 ? String(v) : v >= 100 ? v.toFixed(0) : v.toPrecision(3)} ${units[i]}`;
}

export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)}%`;
}

/** Duration in at most two units: 45 s, 3 min 20 s, 2 h 5 min. */
export function duration(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/**
 * Pads columns to their widest cell. The first column is left-aligned; the others are right-aligned
 * unless `left` names them.
 */
export function table(rows: readonly (readonly string[])[], left: readonly number[] = [0]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (left.includes(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}
