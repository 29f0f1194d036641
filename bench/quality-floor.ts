// Is a ruined result told from a good one? Real models at several budgets with the recipe fast:
// quality before and after, the number of samples, and the verdict. Rows are printed as they
// finish.
//   node scripts/run.mjs bench/quality-floor.ts [--only NAME,...] [--budgets 0.8,0.7,0.6]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PRESETS } from '../src/shared/model/recipes.ts';
import type { Preprocess, Quality } from '../src/shared/model/job.ts';
import { asset, cifar, compress, haveAssets, percent, table } from './support.ts';

const { values } = parseArgs({
  options: { only: { type: 'string' }, budgets: { type: 'string', default: '0.8,0.7,0.6' } },
});
interface Case {
  readonly model: string;
  readonly data: string;
  readonly labels?: string;
  /**
   * A preprocessing file of this repository, or the content to write into one. Default: the file
   * beside the model.
   */
  readonly preprocess?: string | Preprocess;
}
const plain = { layout: 'NCHW', dtype: 'float32' } as const;
const side = (n: number) => ({ width: n, height: n });
const data = (name: string): string => asset(`data/${name}`);
const test = { data: data('cifar10_test_images.npy'), labels: data('cifar10_test_labels.npy') };
const half = { rescale: 2 / 255, mean: [1, 1, 1], std: [1, 1, 1] };
const cases: Record<string, Case> = {
  resnet20: { model: 'resnet20_cifar10.onnx', ...test, preprocess: cifar.preprocess },
  resnet56: { model: 'resnet56_cifar10.onnx', ...test, preprocess: cifar.preprocess },
  resnet8: { model: 'resnet8_cifar10.onnx', ...test, preprocess: { ...plain, colorOrder: 'RGB' } },
  mobilenet_v2: {
    model: 'mobilenet_v2_imagenet.onnx',
    data: data('imagenet'),
    labels: data('imagenet/labels.csv'),
    preprocess: { ...plain, colorOrder: 'RGB', ...half },
  },
  vit: { model: 'vit_cifar10.onnx', ...test, preprocess: cifar.preprocess },
  moe: {
    model: 'moe_mnist_8x2.onnx',
    data: data('mnist_test_images.npy'),
    labels: data('mnist_test_labels.npy'),
    preprocess: { ...plain, colorOrder: 'RGB', ...half },
  },
  yolox: {
    model: 'yolox_nano_coco.onnx',
    data: data('coco8_416.npy'),
    preprocess: { ...plain, colorOrder: 'BGR', resize: side(416) },
  },
  deeplab: {
    model: 'deeplabv3_mobilenetv2_voc.onnx',
    data: data('coco8_416.npy'),
    preprocess: { dtype: 'float32', layout: 'NHWC', colorOrder: 'RGB', resize: side(257), ...half },
  },
  superres: {
    model: 'superres_x3.onnx',
    data: data('superres_lr.npy'),
    preprocess: { ...plain, colorOrder: 'GRAY', rescale: 1 / 255 },
  },
};
if (!haveAssets()) {
  console.log('skipped: ../shared/assets is not here');
  process.exit(0);
}
const names = values.only ? values.only.split(',') : Object.keys(cases);
const folder = mkdtempSync(join(tmpdir(), 'secateur-floor-'));
const head = ['model', 'budget', 'measured', 'samples', 'figure', 'before', 'after', 'accepted', 'why'];

function figure(q: Quality | null, of: string): string {
  if (!q) return '-';
  if (of === 'top-1') return percent(q.top1);
  if (of === 'PSNR') return q.psnrDb === null ? 'exact' : (q.psnrDb?.toFixed(1) ?? '-');
  return percent(q.agreement);
}

/**
 * A separate definition with wider limits than the floor's: such a result is certainly unusable.
 */
function isRuined(before: Quality | null, after: Quality | null): boolean {
  if (!before || !after) return true;
  if (before.top1 !== undefined && after.top1 !== undefined) return after.top1 < before.top1 - 0.15;
  if (after.psnrDb !== undefined && after.psnrDb !== null) return after.psnrDb < 25;
  return (after.agreement ?? 1) < 0.7;
}

const rows = [head];
const ruined: string[] = [];
try {
  for (const name of names) {
    const c = cases[name];
    if (!c) throw new Error(`there is no case ${name}; there are ${Object.keys(cases).join(', ')}`);
    let preprocess = c.preprocess;
    if (typeof preprocess === 'object') {
      const path = join(folder, `${name}.preprocess.json`);
      writeFileSync(path, JSON.stringify(preprocess));
      preprocess = path;
    }
    for (const budget of values.budgets.split(',')) {
      const r = await compress({
        model: asset(`models/${c.model}`),
        budget: `${budget}x`,
        data: c.data,
        ...(c.labels && { labels: c.labels }),
        ...(preprocess && { preprocess }),
        recipe: { name: 'fast', calibrationSamples: PRESETS.fast.calibrationSamples },
        quiet: true,
      });
      const q = r.result?.quality ?? null;
      const of = q?.top1 !== undefined ? 'top-1' : q?.psnrDb !== undefined ? 'PSNR' : (q?.reading ?? '-');
      rows.push([
        name,
        `${budget}x`,
        r.result ? `${(r.result.p50Ms / r.baseline.p50Ms).toFixed(3)}x` : 'unreachable',
        String(q?.samples ?? 0),
        of,
        figure(r.baseline.quality, of),
        figure(q, of),
        r.accepted ? 'yes' : 'NO',
        [...(r.reasons ?? []), ...(r.warnings ?? [])].join(' ').slice(0, 240),
      ]);
      if (r.accepted && isRuined(r.baseline.quality, q)) ruined.push(`${name} ${budget}x`);
      console.error(table([head, rows.at(-1)!]));
    }
  }
  console.log(table(rows));
  console.log(ruined.length ? `ruined and accepted: ${ruined.join(', ')}` : 'no row is ruined and accepted');
  process.exitCode = ruined.length ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
