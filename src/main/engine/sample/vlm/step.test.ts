import { expect, it } from 'vitest';
import { createExecutor } from '../../../runtime/executor.ts';
import { collectFacts } from '../../../runtime/facts.ts';
import { Trainer } from '../../autodiff/index.ts';
import type { HostTensor } from '../../executor.ts';
import type { Model } from '../../ir/model.ts';
import { f32 } from '../../ir/tensor.ts';
import { PATCH_LABELS, packedBatch, patchBatch } from './batches.ts';
import { VLM_SIZES, initialWeights, type VlmSizes, type Weights } from './sizes.ts';
import { buildVlmStep } from './step.ts';
import { buildPackedModel, buildPatchModel, labelParts } from './training.ts';

const sizes: VlmSizes = {
  ...VLM_SIZES,
  stem: [4, 6, 8, 16],
  visionLayers: 1,
  visionHeads: 2,
  visionHidden: 16,
  width: 32,
  layers: 2,
  hidden: 32,
};
const executor = createExecutor();
const options = { weightDecay: 0, clipNorm: 1 };

/** Losses of steps on one batch. */
async function losses(model: Model, feeds: Readonly<Record<string, HostTensor>>, count: number): Promise<number[]> {
  const facts = await collectFacts(model, executor);
  const trainer = await Trainer.open(
    executor,
    buildVlmStep(model, (v) => facts.get(v), options),
  );
  const out: number[] = [];
  for (let i = 0; i < count; i++) out.push((await trainer.step(feeds, 0.01)).loss);
  await trainer.release();
  return out;
}

it('learns the answers of one batch by heart', async () => {
  const packing = { pictures: 1, questions: 4, tokens: 8 };
  const batch = packedBatch(sizes, packing, 3, 0);
  const model = buildPackedModel(sizes, initialWeights(sizes, 1), packing);
  const got = await losses(model, { ...batch.feeds, targets: batch.targets }, 40);
  expect(got[0]).toBeGreaterThan(3);
  expect(got.at(-1)).toBeLessThan(0.2);
});

it('learns the labels of patches', async () => {
  const width = labelParts(PATCH_LABELS).reduce((a, b) => a + b, 0);
  const weights: Weights = new Map([
    ...initialWeights(sizes, 1),
    ['reader.weight', f32(new Float32Array(16 * width), [16, width])],
    ['reader.bias', f32(new Float32Array(width), [width])],
  ]);
  const { pixels, targets } = patchBatch(sizes, 2, 3, 0);
  const got = await losses(buildPatchModel(sizes, weights, 2, PATCH_LABELS), { pixel_values: pixels, targets }, 40);
  expect(got.at(-1)).toBeLessThan(0.5 * got[0]!);
});
