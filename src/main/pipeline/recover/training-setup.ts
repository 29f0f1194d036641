/** What recovery trains and on what: the student, what the original says to it, and the batches of both. */
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
  /** Samples to learn from. */
  readonly train: readonly number[];
  /** Samples that decide which state is best. */
  readonly holdout: readonly number[];
  readonly seed: number;
  /** How outputs are read; default: as the graph says. */
  readonly meanings?: Meanings | undefined;
  readonly threads: number;
  /** Activations of the pruned model that are to match activations of the original; default: none. */
  readonly features?: readonly Feature[];
  /** Where the state is kept while it runs: a run that was cut off goes on from there. */
  readonly checkpoint?: Checkpoint;
  /** Multiply-accumulates of a share's step from which batches are shared out to threads; default: where it pays. */
  readonly worthAThread?: number;
  /** Milliseconds of a clock that the time limit is kept by; default: the machine's. */
  readonly now?: () => number;
}

export interface TrainingSetup {
  /** What is trained: its weights are those of the start. */
  readonly model: Model;
  readonly student: Student;
  /** The next batch, with all that a step is fed. */
  readonly feeds: (cursor: Cursor) => Promise<Record<string, HostTensor>>;
  /** Epochs that lie behind a cursor. */
  readonly epochs: (cursor: Cursor) => number;
  /** Distance to the original on samples set aside. */
  readonly judge: (weights: ReadonlyMap<string, Float32Array>) => Promise<number>;
  readonly release: () => Promise<void>;
}

/** @throws SecateurError 'gradient-unsupported' when an operator on the way has no gradient */
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
  // What one session looks at.
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
    // Answers are kept by sample: their rows have to lie one after the other.
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
        // What is mixed comes once, and statistics that move would follow it.
        const mixed = !lessons.keeps && !student.moving;
        const { indices, feeds, keys } = await batches.next(cursor, mixed ? student.count : undefined);
        const fed: Record<string, HostTensor> = { ...feeds };
        // Where batches are shared out, the original answers beside the student.
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

/** Samples per step, and the sessions that share them, where the model leaves that open. */
async function sized(
  original: Sharing['original'],
  pruned: Model,
  { recipe, train, threads, worthAThread, whole }: RecoveryOptions & { readonly whole: boolean },
  { executor }: Pick<StageContext, 'executor'>,
): Promise<{ batch: number; shares: number }> {
  const facts = await collectFacts(pruned, executor);
  const batch = Math.max(1, Math.min(recipe.batch, train.length, largestBatch(pruned, facts)));
  // A batch is shared out by rows, and an input without a batch axis has none.
  if (whole) return { batch, shares: 1 };
  const sharing = { batch, threads, original, pruned: { model: pruned, facts } };
  const least = worthAThread !== undefined && { least: worthAThread };
  return { batch, shares: await sharesOf(executor, { ...sharing, ...least }) };
}

/** Outputs that have one loss together, as the original shows them on a sample; null where there are none. */
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
/** Views of each sample where the original's answers are kept; otherwise each epoch has its own. */
const VIEWS = 6;
/** Smallest scale of a tensor that rates are relative to. */
const SMALLEST = 0.01;
