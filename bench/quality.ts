// Quality at a measured latency: ResNet-56 on CIFAR-10, one thread, batch 1. Top-1 on the 10,000
// test images, which no stage uses; the job gets the 10,000 training images. Without arguments:
// one-shot table over criteria and allocations.
//   node scripts/run.mjs bench/quality.ts [--budget 0.5x] [--recover SECONDS] [--only CRITERION/ALLOCATION] [--samples N] [--model FILE]
import { parseArgs } from 'node:util';
import { asset, cifar, compress, haveAssets, onTest, percent, table } from './support.ts';
import type { Recipe } from '../src/shared/model/job.ts';

const { values } = parseArgs({
  options: {
    budget: { type: 'string', default: '0.5x' },
    recover: { type: 'string', default: '0' },
    only: { type: 'string' },
    model: { type: 'string', default: 'models/resnet56_cifar10_bn.onnx' },
    seed: { type: 'string', default: '1' },
    samples: { type: 'string', default: '9000' },
    json: { type: 'string', default: '{}' },
  },
});
if (!haveAssets()) {
  console.log('skipped: ../shared/assets is not here');
  process.exit(0);
}
const model = asset(values.model);
const seconds = Number(values.recover);
const cases: { criterion: string; allocation: Recipe['allocation']; compensation: Recipe['compensation'] }[] =
  values.only
    ? [values.only.split('/') as [string, Recipe['allocation'], Recipe['compensation']?]].map(([c, a, k]) => ({
        criterion: c,
        allocation: a ?? 'measured',
        compensation: k ?? 'least-squares',
      }))
    : [
        ...[
          'random',
          'l1',
          'l2',
          'bn-scale',
          'fpgm',
          'lamp',
          'activation-norm',
          'wifv',
          'osscar',
          'taylor',
          'taylor-mixed',
        ].map((criterion) => ({ criterion, allocation: 'measured' as const, compensation: 'least-squares' as const })),
        { criterion: 'l2', allocation: 'measured', compensation: 'bias' },
        { criterion: 'l2', allocation: 'measured', compensation: 'none' },
        ...(['uniform', 'global', 'isomorphic'] as const).flatMap((allocation) =>
          ['random', 'l2'].map((criterion) => ({ criterion, allocation, compensation: 'least-squares' as const })),
        ),
      ];
const rows = [
  [
    'criterion',
    'allocation',
    'compensation',
    'p50 x',
    'met',
    'blocks',
    'one-shot top-1',
    'result top-1',
    'agreement',
    'KL',
    'seconds',
  ],
];
for (const c of cases) {
  const started = performance.now();
  const r = await compress({
    model,
    budget: values.budget,
    ...cifar,
    seed: Number(values.seed),
    recipe: {
      criterion: c.criterion,
      allocation: c.allocation,
      compensation: c.compensation,
      calibrationSamples: Number(values.samples),
    },
    recovery: { enabled: seconds > 0, seconds, ...(JSON.parse(values.json) as object) },
    quiet: !values.only,
  });
  if (!r.model || !r.result) {
    rows.push([
      c.criterion,
      c.allocation,
      c.compensation,
      `least ${(r.unreachable!.bestMs / r.baseline.p50Ms).toFixed(3)}`,
      'unreachable',
    ]);
    console.error(table(rows));
    continue;
  }
  const test = await onTest(model, r.model);
  if (rows.length === 1)
    console.error(`original: top-1 ${percent(test.original.top1)} %, p50 ${r.baseline.p50Ms.toFixed(3)} ms`);
  rows.push([
    c.criterion,
    c.allocation,
    c.compensation,
    (r.result.p50Ms / r.baseline.p50Ms).toFixed(3),
    String(r.met),
    String(r.blocksRemoved.length),
    `${percent(r.compensated?.top1)} (held out)`,
    percent(test.pruned.top1),
    percent(test.pruned.agreement),
    test.pruned.kl?.toFixed(4) ?? '-',
    ((performance.now() - started) / 1000).toFixed(0),
  ]);
  if (values.only) {
    console.error(JSON.stringify(r.seconds), r.notes.join(' '));
    console.error(r.blocksRemoved.join(' '));
    console.error(
      r.groups
        .filter((g) => g.kept < g.units)
        .map((g) => `${g.id} ${g.kept}/${g.units}`)
        .join(', '),
    );
  } else console.error(table(rows.slice(-1)));
}
console.log(table(rows));
