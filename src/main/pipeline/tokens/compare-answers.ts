/** Greedy answers of a package and of others made from it, to the same pictures and prompts. */
import type { AnswerChange } from '../../../shared/model/fewer-tokens.ts';
import type { ExecSession, Executor } from '../../engine/executor.ts';
import { greedy } from '../../engine/generation/sampling.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { GivenAnswer } from '../../engine/quality/answers.ts';
import type { EncodedImage } from '../../runtime/generate/picture.ts';
import type { AnswerRunner, Logits } from '../../runtime/generate/runner.ts';

export interface Question {
  readonly image?: string | undefined;
  readonly prompt?: string | undefined;
}

/** The answer of one package to one question. */
export interface Answered extends GivenAnswer {
  readonly ids: readonly number[];
}

/** Answers that are shown side by side. */
const SHOWN = 3;

/**
 * Greedy answers of every runner, in the order of the questions. Logits of one answer at a time are held, and one encoded
 * picture per runner, so that memory does not grow with the number of pictures.
 * @param tokens most tokens of an answer
 * @param onAnswer called with the number of questions that are answered
 * @returns those of the original first, then those of the others
 */
export async function answerAll(
  original: AnswerRunner,
  others: readonly AnswerRunner[],
  { questions, tokens }: { readonly questions: readonly Question[]; readonly tokens: number },
  onAnswer: (done: number) => void,
): Promise<Answered[][]> {
  const runners = [original, ...others];
  const pictures = runners.map((runner) => new LastPicture(runner));
  const answers = runners.map((): Answered[] => []);
  for (const [done, i] of byPicture(questions).entries()) {
    onAnswer(done);
    const { image, prompt } = questions[i]!;
    const ask = { image: await pictures[0]!.of(image), prompt };
    const before = await original.generate({ ...ask, tokens });
    const along = await original.answerLogits(ask, before.ids);
    answers[0]![i] = { ids: before.ids, text: before.text, equal: true, kl: 0, tokens: along.rows };
    for (const [o, runner] of others.entries()) {
      const again = { image: await pictures[o + 1]!.of(image), prompt };
      const logits = await runner.answerLogits(again, before.ids);
      // Choices that follow the whole answer are the answer. With fewer positions left, the original's may have been cut short.
      const isSame = before.stop !== 'positions' && before.ids.every((id, row) => greedy(rowOf(logits, row)) === id);
      const after = isSame ? before : await runner.generate({ ...again, tokens });
      answers[o + 1]![i] = {
        ids: after.ids,
        text: after.text,
        equal: after.ids.join() === before.ids.join(),
        kl: klSum(along, logits),
        tokens: along.rows,
      };
    }
  }
  return answers;
}

/** Numbers of the questions, those about one picture after each other. */
function byPicture(questions: readonly Question[]): number[] {
  const groups = Map.groupBy(questions.keys(), (i) => questions[i]!.image);
  return [...groups.values()].flat();
}

/** Encodes a picture once for questions that follow each other. */
export class LastPicture {
  readonly #runner: AnswerRunner;
  #file: string | undefined;
  #encoded: EncodedImage | undefined;

  constructor(runner: AnswerRunner) {
    this.#runner = runner;
  }

  async of(file: string | undefined): Promise<EncodedImage | undefined> {
    if (file === undefined) return undefined;
    if (file !== this.#file) this.#encoded = await this.#runner.encodeImage(file);
    this.#file = file;
    return this.#encoded;
  }
}

/** How the answers to the same questions changed. */
export function answerChange(
  questions: readonly Question[],
  before: readonly Answered[],
  after: readonly Answered[],
): AnswerChange {
  const sum = (of: (a: Answered) => number): number => after.reduce((total, a) => total + of(a), 0);
  const pictured = [...questions.entries()].filter(([, q]) => q.image !== undefined);
  return {
    answers: questions.length,
    equal: sum((a) => Number(a.equal)),
    kl:
      sum((a) => a.kl) /
      Math.max(
        1,
        sum((a) => a.tokens),
      ),
    shown: pictured
      .slice(0, SHOWN)
      .map(([i, q]) => ({ image: q.image!, prompt: q.prompt ?? null, before: before[i]!.text, after: after[i]!.text })),
  };
}

const rowOf = ({ data, vocabulary }: Logits, row: number): Float32Array =>
  data.subarray(row * vocabulary, (row + 1) * vocabulary);

/**
 * Sum over rows of KL(p || q) in nats, of the softmax of two sets of logits with the same rows.
 * @internal
 */
export function klSum(p: Logits, q: Logits): number {
  const { vocabulary } = p;
  let sum = 0;
  for (let row = 0; row < p.rows; row++) {
    const [a, b] = [rowOf(p, row), rowOf(q, row)];
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
