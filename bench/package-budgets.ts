// One budget over a whole package: visual tokens and the structures of its components together, beside each kind alone.
/*
 * Arguments: [--package resources/samples/scenes-vlm] [--questions FILE] [--budgets 0.8,0.65,0.5] [--metric first-token]
 *   [--tokens auto] [--recipe fast] [--threads 1]
 * Packages are written to out/bench/package-budgets, and the reports beside them as JSON. Cached results of earlier runs are
 * used; measurements are made anew. More questions for the sample: scripts/samples-vlm-data.ts (docs/tokens-recovery.md).
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { PackageBudgetReport, PackageBudgetRequest } from '../src/shared/model/package-budget.ts';
import { parseBudget } from '../src/shared/model/budget.ts';
import { PRESETS, type PresetName } from '../src/shared/model/recipes.ts';
import { renderPackageBudget } from '../src/main/cli/render-package-budget.ts';
import { compressPackage } from '../src/main/pipeline/compress-package.ts';
import { openWorker } from '../src/main/tasks/worker-resources.ts';
import { inSubprocess } from './in-subprocess.ts';
import { root, sessionThread, table } from './support.ts';

const { values: args } = parseArgs({
  options: {
    package: { type: 'string', default: join(root, 'resources/samples/scenes-vlm') },
    questions: { type: 'string', default: join(root, 'resources/samples/scenes-questions/questions.csv') },
    budgets: { type: 'string', default: '0.8,0.65,0.5' },
    metric: { type: 'string', default: 'first-token' },
    tokens: { type: 'string', default: 'auto' },
    recipe: { type: 'string', default: 'fast' },
    threads: { type: 'string', default: '1' },
  },
});
const home = process.env['SECATEUR_BENCH_HOME'] ?? join(root, 'out/bench');
const out = join(home, 'package-budgets');
mkdirSync(out, { recursive: true });

async function one(budget: string): Promise<PackageBudgetReport> {
  const name = `${args.package.split('/').at(-1)}-${args.metric}-${budget}`;
  rmSync(join(out, name), { recursive: true, force: true });
  const request: PackageBudgetRequest = {
    package: resolve(args.package),
    budget: { ...parseBudget(`${budget}x`), percentile: 50, batch: 1, threads: Number(args.threads), provider: 'cpu' },
    metric: args.metric,
    tokens: args.tokens,
    images: [],
    prompts: [],
    questions: { path: resolve(args.questions), localisation: null },
    settings: {},
    recipe: PRESETS[args.recipe as PresetName],
    out: join(out, name),
    seed: 1,
  };
  const worker = await openWorker({ id: 'bench', task: 'package-budget', input: request, home }, sessionThread);
  let last = '';
  const report = await compressPackage(request, {
    ...worker.context,
    job: `bench-${process.pid}-${budget}`,
    inSubprocess,
    point: () => undefined,
    log: (line) => console.error(`    ${line}`),
    progress: ({ stage, message }) => {
      if (stage !== last) console.error(`  ${stage}: ${message}`);
      last = stage;
    },
  });
  writeFileSync(join(out, `${name}.json`), JSON.stringify(report, null, 2));
  console.log(renderPackageBudget(report));
  return report;
}

const rows: string[][] = [];
for (const budget of args.budgets.split(',')) {
  const r = await one(budget);
  const { ways } = r;
  const chosen = ways.find((w) => w.chosen);
  const single = ways.filter((w) => w.reached && w.kinds.length === 1).sort((a, b) => a.kl - b.kl)[0];
  rows.push([
    `${budget}x`,
    r.met ? 'met' : 'missed',
    r.workload ? `${((100 * (r.workload.latency.low + r.workload.latency.high)) / 2).toFixed(1)} %` : '-',
    chosen ? chosen.kinds.join(' + ') : '-',
    chosen ? chosen.kl.toPrecision(3) : '-',
    single ? `${single.kinds[0]} ${single.kl.toPrecision(3)}` : 'none',
    r.answers ? `${r.answers.equal}/${r.answers.answers}` : '-',
    r.figures ? `${r.questions!.original.all.exact} -> ${r.figures.all.exact}` : '-',
    `${Math.round(r.seconds)} s`,
  ]);
}
console.log(table([['budget', '', 'of it', 'chosen', 'KL', 'best single', 'equal', 'right', 'took'], ...rows]));
