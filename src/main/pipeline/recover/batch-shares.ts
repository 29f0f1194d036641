/**
 * Whether recovery shares its batches out to sessions on threads of their own, and how. A session with several threads
 * lets them wait for each other at every operator; sessions with one thread each wait for each other once per step, but
 * then one update follows, and weights and gradients travel. That pays where a step has much to compute.
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

/** The original's weights go to every session. */
const SHARED_BYTES = 5e8;
/** Multiply-accumulates of a share's step that are worth a thread. */
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

/** Sessions that a batch is shared out to; 1 where it is not. */
export async function sharesOf(executor: Executor, o: Sharing): Promise<number> {
  const shares = sharesWorth(o);
  return shares > 1 && (await threadsWork(executor)) ? shares : 1;
}

/** One per thread, where each gets enough for statistics of its own, and enough to do. @internal */
export function sharesWorth({ batch, threads, original, pruned, least = WORTH_A_THREAD }: Sharing): number {
  const macs = modelCosts(original.model, original.facts).macs + PASSES * modelCosts(pruned.model, pruned.facts).macs;
  const copies = Math.floor(SHARED_BYTES / Math.max(1, weightBytes(original.model)));
  let shares = Math.min(threads, Math.floor(batch / STATISTICS_BATCH), copies);
  while (shares > 1 && (batch % shares !== 0 || (batch / shares) * macs < least)) shares--;
  return Math.max(1, shares);
}

/** The original beside the sessions answers in the same thread, where its answers are not kept. */
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
