// Fewer tokens against other structures: the image encoder of a dual encoder within a budget, without gradients. Zero-shot
// top-1 on product photos whose class names the text encoder reads. The job gets the first 500 photos without labels;
// the figure is of the other 1,000.
//   node scripts/run.mjs bench/tokens.ts [--budgets 0.6x] [--only none,tokens,auto] [--samples 500]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { encodeNpy } from '../src/main/data/npy.ts';
import { DType } from '../src/main/engine/ir/dtype.ts';
import { createExecutor } from '../src/main/runtime/executor.ts';
import { openModelFile } from '../src/main/storage/model-files.ts';
import { asset, compress, haveAssets, percent, root, table } from './support.ts';

const { values } = parseArgs({
  options: {
    budgets: { type: 'string', default: '0.6x' },
    only: { type: 'string', default: 'none,tokens,auto' },
    samples: { type: 'string', default: '500' },
  },
});
const SIDE = 80;
const TEXT = 32;
const WAYS: Record<string, { readonly tokens: string; readonly channels: boolean; readonly blocks: boolean }> = {
  none: { tokens: 'none', channels: true, blocks: true },
  tokens: { tokens: 'auto', channels: false, blocks: false },
  auto: { tokens: 'auto', channels: true, blocks: true },
};
if (!haveAssets()) {
  console.log('skipped: ../shared/assets is not here');
  process.exit(0);
}

interface Photos {
  /** Uint8 [n, 3, 80, 80]. */
  readonly pixels: Uint8Array;
  readonly labels: readonly number[];
  readonly classes: readonly string[];
}

/** Fitted into the square with black borders, as the package's preprocess.json says. */
async function photos(): Promise<Photos> {
  const { rename } = JSON.parse(readFileSync(asset('packages/clip_fashion/preprocess.json'), 'utf8')) as {
    rename: Record<string, string>;
  };
  const rows = readFileSync(asset('data/products/labels.csv'), 'utf8').trim().split('\n').slice(1);
  const named = rows.map((r) => {
    const [file, , category] = r.split(',') as [string, string, string];
    const name = category.toLowerCase();
    return { file, name: rename[name] ?? name };
  });
  const classes = [...new Set(named.map((n) => n.name))].sort();
  const one = 3 * SIDE * SIDE;
  const pixels = new Uint8Array(named.length * one);
  for (const [i, { file }] of named.entries()) {
    const raw = await sharp(asset(`data/products/images/${file}`))
      .resize(SIDE, SIDE, { fit: 'contain', background: '#000', kernel: 'cubic' })
      .flatten()
      .removeAlpha()
      .toColourspace('srgb')
      .raw()
      .toBuffer();
    for (let p = 0; p < SIDE * SIDE; p++)
      for (let c = 0; c < 3; c++) pixels[i * one + c * SIDE * SIDE + p] = raw[3 * p + c]!;
  }
  return { pixels, labels: named.map((n) => classes.indexOf(n.name)), classes };
}

/** Float32 [classes, width], one row per name: its bytes between 2 and 3. */
async function textEmbeddings(names: readonly string[]): Promise<{ data: Float32Array; width: number }> {
  const ids = new BigInt64Array(names.length * TEXT);
  for (const [i, name] of names.entries())
    [2, ...Buffer.from(name), 3].slice(0, TEXT).forEach((b, k) => (ids[i * TEXT + k] = BigInt(b)));
  const session = await createExecutor().open(openModelFile(asset('packages/clip_fashion/text_model.onnx')));
  const mask = ids.map((x) => (x === 0n ? 0n : 1n));
  const dims = [names.length, TEXT];
  const out = await session.run({
    input_ids: { dtype: DType.INT64, dims, data: ids },
    attention_mask: { dtype: DType.INT64, dims, data: mask },
  });
  await session.release();
  const t = Object.values(out)[0]!;
  return { data: t.data as Float32Array, width: t.dims[1]! };
}

/** Share of photos from `first` on whose class name is the nearest. */
async function zeroShot(
  model: string,
  p: Photos,
  texts: { data: Float32Array; width: number },
  first: number,
): Promise<number> {
  const session = await createExecutor().open(openModelFile(model), { threads: 2 });
  const one = 3 * SIDE * SIDE;
  let right = 0;
  const batch = 50;
  for (let at = first; at < p.labels.length; at += batch) {
    const n = Math.min(batch, p.labels.length - at);
    const data = Float32Array.from(p.pixels.subarray(at * one, (at + n) * one), (x) => x / 255);
    const out = await session.run({ pixel_values: { dtype: DType.FLOAT, dims: [n, 3, SIDE, SIDE], data } });
    const e = Object.values(out)[0]!.data as Float32Array;
    const { width } = texts;
    for (let i = 0; i < n; i++) {
      const scores = p.classes.map((_, c) => {
        let s = 0;
        for (let k = 0; k < width; k++) s += e[i * width + k]! * texts.data[c * width + k]!;
        return s;
      });
      if (scores.indexOf(Math.max(...scores)) === p.labels[at + i]) right++;
    }
  }
  await session.release();
  return right / (p.labels.length - first);
}

const folder = join(root, 'out/bench');
mkdirSync(folder, { recursive: true });
const all = await photos();
const texts = await textEmbeddings(all.classes);
const given = Number(values.samples);
const one = 3 * SIDE * SIDE;
const data = join(folder, 'products.npy');
writeFileSync(
  data,
  encodeNpy({ dtype: DType.UINT8, dims: [given, 3, SIDE, SIDE], data: all.pixels.slice(0, given * one) }),
);
const preprocess = join(folder, 'products.preprocess.json');
writeFileSync(
  preprocess,
  JSON.stringify({
    layout: 'NCHW',
    colorOrder: 'RGB',
    dtype: 'float32',
    rescale: 1 / 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
  }),
);
const model = asset('packages/clip_fashion/vision_model.onnx');
const top1 = await zeroShot(model, all, texts, given);
console.error(
  `original: zero-shot top-1 ${percent(top1)} % of ${all.labels.length - given} photos, ${percent(await zeroShot(model, all, texts, 0))} % of all`,
);
const rows = [
  ['budget', 'may change', 'p50 x', 'met', 'tokens', 'method', 'top-1', 'drop', 'cosine', 'compared', 'seconds'],
];
for (const budget of values.budgets.split(','))
  for (const way of values.only.split(',')) {
    const started = performance.now();
    const r = await compress({ model, budget, data, preprocess, recipe: WAYS[way]! });
    const share = r.result ? await zeroShot(r.model!, all, texts, given) : null;
    const t = r.tokens;
    rows.push([
      budget,
      way,
      r.result ? (r.result.p50Ms / r.baseline.p50Ms).toFixed(3) : 'unreachable',
      String(r.met),
      t ? `${t.left} of ${t.before}` : '-',
      t?.schedule?.method ?? '-',
      share === null ? '-' : percent(share),
      share === null ? '-' : percent(top1 - share),
      r.result?.quality?.cosine?.toFixed(4) ?? '-',
      t?.tried.map((x) => `${x.way} ${x.change?.toPrecision(2) ?? 'misses'}`).join(', ') ?? '-',
      ((performance.now() - started) / 1000).toFixed(0),
    ]);
    console.error(table(rows.slice(-1)));
  }
console.log(table(rows));
