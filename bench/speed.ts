// Time from the command to the pruned and compensated file, without recovery, for a model of the
// size of ResNet-50; then the time for a second budget of the same model, which finds operator
// times, scores and costs of plans in the store.
//   node scripts/run.mjs bench/speed.ts [--model FILE] [--budgets 0.6x,0.5x]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fillZoo } from '../test/support/zoo.ts';
import { openModelFile, saveModelFile } from '../src/main/storage/model-files.ts';
import { asset, compress, haveAssets, root, table } from './support.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: resolve(root, '../shared/zoo/resnet50.onnx') },
    budgets: { type: 'string', default: '0.6x,0.5x' },
  },
});
if (!haveAssets()) {
  console.log('skipped: ../shared is not here');
  process.exit(0);
}
// A fresh data folder, so that nothing is cached about the model or this machine.
const home = mkdtempSync(join(tmpdir(), 'secateur-speed-'));
try {
  const model = join(home, 'model.onnx');
  saveModelFile(fillZoo(openModelFile(values.model), 1), model);
  const rows = [['budget', 'to the compensated file', 'whole job', 'share of the budget', 'where the seconds went']];
  for (const budget of values.budgets.split(',')) {
    const started = performance.now();
    const r = await compress({ model, budget, data: asset('data/imagenet'), home });
    const total = (performance.now() - started) / 1000;
    // Stages after the file is written: quality, the final measurement and the bundle.
    const after = ['evaluate', 'measure', 'bundle'].reduce((s, k) => s + (r.seconds[k] ?? 0), 0);
    const where = Object.entries(r.seconds).map(([k, s]) => `${k} ${s.toFixed(1)}`); // prettier-ignore
    rows.push([
      budget,
      `${(total - after).toFixed(1)} s`,
      `${total.toFixed(1)} s`,
      r.result ? (r.result.p50Ms / r.budgetMs).toFixed(3) : 'unreachable',
      where.join(', '),
    ]);
    console.error(table(rows.slice(-1)));
  }
  console.log(table(rows));
} finally {
  rmSync(home, { recursive: true, force: true });
}
