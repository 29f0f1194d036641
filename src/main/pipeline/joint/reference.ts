/** Answers of the original package, and the damage of a smaller one along them. */
import type { Executor } from '../../engine/executor.ts';
import { greedy } from '../../engine/generation/sampling.ts';
import { type AnswerRunner, type Logits } from '../../runtime/generate/runner.ts';
import type { OpenedPackage } from '../prepare/open-package.ts';
import { openRunner } from '../prepare/open-runner.ts';
import { klSum, LastPicture, type Question } from '../tokens/compare-answers.ts';
import type { Built } from './build.ts';

export interface ReferenceOptions {
  readonly pkg: OpenedPackage;
  readonly executor: Executor;
  readonly provider: string;
  readonly threads: number;
  /** Most tokens of an answer. */
  readonly tokens: number;
}

/** Most bytes of stored logits. */
const MOST_BYTES = 2 ** 28;

/** Greedy answers of the original, with their logits, computed once. */
export class Reference {
  readonly #options: ReferenceOptions;
  readonly #answers: { readonly question: Question; readonly ids: readonly number[]; readonly logits: Logits }[] = [];

  private constructor(options: ReferenceOptions) {
    this.#options = options;
  }

  /** Questions whose logits take more than 256 MiB together are left out. */
  static async read(
    options: ReferenceOptions,
    questions: readonly Question[],
    onQuestion: (done: number) => void,
  ): Promise<Reference> {
    const reference = new Reference(options);
    const runner = reference.#open({ models: new Map(), configs: {} });
    let bytes = 0;
    try {
      const pictures = new LastPicture(runner);
      for (const [done, question] of questions.entries()) {
        onQuestion(done);
        const ask = { ...question, image: await pictures.of(question.image) };
        const { ids } = await runner.generate({ ...ask, tokens: options.tokens });
        const logits = await runner.answerLogits(ask, ids);
        bytes += logits.data.byteLength;
        if (bytes > MOST_BYTES && done > 0) break;
        reference.#answers.push({ question, ids, logits });
      }
    } finally {
      await runner.close();
    }
    return reference;
  }

  get questions(): number {
    return this.#answers.length;
  }

  /** Answers by question. */
  get answers(): readonly { readonly question: Question; readonly ids: readonly number[] }[] {
    return this.#answers;
  }

  /** Mean over the tokens of the original's answers, in nats, and the share of tokens that both choose. */
  async damage(built: Pick<Built, 'models' | 'configs'>): Promise<{ readonly kl: number; readonly equal: number }> {
    const runner = this.#open(built);
    let [kl, tokens, equal] = [0, 0, 0];
    try {
      const pictures = new LastPicture(runner);
      for (const { question, ids, logits } of this.#answers) {
        const again = await runner.answerLogits({ ...question, image: await pictures.of(question.image) }, ids);
        kl += klSum(logits, again);
        tokens += ids.length;
        const { vocabulary } = again;
        ids.forEach((id, row) => (equal += Number(greedy(again.data.subarray(row * vocabulary, (row + 1) * vocabulary)) === id))); // prettier-ignore
      }
    } finally {
      await runner.close();
    }
    return { kl: kl / tokens, equal: equal / tokens };
  }

  #open({ models, configs }: Pick<Built, 'models' | 'configs'>): AnswerRunner {
    const { pkg, executor, provider, threads } = this.#options;
    return openRunner(pkg, { executor, provider, threads, replaced: models, configs });
  }
}
