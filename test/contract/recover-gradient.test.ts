/** Gradients of recovery against finite differences: features, decoder, KL, for matrices, adapters and the features. */
import { describe, expect, it } from 'vitest';
import { buildTrainStep, Trainer, writeParameters } from '../../src/main/engine/autodiff/index.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import { cloneModel } from '../../src/main/engine/ir/clone.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32, toFloat32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { addAdapters, matricesIn } from '../../src/main/engine/recovery/adapters.ts';
import { ENTROPY, ROWS, SHARES } from '../../src/main/pipeline/tokens/recover/batches.ts';
import { answerLoss } from '../../src/main/pipeline/tokens/recover/student.ts';
import { trainingGraph } from '../../src/main/pipeline/tokens/recover/training-graph.ts';
import { plainExecutor } from '../support/executor.ts';
import { fusedDecoder, plainDecoder, SMALL } from '../support/small-decoder.ts';

const random = seededRandom(9);
const normal = (...dims: number[]): HostTensor => ({
  dtype: DType.FLOAT,
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
});
const ints = (dims: readonly number[], at: (i: number) => number): HostTensor => ({
  dtype: DType.INT64,
  dims,
  data: BigInt64Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => BigInt(at(i))),
});

const LENGTH = 7;
const ROW_COUNT = 3;
const EMBEDS = 'inputs_embeds';

/** A decoder of one layer at fixed sizes, whose features are a weight too. */
async function setUp(decoder: Model) {
  const constant: Record<string, HostTensor> = {
    attention_mask: ints([1, LENGTH], () => 1),
    position_ids: ints([1, LENGTH], (i) => i),
  };
  for (const { name } of decoder.graph.inputs)
    if (name.startsWith('past')) constant[name] = { dtype: DType.FLOAT, dims: [1, SMALL.groups, 0, SMALL.size], data: new Float32Array(0) }; // prettier-ignore
  const example = { [EMBEDS]: normal(1, LENGTH, SMALL.width) };
  const graph = await trainingGraph(decoder, { constant, example, rows: ROW_COUNT }, plainExecutor);
  const { model, values } = cloneModel(graph.model);
  const known = new Map([...graph.facts].flatMap(([v, f]) => (values.has(v) ? [[values.get(v)!, f] as const] : [])));
  const input = model.graph.inputs.find((v) => v.name === EMBEDS)!;
  const features = model.graph.addInitializer('features', f32(example[EMBEDS]!.data as Float32Array, input.type!.shape as number[])); // prettier-ignore
  input.replaceAllUsesWith(features);
  model.graph.inputs.splice(model.graph.inputs.indexOf(input), 1);
  return { model, known, features };
}

const shares = Float32Array.from({ length: ROW_COUNT * SMALL.words }, () => random.next() ** 3);
for (let row = 0; row < ROW_COUNT; row++) {
  const part = shares.subarray(row * SMALL.words, (row + 1) * SMALL.words);
  const sum = part.reduce((a, b) => a + b) * ROW_COUNT;
  part.forEach((x, i) => (part[i] = x / sum));
}
const rows = ints([ROW_COUNT], (i) => 3 + i);
const targets = {
  [SHARES]: { dtype: DType.FLOAT, dims: [ROW_COUNT, SMALL.words], data: shares },
  [ENTROPY]: { dtype: DType.FLOAT, dims: [], data: Float32Array.of(-shares.reduce((sum, p) => sum + p * Math.log(p * ROW_COUNT), 0)) }, // prettier-ignore
};

/** The loss by the logits of a run, in double precision. */
async function lossOf(model: Model, name: string, data: Float32Array): Promise<number> {
  const { model: moved } = cloneModel(model);
  writeParameters(moved, new Map([[name, data]]));
  const session = await plainExecutor.open(moved);
  const [logits] = Object.values(await session.run({ [ROWS]: rows }));
  await session.release();
  let loss = 0;
  for (let row = 0; row < ROW_COUNT; row++) {
    const at = (i: number): number => (logits!.data as Float32Array)[row * SMALL.words + i]!;
    const total = Math.log(Array.from({ length: SMALL.words }, (_, i) => Math.exp(at(i))).reduce((a, b) => a + b));
    for (let i = 0; i < SMALL.words; i++) {
      const p = shares[row * SMALL.words + i]!;
      loss += p * (Math.log(p * ROW_COUNT) - (at(i) - total));
    }
  }
  return loss;
}

const decoders = [
  ['single operators', () => plainDecoder({ layers: 1 })],
  ['fused operators', () => fusedDecoder({ layers: 1, form: 'three inputs' })],
] as const;

describe.each(decoders)('the gradient of a decoder in %s', (_, decoder) => {
  it.each(['matrices', 'adapters'] as const)('equals finite differences for %s and for the features', async (what) => {
    const { model, known, features } = await setUp(decoder());
    const matrices = matricesIn(model);
    expect(matrices.length).toBeGreaterThanOrEqual(8);
    let params: Value[] = [...matrices, features];
    if (what === 'adapters') {
      const added = addAdapters(model, matrices, { rank: 2, alpha: 2, seed: 1 }).flatMap(({ a, b }) => [a, b]);
      writeParameters(
        model,
        new Map(added.map((v) => [v.name, (normal(...v.initializer!.dims).data as Float32Array).map((x) => 0.3 * x)])),
      );
      params = [...added.map((v) => [...model.graph.initializers].find((w) => w.name === v.name)!), features];
    }
    const step = buildTrainStep(model, {
      facts: (v) => known.get(v),
      params,
      optimizer: { kind: 'sgd', momentum: 0 },
      loss: (l) => answerLoss(l, ROW_COUNT, SMALL.words),
    });
    const trainer = await Trainer.open(plainExecutor, step);
    const { loss } = await trainer.step({ [ROWS]: rows, ...targets }, 1);
    const after = trainer.parameters();
    await trainer.release();
    const before = toFloat32(features.initializer!);
    expect(loss).toBeCloseTo(await lossOf(model, 'features', before), 4);
    // The direction of the gradient itself: the largest change, so that rounding matters least.
    for (const v of params) {
      const data = toFloat32(v.initializer!);
      const gradient = data.map((x, i) => x - after.get(v.name)![i]!);
      const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
      expect(norm, v.name).toBeGreaterThan(0);
      const moved = (by: number): Promise<number> =>
        lossOf(
          model,
          v.name,
          data.map((x, i) => x + (by * gradient[i]!) / norm),
        );
      const h = 0.02 * Math.min(1, Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length));
      const numeric = ((await moved(h)) - (await moved(-h))) / (2 * h);
      expect(Math.abs(numeric - norm) / Math.max(norm, 0.02), v.name).toBeLessThan(0.03);
    }
  });
});
