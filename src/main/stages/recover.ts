/**
 * Recovery: the pruned model learns to give the original's outputs and activations again (knowledge distillation, Hinton et
 * al. 2015; FitNets, Romero et al. 2015), with gradients that the engine emits and the runtime executes. Keeps the best
 * state on samples held out; ends at the time limit, or earlier when the held-out figure has stopped improving.
 */
import { writeParameters } from '../engine/autodiff/trainer.ts';
import { buildTrainStep, type TrainStep } from '../engine/autodiff/train-step.ts';
import type { HostTensor } from '../engine/executor.ts';
import { cloneModel } from '../engine/ir/clone.ts';
import { DType } from '../engine/ir/dtype.ts';
import type { Model } from '../engine/ir/model.ts';
import { seededRandom } from '../engine/random.ts';
import { applyViews, drawView } from '../engine/recovery/augment.ts';
import type { Feature } from '../engine/recovery/features.ts';
import { mixPatches } from '../engine/recovery/mix.ts';
import { cosine } from '../engine/recovery/schedule.ts';
import { eliminateDead, foldBatchNorm, runPasses } from '../engine/passes/index.ts';
import { boxLayout, pictureOf, type AnchorLayout } from '../engine/quality/detections.ts';
import { outputView } from '../engine/quality/meter.ts';
import type { Recipe } from '../../shared/model/job.ts';
import type { Dataset } from '../data/dataset.ts';
import { collectFacts } from '../runtime/facts.ts';
import { openTrainer, sharesOf } from './batch-shares.ts';
import type { Checkpoint, StageContext } from './context.ts';
import { dataInput, pad } from './evaluate.ts';
import { openExaminer } from './examiner.ts';
import { Lessons } from './lessons.ts';
import {
  LABELS,
  largestBatch,
  lessonsIn,
  lossOf,
  normalized,
  STATISTICS_BATCH,
  teacherName,
  trainable,
} from './recover-model.ts';
import { Student } from './student.ts';

export interface RecoveryOptions {
  readonly recipe: Recipe['recovery'];
  readonly dataset: Dataset;
  /** Samples to learn from. */
  readonly train: readonly number[];
  /** Samples that decide which state is best. */
  readonly holdout: readonly number[];
  readonly seed: number;
  readonly threads: number;
  /** Activations of the pruned model that are to match activations of the original; default: none. */
  readonly features?: readonly Feature[];
  /** Where the state is kept while it runs: a run that was cut off goes on from there. */
  readonly checkpoint?: Checkpoint;
  /** Multiply-accumulates of a share's step from which batches are shared out to threads; default: where it pays. */
  readonly worthAThread?: number;
}

export interface Recovered {
  readonly model: Model;
  readonly steps: number;
  readonly epochs: number;
  readonly seconds: number;
  /** Distance to the original on the held-out samples: before, and of the state that was kept. */
  readonly before: number;
  readonly after: number;
  readonly curve: readonly Point[];
  /** How often it began anew at a smaller rate. */
  readonly restarts: number;
}

interface Point {
  readonly seconds: number;
  readonly step: number;
  readonly loss: number;
  readonly holdout: number;
}

/** All that a run has to remember. */
interface Memory {
  seconds: number;
  epoch: number;
  at: number;
  loss: number;
  best: { weights: ReadonlyMap<string, Float32Array>; value: number; step: number };
  curve: Point[];
  /** Peak of the schedule, the second at which the schedule began, and how often it was begun anew. */
  rate: number;
  from: number;
  restarts: number;
}

