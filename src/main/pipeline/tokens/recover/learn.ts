/** Trains one component of a package on lessons: memory decides the batch and the weights, then the loop runs. */
import { SecateurError } from '../../../../shared/contract/errors.ts';
import type { RecoverRequest } from '../../../../shared/model/token-recovery.ts';
import type { Executor } from '../../../engine/executor.ts';
import { byteSize } from '../../../engine/ir/dtype.ts';
import type { Model } from '../../../engine/ir/model.ts';
import type { Value } from '../../../engine/ir/value.ts';
import type { AnswerRunner } from '../../../runtime/generate/runner.ts';
import { constantFeeds, stacked } from './batches.ts';
import type { Lessons } from './lessons.ts';
import { planTraining, sampleFloats, type TrainingPlan } from './memory.ts';
import { checkOnePass, onePassGap } from './one-pass.ts';
import { adapted, adapterFloats, studentOf } from './student.ts';
import { train, type Trained, type TrainingProgress } from './train.ts';
import { trainingGraph, type TrainingGraph } from './training-graph.ts';

/** A component in training. */
export interface Subject {
  /** Takes the feeds of lessons and gives logits. */
  readonly model: Model;
  /** Matrices of its training graph that may change. */
  readonly matrices: (graph: Model) => Value[];
  /** Why there may be none. */
  readonly without: string;
  /** Number of weights of the component. */
  readonly weights: number;
  readonly lessons: Lessons;
  /** Number of lessons, at the beginning, that choose. */
  readonly choose: number;
  /** The package with the weights from before training. */
  readonly before: AnswerRunner;
  /** Whether training is given tokens that the decoder itself would choose. */
  readonly fixed: boolean;
}

export interface Learned {
  readonly plan: TrainingPlan;
  readonly trained: Trained;
  /** Number of weights that were trained. */
  readonly count: number;
  /**
   * Compares the package with the trained weights to the graph in which they were trained.
   * @throws Error where their logits differ
   */
  verify(after: AnswerRunner): Promise<void>;
}

export interface LearnOptions {
  readonly recover: RecoverRequest;
  readonly threads: number;
  readonly seed: number;
  readonly now?: (() => number) | undefined;
}

/** Samples per step that are wanted. */
const BATCH = 16;
/** Highest rates: relative to the size of each matrix, and absolute. */
const [RATE, ADAPTER_RATE] = [0.02, 0.002];

/** Largest difference of logits that rounding explains, relative to the largest one. */
const WRITTEN = 0.01;

/** @throws 'recover-refused', 'gradient-unsupported', 'runtime-rejected' */
export async function learn(
  s: Subject,
  { recover, threads, seed, now }: LearnOptions,
  executor: Executor,
  onStep: (p: TrainingProgress) => void,
): Promise<Learned> {
  const { lessons: all } = s;
  const [choose, lessons] = [all.lessons.slice(0, s.choose), all.lessons.slice(s.choose)];
  if (lessons.length === 0)
    throw new SecateurError('recover-refused', { reason: 'its prompts take more memory than training may use' });
  const longest = Math.max(...all.lessons.map((l) => l.answer.length));
  const graphAt = async (batch: number): Promise<TrainingGraph> => {
    const { constant, varying } = constantFeeds(all.lessons, batch);
    const filled = Array.from({ length: batch }, (_, i) => lessons[i % lessons.length]!);
    const sizes = { constant, example: stacked(filled, varying), rows: batch * longest };
    const graph = await trainingGraph(s.model, sizes, executor);
    await checkOnePass(graph, all, { lesson: choose[0]!, batch }, s.before, executor);
    return graph;
  };
  const one = await graphAt(1);
  const matrices = s.matrices(one.model);
  if (matrices.length === 0) throw new SecateurError('recover-refused', { reason: s.without });
  const needs = {
    weights: s.weights,
    trained: floatsOf(matrices),
    adapters: adapterFloats(adapted(matrices), recover.rank),
    sample: sampleFloats(one.model, one.facts, 1),
  };
  const most = hasFixedBatch(s.model) ? 1 : Math.min(BATCH, lessons.length);
  const wanted = planTraining(needs, recover.by, most);
  const batched = wanted.batch > 1 ? await unlessRejected(graphAt(wanted.batch)) : null;
  const plan = batched || wanted.batch === 1 ? wanted : planTraining(needs, recover.by, 1);
  const graph = batched ?? one;
  const own = s.matrices(graph.model);
  const adapters = plan.by === 'lora' ? { rank: recover.rank, alpha: recover.alpha, seed } : null;
  const rows = plan.batch * longest;
  const student = studentOf(graph, adapters ? adapted(own) : own, adapters, rows);
  const { length, vocabulary } = all;
  const rate = adapters ? ADAPTER_RATE : RATE;
  const trained = await train(
    { student, train: lessons, choose, batch: plan.batch, rows, length, vocabulary, fed: graph.fed, seconds: recover.seconds, rate, threads, seed, now }, // prettier-ignore
    executor,
    onStep,
  );
  return {
    plan,
    trained,
    count: student.count,
    async verify(after) {
      const { weights } = trained;
      if (!weights || s.fixed) return;
      const judged = { ...graph, model: student.evaluated(weights) };
      const gap = await onePassGap(judged, all, { lesson: choose[0]!, batch: plan.batch }, after, executor);
      if (!(gap < WRITTEN)) throw new Error(`the logits of the written weights differ by ${gap} from the trained ones`);
    },
  };
}

/** Null where the runtime cannot run it: some exporters write a batch of one into shapes that are declared dynamic. */
const unlessRejected = <T>(made: Promise<T>): Promise<T | null> =>
  made.catch((e: unknown) => {
    if (e instanceof SecateurError && e.code === 'runtime-rejected') return null;
    throw e;
  });

const hasFixedBatch = ({ graph }: Model): boolean =>
  graph.inputs.some((v) => (v.type?.shape?.length ?? 0) >= 2 && typeof v.type!.shape![0] === 'number');

/** Float32 elements that initializers take. */
export const floatsOf = (values: Iterable<Value>): number =>
  [...values].reduce((n, { initializer: t }) => n + (t ? (byteSize(t.dtype, t.dims) ?? 0) / 4 : 0), 0);
