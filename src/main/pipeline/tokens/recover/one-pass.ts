/** Whether a decoder that reads a prompt and an answer at once gives the logits that it gives token by token. */
import { SecateurError } from '../../../../shared/contract/errors.ts';
import type { Executor } from '../../../engine/executor.ts';
import type { AnswerRunner } from '../../../runtime/generate/runner.ts';
import { ROWS, rowsOf, stacked } from './batches.ts';
import type { Lesson, Lessons } from './lessons.ts';
import type { TrainingGraph } from './training-graph.ts';

/** Largest difference of logits, relative to the largest one. */
const TOLERANCE = 2e-3;

/**
 * @param graph for batches of `batch` lessons; the last one is checked
 * @param reduced the package whose decoder is trained
 * @throws 'recover-refused' where the logits differ, as those of a decoder that is not causal
 */
export async function checkOnePass(...given: Parameters<typeof onePassGap>): Promise<void> {
  if ((await onePassGap(...given)) <= TOLERANCE) return;
  throw new SecateurError('recover-refused', {
    reason: 'its decoder gives other logits when it reads a prompt and its answer at once than token by token',
  });
}

/** Largest difference of logits in one pass to those of a runner, relative to the largest one. */
export async function onePassGap(
  graph: Pick<TrainingGraph, 'model' | 'fed'>,
  { length, lessons }: Lessons,
  { lesson, batch }: { readonly lesson: Lesson; readonly batch: number },
  runner: AnswerRunner,
  executor: Executor,
): Promise<number> {
  const { data, rows, vocabulary } = await runner.answerLogits(lesson.question, lesson.answer);
  const session = await executor.open(graph.model);
  const count = Number(graph.model.graph.inputs.find((v) => v.name === ROWS)!.type!.shape![0]);
  try {
    const filled = Array.from({ length: batch }, (_, i) => (i === batch - 1 ? lesson : lessons[i % lessons.length]!));
    const feeds = { ...stacked(filled, graph.fed), [ROWS]: rowsOf(filled, count, length) };
    const [logits] = Object.values(await session.run(feeds));
    const before = filled.slice(0, -1).reduce((n, l) => n + l.answer.length, 0);
    const own = (logits!.data as Float32Array).subarray(before * vocabulary);
    let [most, gap] = [1e-6, 0];
    for (let i = 0; i < rows * vocabulary; i++) {
      if (!Number.isFinite(data[i]!)) continue;
      most = Math.max(most, Math.abs(data[i]!));
      // Also where the difference is no number.
      if (!(Math.abs(data[i]! - own[i]!) <= gap)) gap = Math.abs(data[i]! - own[i]!);
    }
    return gap / most;
  } finally {
    await session.release();
  }
}
