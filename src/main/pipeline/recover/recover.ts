/**
 * Recovery: the pruned model is trained to reproduce the original's outputs and activations
 * (knowledge distillation, Hinton et al. 2015; FitNets, Romero et al. 2015), with gradients that
 * the engine emits and the runtime executes. Keeps the best state on held-out samples; ends at the
 * time limit, or earlier when the held-out figure has stopped improving.
 */
import { writeParameters } from '../../engine/autodiff/trainer.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import type { Model } from '../../engine/ir/model.ts';
import { cosine } from '../../engine/recovery/schedule.ts';
import { eliminateDead, foldBatchNorm, runPasses } from '../../engine/passes/index.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import type { StageContext } from '../context.ts';
import type { Cursor } from './recover-batches.ts';
import { EMA, openTraining, type RecoveryOptions } from './training-setup.ts';

export interface Recovered {
  readonly model: Model;
  readonly steps: number;
  readonly epochs: number;
  readonly seconds: number;
  /** Distance to the original on the held-out samples: at the start, and for the kept state. */
  readonly before: number;
  readonly after: number;
  readonly curve: readonly Point[];
  /** Number of restarts at a smaller rate. */
  readonly restarts: number;
}

interface Point {
  readonly seconds: number;
  readonly step: number;
  readonly loss: number;
  readonly holdout: number;
}

/** The complete state of a run. */
interface Memory extends Cursor {
  seconds: number;
  loss: number;
  best: { weights: ReadonlyMap<string, Float32Array>; value: number; step: number };
  curve: Point[];
  /** Peak of the schedule, the second at which the schedule began, and the number of restarts. */
  rate: number;
  from: number;
  restarts: number;
}

/**
 * @throws SecateurError 'gradient-unsupported' when an operator on the gradient path has no
 * gradient
 */
export async function recover(
  original: Model,
  pruned: Model,
  options: RecoveryOptions,
  ctx: Pick<StageContext, 'executor' | 'progress'>,
): Promise<Recovered> {
  const { recipe, now = () => performance.now() } = options;
  const course = await openTraining(original, pruned, options, ctx);
  const { model, student } = course;
  try {
    const first = student.weights();
    const before = await course.judge(first);
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
    const [started, offset] = [now(), m.seconds];
    const elapsed = (): number => (m.seconds = offset + (now() - started) / 1000);
    const share = (): number => (elapsed() - m.from) / (recipe.seconds - m.from);
    const consider = async (which: 'average' | 'current'): Promise<number> => {
      const weights = student.weights(which);
      const value = await course.judge(weights);
      if (value < m.best.value) m.best = { weights, value, step: student.count };
      return value;
    };
    const perCheck = Math.max(Math.min(5, recipe.seconds / 6), recipe.seconds / 30);
    let [nextCheck, stale] = [m.seconds + perCheck, 0];
    while (elapsed() < recipe.seconds) {
      if (share() >= SETTLE) await student.settle();
      const feeds = await course.feeds(m);
      const loss = await student.learn(feeds, cosine(share(), m.rate));
      m.loss = m.loss === 0 ? loss : 0.95 * m.loss + 0.05 * loss;
      if (elapsed() >= nextCheck) {
        // The moving average needs several of its time constants before it is meaningful.
        const known = m.best.value;
        const value = await consider(student.count > 3 / (1 - EMA) ? 'average' : 'current');
        stale = value < known ? 0 : stale + 1;
        m.curve.push({ seconds: elapsed(), step: student.count, loss: m.loss, holdout: value });
        if (m.best.step === 0 && m.restarts < RESTARTS && tooFast(value / before, share())) {
          await student.resume(fresh);
          Object.assign(m, { rate: m.rate * SLOWER, from: elapsed(), restarts: m.restarts + 1, loss: 0 });
        }
        await options.checkpoint?.write({ memory: m, student: student.suspend() });
        nextCheck = elapsed() + perCheck;
        // A cosine schedule improves most in its last third and may lose at its peak, so only a
        // standstill after that counts.
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
    // When nothing improved, the model stays bit-identical.
    const result = cloneModel(m.best.step === 0 ? pruned : model).model;
    if (m.best.step > 0) {
      writeParameters(result, m.best.weights);
      runPasses(result, [foldBatchNorm, eliminateDead]);
      result.opsets.set('', pruned.opset);
    }
    return {
      model: result,
      steps: student.count,
      epochs: course.epochs(m),
      seconds: elapsed(),
      before,
      after: m.best.value,
      curve: m.curve,
      restarts: m.restarts,
    };
  } finally {
    await course.release();
  }
}

/** Factor on the peak rate after a divergence, and the largest number of such restarts. */
const SLOWER = 0.5;
const RESTARTS = 5;
/**
 * A distance larger than this multiple of the start's counts as lost. Twice the distance is usual
 * and recovers as the rate falls.
 */
const LOST = 5;
/**
 * Shares of the time. Before the first, batch statistics lag behind; after the second, a restart is
 * too late.
 */
const [SETTLED, LATE] = [0.16, 0.5];

/**
 * Whether a run should restart with a smaller rate.
 * @param worse distance on held-out samples over that before the first step; NaN when an output is
 * NaN
 * @param share share of the time that has passed
 * @internal
 */
export function tooFast(worse: number, share: number): boolean {
  if (share >= LATE) return false;
  return Number.isNaN(worse) || (share >= SETTLED && worse > LOST);
}

/**
 * Peak of the rate for a start at this distance from the original. Steps have a fixed length, and
 * the distance grows with the square of the way: four times the distance means twice the way in the
 * same time.
 * @internal
 */
export const rateFor = (distance: number, optimizer: Recipe['recovery']['optimizer']): number =>
  optimizer === 'sgd' ? PLAIN : Math.min(FASTEST, Math.max(SLOWEST, PER_ROOT * Math.sqrt(Math.max(0, distance))));
/**
 * Steps of plain gradient descent shrink with the gradient, so they adapt to the remaining way by
 * themselves.
 */
const PLAIN = 0.01;
const [SLOWEST, FASTEST, PER_ROOT] = [0.014, 0.03, 0.086];

/** Share of the schedule after which batch statistics are frozen. */
const SETTLE = 0.1;
