/** A small model and the report of a job on it, for tests of bundles. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ints, int } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { Node } from '../../src/main/engine/ir/node.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import { Value } from '../../src/main/engine/ir/value.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { localDevice, measuredHere } from '../../src/main/runtime/device.ts';
import { saveModelFile } from '../../src/main/storage/model-files.ts';
import type { CompressReport, ModelMeasure } from '../../src/shared/model/job.ts';
import { PRESETS } from '../../src/shared/model/recipes.ts';
import type { BundleInput } from '../../src/main/pipeline/pack/write-bundle.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';

/** Conv 3x3, Relu, global average, Gemm: [n, 3, 8, 8] to [n, 10]. */
export function smallModel(seed = 1, channels = 16): Model {
  const random = seededRandom(seed),
    model = new Model(),
    g = model.graph;
  const normal = (n: number): Float32Array => Float32Array.from({ length: n }, () => random.normal() * 0.3);
  model.opsets.set('', 17);
  g.name = 'small';
  const float = (shape: (number | string)[]) => ({ elemType: DType.FLOAT, shape });
  const x = g.addInput('x', float(['n', 3, 8, 8])),
    w = g.addInitializer('w', f32(normal(channels * 27), [channels, 3, 3, 3])),
    v = g.addInitializer('v', f32(normal(channels * 10), [channels, 10]));
  const add = (
    op: string,
    inputs: Value[],
    attributes: ConstructorParameters<typeof Node>[3] = {},
    name = op,
  ): Value => {
    const out = new Value(name.toLowerCase());
    g.append(new Node(op, inputs, [out], { name, ...attributes }));
    return out;
  };
  const conv = add('Conv', [x, w], { attributes: [['pads', ints([1, 1, 1, 1])]] });
  const flat = add('Flatten', [add('GlobalAveragePool', [add('Relu', [conv])])], { attributes: [['axis', int(1)]] });
  const y = add('Gemm', [flat, v]);
  y.type = float(['n', 10]);
  g.outputs.push(y);
  return model;
}

const measure = (p50Ms: number, bytes: number): ModelMeasure => ({
  p50Ms,
  p90Ms: p50Ms * 1.1,
  p95Ms: p50Ms * 1.2,
  p99Ms: p50Ms * 1.5,
  meanMs: p50Ms,
  minMs: p50Ms * 0.9,
  stdMs: p50Ms * 0.05,
  noiseMs: p50Ms * 0.01,
  runs: 50,
  batch: 1,
  threads: 1,
  provider: 'cpu',
  macs: 27_648,
  params: 592,
  bytes,
  quality: { samples: 100, agreement: 0.97, top1: 0.8, snrDb: 21.5 },
});

/**
 * The complete input of writeBundle. The claimed latency is generous, because these tests check
 * claims and not time.
 */
export async function bundleInput(dir: string, externalData = false): Promise<BundleInput> {
  const from = join(dir, 'in');
  await mkdir(from, { recursive: true });
  const modelPath = join(from, 'pruned.onnx');
  const saved = saveModelFile(smallModel(), modelPath, externalData ? { externalData: { thresholdBytes: 64 } } : {});
  await writeFile(join(from, 'LICENSE'), 'Some licence text.\n');
  const report: CompressReport = {
    job: 'j1',
    budgetMs: 1000,
    met: true,
    baseline: measure(2000, saved.bytes * 2),
    result: measure(1000, saved.bytes),
    compensated: null,
    bundle: null,
    model: modelPath,
    skipped: [{ group: 'g1', operator: 'NonZero', reason: 'no | rule' }],
    family: 'cnn',
    groups: [{ id: 'Conv', units: 16, paramsPerUnit: 37, nodes: ['Conv'], kept: 12 }],
    blocksRemoved: [],
    provenance: measuredHere(),
    recipe: PRESETS.fast,
    seconds: { surgery: 0.1 },
    notes: ['a note'],
  };
  return {
    name: 'small classifier',
    outDir: join(dir, 'out'),
    modelPath,
    originalPath: join(from, 'original.onnx'),
    report,
    yardstickMs: 1,
    plan: {
      version: 2,
      package: { model: '0'.repeat(64) },
      choices: [{ structure: 'Conv', kind: 'channels', level: 14, detail: { removed: [1, 2] } }],
    },
    budget: { ms: 1000, percentile: 50, batch: 1, threads: 1, provider: 'cpu' },
    device: localDevice(),
    preprocess: { layout: 'NCHW', colorOrder: 'RGB', dtype: 'float32', rescale: 1 / 255, mean: [0.5], std: [0.25] },
    classNames: Array.from({ length: 10 }, (_, i) => `class ${i}`),
    seed: 7,
    executor: createExecutor(),
  };
}
