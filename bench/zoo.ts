// `secateur coverage` over architectures without weights (default: ../shared/zoo): fills each
// model, runs the command on it and checks that its MACs fall enough.
//   npm run bench -- zoo [--ratio R] [--seed N] [MODEL.onnx...]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { renderCoverage } from '../src/main/cli/coverage-command.ts';
import { openModelFile, saveModelFile } from '../src/main/storage/model-files.ts';
import type { CoverageRow } from '../src/shared/model/tasks.ts';
import { amplifySignals, fillZoo } from '../test/support/zoo.ts';
import { root } from './support.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { ratio: { type: 'string', default: '0.3' }, seed: { type: 'string', default: '1' } },
});
const zoo = resolve(root, '../shared/zoo');
if (positionals.length === 0 && !existsSync(zoo)) {
  console.log('skipped: ../shared/zoo is not here, and no model was named');
  process.exit(0);
}
const models = positionals.length
  ? positionals
  : readdirSync(zoo)
      .filter((f) => f.endsWith('.onnx'))
      .sort()
      .map((f) => join(zoo, f));

/**
 * Smallest accepted drop of the MACs for a share of removed units: a quarter at 0.3, two fifths at
 * 0.5.
 */
const wantedDrop = (ratio: number): number => Math.max(0, 0.25 + 0.75 * (ratio - 0.3));

/** The row of `secateur coverage` for one model file. */
function coverage(model: string): CoverageRow {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [join(root, 'bin/secateur.mjs'), 'coverage', model, '--ratio', values.ratio, '--json'],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`secateur coverage ended with ${status}: ${stderr}`);
  return (JSON.parse(stdout) as [CoverageRow])[0];
}

/** The row with the check of the MACs added. */
function checked(row: CoverageRow): CoverageRow {
  if (row.macsRatio === null || 1 - row.macsRatio >= wantedDrop(row.ratio)) return row;
  const problem = `MACs fall by ${(100 * (1 - row.macsRatio)).toFixed(0)} % only`;
  return { ...row, ok: false, problems: [...row.problems, problem] };
}

const folder = mkdtempSync(join(tmpdir(), 'secateur-zoo-'));
const rows: CoverageRow[] = [];
try {
  for (const [i, path] of models.entries()) {
    const filled = join(folder, basename(path));
    const model = fillZoo(openModelFile(path), Number(values.seed));
    await amplifySignals(model);
    saveModelFile(model, filled);
    const row = checked(coverage(filled));
    rows.push(row);
    rmSync(filled);
    console.error(`${i + 1}/${models.length} ${row.name}: ${row.ok ? 'ok' : row.problems.join('; ')}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(renderCoverage(rows));
process.exitCode = rows.every((r) => r.ok) ? 0 : 1;
