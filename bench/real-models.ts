// Real models that are not classifiers, or were trained elsewhere: pruned to a share of their
// latency, compensated, and compared with the original on images that no stage uses. Detectors are
// judged by matched boxes, segmentation per pixel.
//   node scripts/run.mjs bench/real-models.ts [MODEL...] [--ratio 0.7] [--recover SECONDS]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Preprocess } from '../src/shared/model/job.ts';
import { asset, compareOn, compress, haveAssets, percent, table } from './support.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { ratio: { type: 'string', default: '0.7' }, recover: { type: 'string', default: '0' } },
});
interface Case {
  readonly model: string;
  readonly preprocess: Preprocess;
  /** Data given to the job. */
  readonly data: string;
  readonly labels?: string;
  /** Data for the judgement; default: the job's holdout. */
  readonly test?: { readonly data: string; readonly labels?: string };
}
const plain = { layout: 'NCHW', dtype: 'float32' } as const;
const side = (n: number) => ({ width: n, height: n });
const cases: Record<string, Case> = {
  yolox: {
    model: 'yolox_nano_coco.onnx',
    preprocess: { ...plain, colorOrder: 'BGR', resize: side(416) },
    data: 'imagenet',
    test: { data: 'coco8_416.npy' },
  },
  deeplab: {
    model: 'deeplabv3_mobilenetv2_voc.onnx',
    preprocess: {
      dtype: 'float32',
      layout: 'NHWC',
      colorOrder: 'RGB',
      resize: side(257),
      rescale: 2 / 255,
      mean: [1, 1, 1],
      std: [1, 1, 1],
    },
    data: 'imagenet',
    test: { data: 'coco8_416.npy' },
  },
  superres: {
    model: 'superres_x3.onnx',
    preprocess: { ...plain, colorOrder: 'GRAY', rescale: 1 / 255 },
    data: 'superres_lr.npy',
  },
  mobilenet_v2: {
    model: 'mobilenet_v2_imagenet.onnx',
    preprocess: { ...plain, colorOrder: 'RGB', rescale: 2 / 255, mean: [1, 1, 1], std: [1, 1, 1] },
    data: 'imagenet',
    labels: 'imagenet/labels.csv',
  },
  resnet8: {
    model: 'resnet8_cifar10.onnx',
    preprocess: { ...plain, colorOrder: 'RGB' },
    data: 'cifar10_train_images.npy',
    labels: 'cifar10_train_labels.npy',
    test: { data: 'cifar10_test_images.npy', labels: 'cifar10_test_labels.npy' },
  },
};
if (!haveAssets()) {
  console.log('skipped: ../shared/assets is not here');
  process.exit(0);
}
const data = (name: string): string => asset(`data/${name}`);
const folder = mkdtempSync(join(tmpdir(), 'secateur-real-'));

const decibels = (x: number | null | undefined): string => (x === null ? 'exact' : (x?.toFixed(1) ?? '-'));
const rows = [
  ['model', 'p50 x', 'met', 'judged on', 'agreement', 'boxes', 'top-1', 'of the original', 'SNR dB', 'PSNR dB', 'seconds'], // prettier-ignore
];
try {
  for (const name of positionals.length ? positionals : Object.keys(cases)) {
    const c = cases[name];
    if (!c) throw new Error(`there is no case ${name}; there are ${Object.keys(cases).join(', ')}`);
    const started = performance.now();
    const preprocess = join(folder, `${name}.preprocess.json`);
    writeFileSync(preprocess, JSON.stringify(c.preprocess));
    const model = asset(`models/${c.model}`);
    const seconds = Number(values.recover);
    const r = await compress({
      model,
      budget: `${values.ratio}x`,
      data: data(c.data),
      ...(c.labels && { labels: data(c.labels) }),
      preprocess,
      recovery: { enabled: seconds > 0, seconds },
    });
    if (!r.result || !r.model) {
      rows.push([name, '-', `unreachable: ${r.unreachable?.reason ?? ''}`]);
      continue;
    }
    const on = c.test
      ? await compareOn(model, r.model, {
          data: data(c.test.data),
          ...(c.test.labels && { labels: data(c.test.labels) }),
          preprocess: c.preprocess,
        })
      : { pruned: r.result.quality, original: r.baseline.quality };
    const q = on.pruned;
    rows.push([
      name,
      (r.result.p50Ms / r.baseline.p50Ms).toFixed(3),
      String(r.met),
      c.test ? `${q?.samples ?? 0} others` : `${q?.samples ?? 0} held out`,
      percent(q?.agreement),
      q?.boxes?.toFixed(1) ?? '-',
      percent(q?.top1),
      q?.top1 === undefined ? '-' : percent(on.original?.top1),
      decibels(q?.snrDb),
      q && 'psnrDb' in q ? decibels(q.psnrDb) : '-',
      ((performance.now() - started) / 1000).toFixed(0),
    ]);
    console.error(table([rows[0]!, rows.at(-1)!]));
  }
  console.log(table(rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
