/** Greedy answers of a package and of others made from it, to the same pictures and prompts. */
import type { AnswerChange } from '../../../shared/model/fewer-tokens.ts';
import type { ExecSession, Executor } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { AnswerRunner, Logits } from '../../runtime/generate/runner.ts';

export interface Question {
  readonly image: string;
  readonly prompt?: string;
}

/** Answers that are shown side by side. */
const SHOWN = 3;

/**
 * Logits of one answer at a time are held, so that memory does not grow with the number of pictures.
 * @param tokens most tokens of an answer
 * @param onAnswer called with the number of answers that are compared
 */
export async function compareAnswers(
  original: AnswerRunner,
  others: readonly AnswerRunner[],
  { questions, tokens }: { readonly questions: readonly Question[]; readonly tokens: number },
  onAnswer: (done: number) => void,
): Promise<AnswerChange[]> {
  const sums = others.map(() => ({ equal: 0, kl: 0, read: 0, shown: [] as AnswerChange['shown'][number][] }));
  for (const [i, question] of questions.entries()) {
    onAnswer(i);
    const before = await original.generate({ ...question, tokens });
    const along = await original.answerLogits(question, before.ids);
    for (const [o, runner] of others.entries()) {
      const sum = sums[o]!;
      const after = await runner.generate({ ...question, tokens });
      sum.equal += Number(after.ids.join() === before.ids.join());
      sum.kl += klSum(along, await runner.answerLogits(question, before.ids));
      sum.read += along.rows;
      if (i < SHOWN) sum.shown.push({ image: question.image, prompt: question.prompt ?? null, before: before.text, after: after.text }); // prettier-ignore
    }
  }
  return sums.map(({ equal, kl, read, shown }) => ({ answers: questions.length, equal, kl: kl / read, shown }));
}

/**
 * Sum over rows of KL(p || q) in nats, of the softmax of two sets of logits with the same rows.
 * @internal
 */
export function klSum(p: Logits, q: Logits): number {
  const { vocabulary } = p;
  let sum = 0;
  for (let row = 0; row < p.rows; row++) {
    const [a, b] = [p, q].map(({ data }) => data.subarray(row * vocabulary, (row + 1) * vocabulary)) as [Float32Array, Float32Array]; // prettier-ignore
    const [logA, logB] = [logSum(a), logSum(b)];
    for (let i = 0; i < vocabulary; i++) {
      const log = a[i]! - logA;
      const share = Math.exp(log);
      // A token without probability adds nothing, also where its logit is -Infinity.
      if (share > 0) sum += share * (log - (b[i]! - logB));
    }
  }
  return Math.max(0, sum);
}

function logSum(logits: Float32Array): number {
  const most = logits.reduce((x, y) => Math.max(x, y), -Infinity);
  return most + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0));
}

/** Opens each model once, however many runners use it; `close` releases the sessions. */
export function sharedSessions(executor: Executor): { readonly executor: Executor; close(): Promise<void> } {
  const sessions = new Map<Model, Promise<ExecSession>>();
  return {
    executor: {
      open: async (model, options) => {
        const opened = sessions.get(model) ?? executor.open(model, options);
        sessions.set(model, opened);
        const session = await opened;
        return {
          inputNames: session.inputNames,
          outputNames: session.outputNames,
          outputDtypes: session.outputDtypes,
          run: (feeds, fetches) => session.run(feeds, fetches),
          release: () => Promise.resolve(),
        };
      },
    },
    close: async () => {
      for (const session of sessions.values()) await (await session).release();
    },
  };
}
