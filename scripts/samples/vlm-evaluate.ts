// Answers a reproducible set of questions with the exported files and counts exact matches per type.
import { join } from 'node:path';
import type { ExecSession } from '../../src/main/engine/executor.ts';
import { answer, type VlmSessions } from '../../src/main/engine/sample/vlm/answer.ts';
import { pixelValues } from '../../src/main/engine/sample/vlm/batches.ts';
import { QUESTION_TYPES, questionSet, type QuestionType } from '../../src/main/engine/sample/vlm/questions.ts';
import { VLM_SIZES } from '../../src/main/engine/sample/vlm/sizes.ts';
import { decode } from '../../src/main/engine/sample/vlm/vocabulary.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';

export interface TypeResult {
  readonly type: QuestionType;
  readonly questions: number;
  /** Answers that are equal to the right one, word for word. */
  readonly right: number;
  /** Questions whose answer is the most frequent one of their type: the best that an answer without looking gets. */
  readonly blind: number;
}

/** @param folder the package, with its `onnx` folder */
export async function evaluateVlm(
  folder: string,
  o: { readonly seed: number; readonly count: number; readonly threads: number },
): Promise<TypeResult[]> {
  const executor = createExecutor();
  const open = (name: string): Promise<ExecSession> =>
    executor.openBytes(join(folder, 'onnx', `${name}.onnx`), { threads: o.threads });
  const sessions: VlmSessions = {
    vision: await open('vision_encoder'),
    embedding: await open('embed_tokens'),
    decoder: await open('decoder_model_merged'),
  };
  const answers = new Map<QuestionType, Map<string, number>>(QUESTION_TYPES.map((t) => [t, new Map()]));
  const right = new Map<QuestionType, number>();
  for (const q of questionSet(o.seed, o.count)) {
    const { image_features: features } = await sessions.vision.run({ pixel_values: pixelValues([q.picture], VLM_SIZES.picture) }); // prettier-ignore
    const given = decode(await answer(sessions, VLM_SIZES, { features: features!, question: q.question }));
    const all = answers.get(q.type)!;
    all.set(q.answer, (all.get(q.answer) ?? 0) + 1);
    if (given === q.answer) right.set(q.type, (right.get(q.type) ?? 0) + 1);
  }
  for (const s of Object.values(sessions) as ExecSession[]) await s.release();
  return QUESTION_TYPES.map((type) => {
    const counts = [...answers.get(type)!.values()];
    return { type, questions: counts.reduce((a, b) => a + b, 0), right: right.get(type) ?? 0, blind: Math.max(0, ...counts) }; // prettier-ignore
  });
}

const percent = (x: number, n: number): string => `${((100 * x) / Math.max(1, n)).toFixed(1)}%`;

/** Lines of a Markdown table. */
export const resultRows = (results: readonly TypeResult[]): string[] => [
  '| question | exact answers | always the most frequent answer | questions |',
  '| --- | --- | --- | --- |',
  ...results.map((r) => `| ${r.type} | ${percent(r.right, r.questions)} | ${percent(r.blind, r.questions)} | ${r.questions} |`), // prettier-ignore
];