/** @throws SecateurError 'gradient-unsupported' when an operator on the way has no gradient */
export async function recover(
  original: Model,
  pruned: Model,
  options: RecoveryOptions,
  ctx: Pick<StageContext, 'executor' | 'progress'>,
): Promise<Recovered> {
  const { recipe, dataset, train, holdout, threads, seed } = options;
  const input = dataInput(original);
  const originalFacts = await collectFacts(original, ctx.executor);
  const prunedFacts = await collectFacts(pruned, ctx.executor);
  const batch = input.fixedBatch
    ? Math.max(1, input.dims[0]!)
    : Math.max(1, Math.min(recipe.batch, train.length, largestBatch(pruned, prunedFacts)));
  const shares = input.fixedBatch
    ? 1
    : await sharesOf(ctx.executor, {
        batch,
        threads,
        original: { model: original, facts: originalFacts },
        pruned: { model: pruned, facts: prunedFacts },
        ...(options.worthAThread !== undefined && { least: options.worthAThread }),
      });
  // What one session looks at.
  const size = batch / shares;
  const model = await normalized(pruned, options, size, input.name, ctx);
  const facts = await collectFacts(model, ctx.executor, { batch: size });
  const outputs = model.graph.outputs.filter((v) => facts.get(v)?.dtype === DType.FLOAT);
  const shapes = outputs.map((v) => facts.get(v)!.shape);
  const inner = options.features?.length
    ? lessonsIn(model, facts, original, originalFacts, options.features, size)
    : [];
  const labelled = dataset.labels !== null && recipe.alpha < 1 && outputView(shapes[0]!).kind === 'classes';
  // Raw anchors are one output of three axes.
  const anchors =
    shapes.length === 1 && shapes[0]!.length === 3
      ? await anchorsIn(original, input.name, await dataset.batch(holdout.slice(0, 1)), ctx)
      : null;
  const build = (moving: boolean): TrainStep =>
    buildTrainStep(model, {
      facts: (v) => facts.get(v),
      params: trainable(model),
      loss: (l) => lossOf(l, outputs, shapes, recipe, labelled, inner, anchors),
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
  const lessons = new Lessons(ctx.executor, original, {
    input: input.name,
    names,
    bytes: (4 * floats) / size,
    samples: train.length * views,
    threads,
  });
  const student = await Student.open({
    model,
    build,
    open: (step) => openTrainer(step, lessons, { shares, threads }, ctx.executor),
    moving: size >= STATISTICS_BATCH,
  });
  try {
    const examiner = await openExaminer(original, model, { dataset, indices: holdout, batch, input: input.name, threads }, ctx); // prettier-ignore
    const first = student.weights();
    const before = await examiner.judge(first);
    let m: Memory = {
      seconds: 0,
      epoch: 0,
      at: 0,
      loss: 0,
      best: { weights: first, value: before, step: 0 },
      curve: [],
      rate: recipe.learningRate === 'auto' ? rateFor(before, recipe.optimizer) : recipe.learningRate,
      from: 0,
      restarts: 0,
    };
    const fresh = student.suspend();
    const saved = (await options.checkpoint?.read()) as { memory: Memory; student: unknown } | null | undefined;
    if (saved && (await student.resume(saved.student))) m = saved.memory;
    else if (saved) await student.resume(fresh);
    const [started, offset] = [performance.now(), m.seconds];
    const elapsed = (): number => (m.seconds = offset + (performance.now() - started) / 1000);
    const share = (): number => (elapsed() - m.from) / (recipe.seconds - m.from);
    const consider = async (which: 'average' | 'current'): Promise<number> => {
      const weights = student.weights(which);
      const value = await examiner.judge(weights);
      if (value < m.best.value) m.best = { weights, value, step: student.count };
      return value;
    };
    const perCheck = Math.max(Math.min(5, recipe.seconds / 6), recipe.seconds / 30);
    let [nextCheck, stale] = [m.seconds + perCheck, 0];
    let order = orderOf(train, seed, m.epoch);
    while (elapsed() < recipe.seconds) {
      if (share() >= SETTLE) await student.settle();
      if (m.at + batch > order.length && m.at > 0) order = orderOf(train, seed, ++m.epoch);
      if (m.at + batch > order.length) m.at = 0;
      const indices = Array.from({ length: batch }, (_, i) => order[(m.at + i) % order.length]!);
      m.at += batch;
      const view = m.epoch % (lessons.keeps ? views : Infinity);
      let x = await dataset.batch(indices);
      if (recipe.augment) {
        const drawn = indices.map((i) => drawView(AUGMENTATION, seededRandom(seed + i * 10_007 + view)));
        x = applyViews(x, drawn);
        // What is mixed comes once, and statistics that move would follow it.
        if (!lessons.keeps && !student.moving) x = mixPatches(x, MIXED, seededRandom(seed + 31 * student.count));
      }
      const feeds: Record<string, HostTensor> = { [input.name]: x };
      if (shares === 1 || lessons.keeps) {
        const given = await lessons.of(x, indices.map((i) => `${i}/${view}`)); // prettier-ignore
        for (const name of names) feeds[teacherName(name)] = given[name]!;
      }
      if (labelled)
        feeds[LABELS] = {
          dtype: DType.INT64,
          dims: [batch],
          data: BigInt64Array.from(indices, (i) => BigInt(dataset.labels![i]!)),
        };
      const loss = await student.learn(feeds, cosine(share(), m.rate));
      m.loss = m.loss === 0 ? loss : 0.95 * m.loss + 0.05 * loss;
      if (elapsed() >= nextCheck) {
        // The average needs several of its own time constants before it says anything.
        const known = m.best.value;
        const value = await consider(student.count > 3 / (1 - EMA) ? 'average' : 'current');
        stale = value < known ? 0 : stale + 1;
        m.curve.push({ seconds: elapsed(), step: student.count, loss: m.loss, holdout: value });
        if (m.best.step === 0 && m.restarts < RESTARTS && tooFast(value / before, share(), student.count)) {
          await student.resume(fresh);
          Object.assign(m, { rate: m.rate * SLOWER, from: elapsed(), restarts: m.restarts + 1, loss: 0 });
        }
        await options.checkpoint?.write({ memory: m, student: student.suspend() });
        nextCheck = elapsed() + perCheck;
        // A cosine gains most in its last third, and may lose at its peak: only a standstill behind that says anything.
        if (elapsed() < 0.7 * recipe.seconds) stale = 0;
        else if (stale >= 6) break;
      }
      ctx.progress({
        stage: 'recover',
        message: `epoch ${m.epoch + 1}, loss ${m.loss.toPrecision(3)}, held out ${m.best.value.toPrecision(3)}`,
        done: Math.min(0.99, elapsed() / recipe.seconds),
      });
    }
    await consider('average');
    await consider('current');
    m.curve.push({ seconds: elapsed(), step: student.count, loss: m.loss, holdout: m.best.value });
    // Where nothing got better, the model stays as it was, to the bit.
    const result = cloneModel(m.best.step === 0 ? pruned : model).model;
    if (m.best.step > 0) {
      writeParameters(result, m.best.weights);
      runPasses(result, [foldBatchNorm, eliminateDead]);
      result.opsets.set('', pruned.opset);
    }
    return {
      model: result,
      steps: student.count,
      epochs: m.epoch + m.at / order.length,
      seconds: elapsed(),
      before,
      after: m.best.value,
      curve: m.curve,
      restarts: m.restarts,
    };
  } finally {
    await student.release();
    await lessons.release();
  }
}

/** The layout of a detector's raw outputs, as the original shows it on a sample; null for everything else. */
async function anchorsIn(
  original: Model,
  input: string,
  x: HostTensor,
  ctx: Pick<StageContext, 'executor'>,
): Promise<AnchorLayout | null> {
  const fixed = dataInput(original);
  const session = await ctx.executor.open(original, { threads: 1 });
  try {
    const given = fixed.fixedBatch ? pad(x, Math.max(1, fixed.dims[0]!)) : x;
    const layout = boxLayout(await session.run({ [input]: given }), pictureOf(given.dims));
    return layout && layout.kind !== 'chosen' ? layout : null;
  } finally {
    await session.release();
  }
}

/** The peak of the rate shrinks to this, so many times at most, where it led away from the original. */
const SLOWER = 0.5;
const RESTARTS = 5;

/**
 * Whether a run should begin anew with a smaller rate. Steps of a set length lead away at first, and the further the nearer
 * the start was: what lies five times further off is lost, what lies twice as far comes back as the rate falls. With few
 * steps to come it has to be back by a third of the time.
 * @param worse the distance on held-out samples over that before the first step, @param share of the time, @param steps done
 */
export function tooFast(worse: number, share: number, steps: number): boolean {
  const few = steps / Math.max(share, 1e-9) < 400;
  // What is no number any more is worse than anything.
  return share < 0.5 && !(worse <= (few && share >= 0.3 ? 1.7 : 5));
}

/**
 * Peak of the rate for a start at this distance from the original. Steps have a set length: what is four times further off,
 * by a measure that grows with the square of the way, has twice the way to go in the same time.
 */
export const rateFor = (distance: number, optimizer: Recipe['recovery']['optimizer']): number =>
  optimizer === 'sgd' ? PLAIN : Math.min(FASTEST, Math.max(SLOWEST, PER_ROOT * Math.sqrt(Math.max(0, distance))));
/** Its steps shrink with the gradient, and bring their own sense of the way that is left. */
const PLAIN = 0.01;
const [SLOWEST, FASTEST, PER_ROOT] = [0.014, 0.03, 0.086];

/** Share of the schedule after which statistics of batches are held still. */
const SETTLE = 0.1;

/** Decay of the moving average of the weights. */
const EMA = 0.99;
/** Views of each sample where the original's answers are kept; otherwise each epoch has its own. */
const VIEWS = 6;
const AUGMENTATION = { shift: 0.125, mirror: true };
/** Share of the pictures that get a patch of another one. */
const MIXED = 0.3;
/** Smallest scale of a tensor that rates are relative to. */
const SMALLEST = 0.01;

function orderOf(train: readonly number[], seed: number, epoch: number): number[] {
  const order = [...train];
  seededRandom(seed + 7919 * epoch).shuffle(order);
  return order;
}
