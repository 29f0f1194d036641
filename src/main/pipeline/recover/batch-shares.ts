/**
 * Decides whether recovery splits its batches over sessions on threads of their own. The threads of
 * one session wait for each other at every operator; sessions with one thread each wait once per
 * step, but then a single update follows, and weights and gradients must be transferred. The split
 * pays off when a step has much to compute.
 */
import { openShared, threadsWork } from '../../engine/autodiff/shared-step.ts';
import { Trainer } from '../../engine/autodiff/trainer.ts';
import type { TrainStep } from '../../engine/autodiff/train-step.ts';
import type { Executor } from '../../engine/executor.ts';
import { modelCosts, weightBytes } from '../../engine/ir/costs.ts';
import type { Facts } from '../../engine/ir/facts.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { TeacherOutputs } from '../../engine/recovery/teacher-outputs.ts';
import { STATISTICS_BATCH, teacherName } from './recover-model.ts';

/** Limit on the original's weights, which every session holds. */
const SHARED_BYTES = 5e8;
/** Multiply-accumulates per share and step from which a thread pays off. */
const WORTH_A_THREAD = 5e9;
/** Forward, gradient of the values, gradient of the weights. */
const PASSES = 3;

export interface Sharing {
  readonly batch: number;
  readonly threads: number;
  /** A model and its facts for one sample. */
  readonly original: { readonly model: Model; readonly facts: Facts };
  readonly pruned: { readonly model: Model; readonly facts: Facts };
  /** Default: `WORTH_A_THREAD`. */
  readonly least?: number;
}

/** Number of sessions that share a batch; 1 when it is not split. */
export async function sharesOf(executor: Executor, o: Sharing): Promise<number> {
  const shares = sharesWorth(o);
  return shares > 1 && (await threadsWork(executor)) ? shares : 1;
}

/**
 * One session per thread, when each gets enough samples for statistics of its own and enough work.
 * @internal
 */
export function sharesWorth({ batch, threads, original, pruned, least = WORTH_A_THREAD }: Sharing): number {
  const macs = modelCosts(original.model, original.facts).macs + PASSES * modelCosts(pruned.model, pruned.facts).macs;
  const copies = Math.floor(SHARED_BYTES / Math.max(1, weightBytes(original.model)));
  let shares = Math.min(threads, Math.floor(batch / STATISTICS_BATCH), copies);
  while (shares > 1 && (batch % shares !== 0 || (batch / shares) * macs < least)) shares--;
  return Math.max(1, shares);
}

/**
 * When the original's outputs are not cached, the original runs beside each session in the same
 * thread.
 */
export async function openTrainer(
  step: TrainStep,
  lessons: TeacherOutputs,
  o: { readonly shares: number; readonly threads: number },
  executor: Executor,
): Promise<Trainer> {
  const { openThread } = executor;
  if (o.shares === 1 || !openThread) return Trainer.open(executor, step, { threads: o.threads });
  const before = lessons.keeps ? [] : [lessons.model(teacherName)];
  return new Trainer(await openShared({ ...executor, openThread }, step, { ...o, before }), step);
}
