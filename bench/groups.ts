// Time to analyse large graphs: groups of every given model (default: the zoo), and the way from
// the file to the file pruned by L2 norm, without measurements. Missing weights are generated,
// which is not counted.
//   node scripts/run.mjs bench/groups.ts [MODEL.onnx...]
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fillMissing } from '../test/support/fill-weights.ts';
import { buildGroups } from '../src/main/engine/structures/axes/groups.ts';
import { applyPlan } from '../src/main/engine/structures/apply.ts';
import { createExecutor } from '../src/main/runtime/executor.ts';
import { evenPlan, normsOf } from '../src/main/tasks/coverage.ts';
import { prepare } from '../src/main/pipeline/prepare/prepare.ts';
import { openWorker } from '../src/main/tasks/worker-resources.ts';
import { openModelFile, saveModelFile } from '../src/main/storage/model-files.ts';
import { inSubprocess } from './in-subprocess.ts';
import { root, table } from './support.ts';

const zoo = resolve(root, '../shared/zoo');
const files = process.argv.slice(2);
if (files.length === 0 && !existsSync(zoo)) {
  console.log('skipped: ../shared/zoo is not here, and no model was named');
  process.exit(0);
}
const models = files.length
  ? files
  : readdirSync(zoo)
      .filter((f) => f.endsWith('.onnx'))
      .map((f) => join(zoo, f));
const home = mkdtempSync(join(tmpdir(), 'secateur-groups-'));
const { context } = await openWorker({ id: 'bench', task: 'coverage', input: null, home });
const ctx = {
  ...context,
  job: 'bench',
  inSubprocess,
  executor: createExecutor(),
  progress: () => undefined,
  log: () => undefined,
  point: () => undefined,
};
const rows = [['model', 'nodes', 'groups', 'facts and groups s', 'groups alone s', 'file to pruned file s']];
for (const file of models) {
  const path = join(home, 'model.onnx');
  const source = openModelFile(file);
  fillMissing(source, 1);
  saveModelFile(source, path);
  const started = performance.now();
  const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(2);
  const model = openModelFile(path);
  const p = await prepare(model, ctx, 1);
  const prepared = seconds(started);
  const plan = evenPlan(p, await normsOf(model, p, 1, ctx), 0.5);
  saveModelFile(applyPlan(p, plan).model, join(home, 'pruned.onnx'));
  const whole = seconds(started);
  const again = performance.now();
  buildGroups(p.model, p.facts);
  rows.push([
    basename(file, '.onnx'),
    String(p.model.graph.nodeCount),
    String(p.analysis.groups.length),
    prepared,
    seconds(again),
    whole,
  ]);
  console.error(table([rows[0]!, rows.at(-1)!]));
}
console.log(table(rows));
rmSync(home, { recursive: true, force: true });
