/**
 * The setup of recovery's training: the student, the teacher's outputs, and the batches of both.
 */
import { buildTrainStep, type TrainStep } from '../../engine/autodiff/train-step.ts';
import type { HostTensor } from '../../engine/executor.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Feature } from '../../engine/recovery/features.ts';
import type { Joint, Meanings } from '../../engine/heads/contract.ts';
import { HEADS } from '../../engine/heads/registry.ts';
import { jointOf } from '../../engine/quality/joint.ts';
import { classesIn, meaningsOf } from '../../engine/quality/meaning.ts';
import type { Dataset } from '../../data/dataset.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { openTrainer, sharesOf, type Sharing } from './batch-shares.ts';
import type { Checkpoint, StageContext } from '../context.ts';
import type { TrainingRecipe } from '../leaves.ts';
import { dataInputs, padded, pictureIn } from '../prepare/data-input.ts';
import { openHoldoutEvaluator } from './holdout-evaluator.ts';
import { TeacherOutputs } from '../../engine/recovery/teacher-outputs.ts';
import { Batches, type Cursor } from './recover-batches.ts';
import {
  LABELS,
  largestBatch,
  featureTargets,
  lossOf,
  normalized,
  STATISTICS_BATCH,
  teacherName,
  trainable,
} from './recover-model.ts';
import { Student } from '../../engine/recovery/student.ts';

export interface RecoveryOptions {
  readonly recipe: TrainingRecipe;
  readonly dataset: Dataset;
  /** Training samples. */
  readonly train: readonly number[];
  /** Samples that select the best state. */
  readonly holdout: readonly number[];
  readonly seed: number;
  /** Reading of each output; default: as the graph implies. */
  readonly meanings?: Meanings | undefined;
  readonly threads: number;
  /** Activations of the pruned model to match with the original's; default: none. */
  readonly features?: readonly Feature[];
  /** Stores the state during the run, so that an interrupted run continues from it. */
  readonly checkpoint?: Checkpoint;
  /**
   * Multiply-accumulates per share and step from which batches are split over threads; default:
   * where it pays off.
   */
  readonly worthAThread?: number;
  /** Clock of the time limit, in milliseconds; default: the machine's. */
  readonly now?: () => number;
}

export interface TrainingSetup {
  /** The trained model, with its initial weights. */
  readonly model: Model;
  readonly student: Student;
  /** The next batch with all feeds of a step. */
  readonly feeds: (cursor: Cursor) => Promise<Record<string, HostTensor>>;
  /** Number of epochs before a cursor. */
  readonly epochs: (cursor: Cursor) => number;
  /** Distance to the original on held-out samples. */
  readonly judge: (weights: ReadonlyMap<string, Float32Array>) => Promise<number>;
  readonly release: () => Promise<void>;
}

/**
 * @throws SecateurError 'gradient-unsupported' when an operator on the gradient path has no
 * gradient
 */
