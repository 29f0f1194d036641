// Is the measured budget met, and how closely? Every model at 0.75x, 0.5x and 0.35x of its own latency, one thread, without
// recovery. "share" is the final measured p50 over the budget: it should lie in 0.95..1.00.
//   node scripts/run.mjs bench/budgets.ts [MODEL...] [--ratios 0.75,0.5,0.35]
import { parseArgs } from 'node:util';
import { asset, cifar, compress, haveAssets, root, table, type RunOptions } from './support.ts';
import { join } from 'node:path';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { ratios: { type: 'string', default: '0.75,0.5,0.35' } },
});
type Case = Omit<RunOptions, 'budget'> & { readonly needs: boolean };
const cases: Record<string, Case> = {
  sample: {
    model: join(root, 'resources/samples/scenes-resnet.onnx'),
    data: join(root, 'resources/samples/scenes-test.npz'),
    needs: false,
  },
  resnet20: { model: asset('models/resnet20_cifar10_bn.onnx'), ...cifar, needs: true },
  resnet56: { model: asset('models/resnet56_cifar10_bn.onnx'), ...cifar, needs: true },
  'resnet56-batch16': { model: asset('models/resnet56_cifar10_bn.onnx'), ...cifar, batch: 16, needs: true },
  mobilenet_v2: {
    model: asset('models/mobilenet_v2_imagenet.onnx'),
    data: asset('data/imagenet'),
    labels: asset('data/imagenet/labels.csv'),
    preprocess: join(import.meta.dirname, 'minus-one-to-one.preprocess.json'),
    needs: true,
  },
  yolox_nano: { model: asset('models/yolox_nano_coco.onnx'), data: asset('data/coco8_416.npy'), needs: true },
  superres: { model: asset('models/superres_x3.onnx'), needs: true },
};
const chosen = positionals.length ? positionals : Object.keys(cases);
const rows = [
  ['model', 'budget', 'baseline ms', 'least x', 'result x', 'share', 'met', 'blocks', 'agreement', 'seconds'],
];
for (const name of chosen) {
  const c = cases[name];
  if (!c) throw new Error(`there is no case ${name}; there are ${Object.keys(cases).join(', ')}`);
  if (c.needs && !haveAssets()) {
    console.error(`skipped ${name}: ../shared/assets is not here`);
    continue;
  }
  for (const ratio of values.ratios.split(',')) {
    const started = performance.now();
    const { needs: _, ...options } = c;
    const r = await compress({ ...options, budget: `${ratio}x` });
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    const base = r.baseline.p50Ms;
    rows.push(
      r.result
        ? [
            name,
            `${ratio}x`,
            base.toFixed(3),
            '',
            (r.result.p50Ms / base).toFixed(3),
            (r.result.p50Ms / r.budgetMs).toFixed(3),
            String(r.met),
            String(r.blocksRemoved.length),
            r.compensated?.agreement?.toFixed(3) ?? r.compensated?.snrDb?.toFixed(1) ?? '-',
            seconds,
          ]
        : [
            name,
            `${ratio}x`,
            base.toFixed(3),
            (r.unreachable!.bestMs / base).toFixed(3),
            '-',
            '-',
            'unreachable',
            '-',
            '-',
            seconds,
          ],
    );
    console.error(table([rows[0]!, rows.at(-1)!]));
  }
}
console.log(table(rows));
