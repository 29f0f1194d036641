/** The training loop: steps until the time is over, and the best state by questions that are not trained on. */
import { Trainer } from '../../../engine/autodiff/trainer.ts';
import type { Executor, HostTensor } from '../../../engine/executor.ts';
import { seededRandom } from '../../../engine/random.ts';
import { cosine } from '../../../engine/recovery/schedule.ts';
import { ROWS, rowsOf, stacked, targetsOf } from './batches.ts';
import type { Lesson } from './lessons.ts';
import { EMA, type Student } from './student.ts';

type Weights = ReadonlyMap<string, Float32Array>;

export interface TrainingOptions {
  readonly student: Student;
  readonly train: readonly Lesson[];
  readonly choose: readonly Lesson[];
  readonly batch: number;
  /** Rows of logits per batch. */
  readonly rows: number;
  readonly length: number;
  readonly vocabulary: number;
  /** Names of the decoder's inputs. */
  readonly fed: readonly string[];
  readonly seconds: number;
  /** Highest rate. */
  readonly rate: number;
  readonly threads: number;
  readonly seed: number;
  /** Clock in milliseconds; default: the machine's. */
  readonly now?: (() => number) | undefined;
}

export interface Trained {
  /** Weights of the decoder; null where no state was better than the first. */
  readonly weights: Weights | null;
  readonly steps: number;
  readonly epochs: number;
  readonly seconds: number;
  /** KL in nats per token on the questions that choose: at the start, and of the best state. */
  readonly before: number;
  readonly after: number;
  /** Whether the trained questions ended several times better than others, so that more pictures would help. */
  readonly overfit: boolean;
}

export interface TrainingProgress {
  /** 0..1 */
  readonly done: number;
  readonly step: number;
  readonly loss: number;
  readonly best: number;
}

/** @throws 'gradient-unsupported', 'runtime-rejected' */
export async function train(
  o: TrainingOptions,
  executor: Executor,
  onStep: (p: TrainingProgress) => void,
): Promise<Trained> {
  const { now = () => performance.now(), student } = o;
  const before = await judge(o, new Map(), executor);
  const trainer = await Trainer.open(executor, student.step, { threads: o.threads });
  try {
    const random = seededRandom(o.seed);
    let order: number[] = [];
    const next = (): Lesson[] =>
      Array.from({ length: o.batch }, () => {
        if (order.length === 0) order = random.shuffle([...o.train.keys()]);
        return o.train[order.pop()!]!;
      });
    const started = now();
    const elapsed = (): number => (now() - started) / 1000;
    let best: { weights: Weights | null; kl: number } = { weights: null, kl: before };
    const consider = async (which: 'average' | 'current'): Promise<boolean> => {
      const weights = student.weights(trainer.parameters(which));
      const kl = await judge(o, weights, executor);
      if (!(kl < best.kl)) return false;
      best = { weights, kl };
      return true;
    };
    let [loss, stale, judging] = [NaN, 0, 0];
    let check = o.seconds / CHECKS;
    while (elapsed() < o.seconds) {
      const lessons = next();
      const share = elapsed() / o.seconds;
      const result = await trainer.step(feedsOf(o, lessons), cosine(share, o.rate));
      if (!Number.isFinite(result.loss)) break;
      loss = Number.isNaN(loss) ? result.loss : 0.9 * loss + 0.1 * result.loss;
      if (elapsed() >= check) {
        const from = now();
        const better = await consider(trainer.count > 3 / (1 - EMA) ? 'average' : 'current');
        judging = (now() - from) / 1000;
        // Judging takes at most a tenth of the time.
        check = elapsed() + Math.max(o.seconds / CHECKS, 9 * judging);
        stale = better ? 0 : stale + 1;
        if (stale >= PATIENCE && (elapsed() > LATE * o.seconds || loss < best.kl / OWN)) break;
      }
      onStep({ done: Math.min(0.99, elapsed() / o.seconds), step: trainer.count, loss, best: best.kl}); // prettier-ignore
    }
    if (trainer.count > 0) {
      await consider('average');
      await consider('current');
    }
    return {
      weights: best.weights,
      steps: trainer.count,
      epochs: (trainer.count * o.batch) / o.train.length,
      seconds: elapsed(),
      before,
      after: best.kl,
      overfit: loss < best.kl / OWN,
    };
  } finally {
    await trainer.release();
  }
}

/** Evaluations over the whole time, at most. */
const CHECKS = 24;
/**
 * Evaluations without an improvement that end training after this share of the time, or as soon as the loss on the trained
 * questions is this many times less than on others.
 */
const [PATIENCE, LATE, OWN] = [6, 0.7, 3];

const feedsOf = (o: TrainingOptions, lessons: readonly Lesson[]): Record<string, HostTensor> => ({
  ...stacked(lessons, o.fed),
  ...targetsOf(lessons, o.rows, o.vocabulary),
  [ROWS]: rowsOf(lessons, o.rows, o.length),
});

/** Mean KL in nats per token of the answers that choose. */
async function judge(o: TrainingOptions, weights: Weights, executor: Executor): Promise<number> {
  const session = await executor.open(o.student.evaluated(weights), { threads: o.threads });
  try {
    let [sum, count] = [0, 0];
    for (let at = 0; at < o.choose.length; at += o.batch) {
      const lessons = o.choose.slice(at, at + o.batch);
      const filled = Array.from({ length: o.batch }, (_, i) => lessons[i] ?? lessons[0]!);
      const feeds = { ...stacked(filled, o.fed), [ROWS]: rowsOf(filled, o.rows, o.length) };
      const [logits] = Object.values(await session.run(feeds));
      let row = 0;
      for (const lesson of lessons)
        for (let i = 0; i < lesson.shares.rows; i++, row++) {
          sum += rowKl(lesson, i, (logits!.data as Float32Array).subarray(row * o.vocabulary, (row + 1) * o.vocabulary)); // prettier-ignore
          count++;
        }
    }
    return sum / count;
  } finally {
    await session.release();
  }
}

/** KL of a row's shares from the softmax of logits. */
function rowKl({ shares }: Lesson, row: number, logits: Float32Array): number {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = most + Math.log(logits.reduce((n, z) => n + Math.exp(z - most), 0));
  let cross = 0;
  for (let i = 0; i < shares.width; i++) {
    const k = row * shares.width + i;
    const share = shares.shares[k]!;
    if (share > 0) cross -= share * (logits[shares.ids ? shares.ids[k]! : i]! - total);
  }
  return cross - shares.entropy[row]!;
}