export async function openTraining(
  original: Model,
  pruned: Model,
  options: RecoveryOptions,
  ctx: Pick<StageContext, 'executor'>,
): Promise<TrainingSetup> {
  const { recipe, dataset, train, holdout, threads, seed } = options;
  const { fixedBatch, shared } = dataInputs(original);
  const originalFacts = await collectFacts(original, ctx.executor);
  const { batch, shares } =
    fixedBatch !== null
      ? { batch: fixedBatch, shares: 1 }
      : await sized({ model: original, facts: originalFacts }, pruned, { ...options, whole: shared.size > 0 }, ctx);
  // Samples per session.
  const size = batch / shares;
  const model = await normalized(pruned, options, size, ctx);
  const facts = await collectFacts(model, ctx.executor, { batch: size });
  const outputs = model.graph.outputs.filter((v) => facts.get(v)?.dtype === DType.FLOAT);
  const shapes = outputs.map((v) => facts.get(v)!.shape);
  const inner = options.features?.length
    ? featureTargets(model, facts, original, originalFacts, options.features, size)
    : [];
  const meanings = meaningsOf({ model: original, facts: originalFacts, meanings: options.meanings });
  const named = classesIn(meanings);
  const scored = outputs.findIndex((v) => {
    const meaning = meanings.get(v.name);
    return v.name === named && HEADS.comparedBy(meaning).takesLabels?.(meaning);
  });
  const labelled = dataset.labels !== null && recipe.alpha < 1 && scored >= 0;
  const compared = outputs.map((v, i) => ({ name: v.name, shape: shapes[i]!, meaning: meanings.get(v.name) }));
  const joint = compared.some((v) => HEADS.of(v.meaning?.reading).needsValues?.(compared))
    ? await jointIn(original, { dataset, index: holdout[0]!, meanings }, ctx)
    : null;
  const build = (moving: boolean): TrainStep =>
    buildTrainStep(model, {
      facts: (v) => facts.get(v),
      params: trainable(model),
      loss: (l) =>
        lossOf(l, { outputs, shapes, recipe, labelled: labelled ? scored : null, lessons: inner, joint, meanings }),
      clipNorm: 5,
      ema: EMA,
      ...(recipe.optimizer === 'sgd'
        ? { optimizer: { kind: 'sgd', nesterov: true, weightDecay: 1e-4 } }
        : { optimizer: { kind: recipe.optimizer, weightDecay: 1e-4 }, relativeTo: { floor: SMALLEST } }),
      ...(moving && { batchStatistics: { momentum: 0.9 } }),
    });
  const names = [...outputs.map((o) => o.name), ...inner.map((f) => f.target)];
  const floats = [...shapes, ...inner.map((f) => f.targetShape)].reduce((n, s) => n + s.reduce((a, b) => a * b, 1), 0);
  const views = recipe.augment ? VIEWS : 1;
  const lessons = new TeacherOutputs(ctx.executor, original, {
    names,
    // Outputs are cached per sample, which requires samples along the first axis.
    bytes: outputs.some((v) => meanings.get(v.name)?.batchAxis) ? Infinity : (4 * floats) / size,
    samples: train.length * views,
    threads,
  });
  const batches = new Batches({
    dataset,
    train,
    seed,
    size: batch,
    augment: recipe.augment,
    ...(lessons.keeps && { views }),
  });
  const student = await Student.open({
    model,
    build,
    open: (step) => openTrainer(step, lessons, { shares, threads }, ctx.executor),
    moving: size >= STATISTICS_BATCH,
  });
  const release = async (): Promise<void> => {
    await student.release();
    await lessons.release();
  };
  try {
    const examiner = await openHoldoutEvaluator(original, model, { dataset, indices: holdout, batch, threads, meanings }, ctx); // prettier-ignore
    return {
      model,
      student,
      epochs: batches.epochs,
      judge: (weights) => examiner.judge(weights),
      release,
      async feeds(cursor) {
        // Mixed images occur only once, and moving statistics would follow them.
        const mixed = !lessons.keeps && !student.moving;
        const { indices, feeds, keys } = await batches.next(cursor, mixed ? student.count : undefined);
        const fed: Record<string, HostTensor> = { ...feeds };
        // With split batches, the original runs beside the student.
        if (shares === 1 || lessons.keeps) {
          const given = await lessons.of(feeds, keys);
          for (const name of names) fed[teacherName(name)] = given[name]!;
        }
        if (labelled) fed[LABELS] = batches.labels(indices);
        return fed;
      },
    };
  } catch (e) {
    await release();
    throw e;
  }
}

/** Samples per step, and the number of sessions that share them, when the batch is open. */
async function sized(
  original: Sharing['original'],
  pruned: Model,
  { recipe, train, threads, worthAThread, whole }: RecoveryOptions & { readonly whole: boolean },
  { executor }: Pick<StageContext, 'executor'>,
): Promise<{ batch: number; shares: number }> {
  const facts = await collectFacts(pruned, executor);
  const batch = Math.max(1, Math.min(recipe.batch, train.length, largestBatch(pruned, facts)));
  // Batches are split by rows, and an input without a batch axis has none.
  if (whole) return { batch, shares: 1 };
  const sharing = { batch, threads, original, pruned: { model: pruned, facts } };
  const least = worthAThread !== undefined && { least: worthAThread };
  return { batch, shares: await sharesOf(executor, { ...sharing, ...least }) };
}

/** Outputs that share one loss, as the original shows on a sample; null when there are none. */
async function jointIn(
  original: Model,
  { dataset, index, meanings }: { readonly dataset: Dataset; readonly index: number; readonly meanings: Meanings },
  ctx: Pick<StageContext, 'executor'>,
): Promise<Joint | null> {
  const inputs = dataInputs(original);
  const session = await ctx.executor.open(original, { threads: 1 });
  try {
    const feeds = padded(await dataset.batch([index]), inputs.fixedBatch ?? 1, inputs);
    const order = session.outputNames;
    return jointOf(await session.run(feeds), { order, meanings, picture: pictureIn(feeds, dataset.main) });
  } finally {
    await session.release();
  }
}

/** Decay of the moving average of the weights. */
export const EMA = 0.99;
/**
 * Number of views per sample when the original's outputs are cached; otherwise each epoch has new
 * views.
 */
const VIEWS = 6;
/** Smallest scale of a tensor for relative rates. */
const SMALLEST = 0.01;
