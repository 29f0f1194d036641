/**
 * The trained network of recovery: the pruned model with normalization restored, its weights, and
 * the loss against the original.
 */
import { totalmem } from 'node:os';
import type { LossContext } from '../../engine/autodiff/train-step.ts';
import { relativeSquaredError, weightedSum } from '../../engine/autodiff/losses.ts';
import type { Facts } from '../../engine/ir/facts.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import { DType, elementCount } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Value } from '../../engine/ir/value.ts';
import { traitsOf } from '../../engine/ops/registry.ts';
import type { Feature } from '../../engine/recovery/features.ts';
import { insertNormalization, normalizable } from '../../engine/recovery/normalize.ts';
import { buildStatisticsModel, StatisticsAccumulator } from '../../engine/statistics/statistics.ts';
import { raiseOpset, runPasses } from '../../engine/passes/index.ts';
import type { Joint, LossOutput, Meanings } from '../../engine/heads/contract.ts';
import { HEADS } from '../../engine/heads/registry.ts';
import { outputLosses } from '../../engine/quality/loss.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import type { Dataset } from '../../data/dataset.ts';
import { collectFacts } from '../../runtime/facts.ts';
import type { StageContext } from '../context.ts';

/** Float32 weights that training may change, judged by the operators that read them. */
export function trainable(model: Model): Value[] {
  return [...model.graph.initializers].filter(
    (v) =>
      v.initializer?.dtype === DType.FLOAT &&
      v.uses().length > 0 &&
      v.uses().every(({ node, index }) => {
        const traits = traitsOf(node);
        const vector = !traits.elementwise || v.initializer!.dims.length > 0;
        return vector && (traits.trainable?.includes(index) ?? false);
      }),
  );
}

/**
 * Memory limit for the values of one training step; exceeding the machine's memory would end the
 * process.
 */
const STEP_BYTES = Math.min(8e9, totalmem() / 3);
/** Copies of all values: the forward pass, the added normalization, and pending gradients. */
const COPIES = 2.5;

/**
 * Largest number of samples that fit in a training step. @param facts facts of the model at any
 * batch size @param bytes memory limit
 */
export function largestBatch(model: Model, facts: Facts, bytes = STEP_BYTES): number {
  let floats = 0;
  for (const n of model.graph.nodes())
    for (const v of n.outputs) {
      const shape = facts.get(v)?.shape;
      if (shape?.[0]) floats += elementCount(shape) / shape[0];
    }
  return Math.max(1, Math.floor(bytes / (COPIES * 4 * Math.max(1, floats))));
}

/** Statistics of smaller batches are too coarse for training. */
export const STATISTICS_BATCH = 16;

/** A copy with batch normalization after its convolutions, when the batch is large enough. */
export async function normalized(
  pruned: Model,
  options: { readonly train: readonly number[]; readonly dataset: Dataset; readonly threads: number },
  batch: number,
  ctx: Pick<StageContext, 'executor'>,
): Promise<Model> {
  const { model } = cloneModel(pruned);
  if (batch < STATISTICS_BATCH) return model;
  const facts = await collectFacts(model, ctx.executor, { batch });
  const values = normalizable(model).filter((v) => facts.has(v));
  if (values.length === 0) return model;
  const built = buildStatisticsModel(
    model,
    values.map((value) => ({ value, axis: 1, shape: facts.get(value)!.shape, kinds: ['moments'] })),
  );
  const sums = new StatisticsAccumulator(built);
  const session = await ctx.executor.open(built.model, { threads: options.threads });
  try {
    for (let at = 0; at < Math.min(options.train.length, 8 * batch); at += batch) {
      const chunk = Array.from({ length: batch }, (_, i) => options.train[(at + i) % options.train.length]!);
      sums.add(await session.run(await options.dataset.batch(chunk)));
    }
  } finally {
    await session.release();
  }
  // Operator sets from 14 compute batch statistics in one kernel.
  runPasses(model, [raiseOpset]);
  insertNormalization(model, new Map(values.map((v, i) => [v, sums.result(i)])));
  return model;
}

/** A feature of the trained model, with shapes at the training batch size. */
export interface FeatureTarget {
  readonly value: Value;
  readonly shape: readonly number[];
  readonly target: string;
  readonly targetShape: readonly number[];
  readonly kept: readonly number[] | null;
}

/** Features whose values both models have. */
export function featureTargets(
  model: Model,
  facts: Facts,
  original: Model,
  originalFacts: Facts,
  features: readonly Feature[],
  batch: number,
): FeatureTarget[] {
  const byName = (m: Model) => new Map([...m.graph.nodes()].flatMap((n) => n.outputs.map((v) => [v.name, v] as const)));
  const [own, theirs] = [byName(model), byName(original)];
  return features.flatMap((f) => {
    const [value, target] = [own.get(f.value), theirs.get(f.target)];
    const shape = value && facts.get(value);
    const wanted = target && originalFacts.get(target);
    if (!value || shape?.dtype !== DType.FLOAT || wanted?.dtype !== DType.FLOAT) return [];
    const narrowed = wanted.shape.map((d, axis) => (axis === 1 && f.kept ? f.kept.length : axis === 0 ? batch : d));
    if (narrowed.join() !== shape.shape.join()) return [];
    const targetShape = wanted.shape.map((d, axis) => (axis === 0 ? batch : d));
    return [{ value, shape: shape.shape, target: f.target, targetShape, kept: f.kept }];
  });
}

export const LABELS = 'labels__given';
export const teacherName = (output: string): string => `${output}__original`;

/** Weight of each feature: their errors are relative, a few hundredths each. */
const FEATURE = 2.4;

/** The weighted sum of the losses of the outputs, the labels and the features. */
export function lossOf(
  l: LossContext,
  o: {
    readonly outputs: readonly Value[];
    readonly shapes: readonly (readonly number[])[];
    readonly recipe: Pick<Recipe['recovery'], 'temperature' | 'alpha'>;
    /** Index of the output that labels describe. */
    readonly labelled: number | null;
    readonly lessons: readonly FeatureTarget[];
    /** Outputs that share one loss. */
    readonly joint: Joint | null;
    readonly meanings: Meanings;
  },
): Value {
  const { outputs, shapes, recipe, labelled, lessons, joint } = o;
  const compared = outputs.map((v, i): LossOutput => {
    const shape = shapes[i]!;
    const given = l.input(teacherName(v.name), DType.FLOAT, shape);
    return { name: v.name, meaning: o.meanings.get(v.name), own: l.copyOf(v), given, shape };
  });
  const about = labelled === null ? null : compared[labelled]!;
  const { temperature } = recipe;
  const terms = outputLosses(l.b, compared, { temperature, joint }).map(({ names, loss }) => ({
    loss,
    weight: about && names.includes(about.name) ? recipe.alpha : 1,
  }));
  if (about) {
    const labels = l.input(LABELS, DType.INT64, [about.shape[0]!]);
    const loss = HEADS.comparedBy(about.meaning).labelLoss!(l.b, about, labels);
    terms.push({ loss, weight: 1 - recipe.alpha });
  }
  for (const f of lessons) {
    const given = l.input(teacherName(f.target), DType.FLOAT, f.targetShape);
    const target = f.kept ? l.b.gather(given, f.kept, 1) : given;
    terms.push({ loss: relativeSquaredError(l.b, l.copyOf(f.value), target, f.shape), weight: FEATURE });
  }
  return weightedSum(l.b, terms);
}
