/**
 * Recovery of a package with fewer visual tokens: its decoder learns to give the next tokens that the original gives, along
 * the original's own greedy answers (distillation, Hinton et al. 2015, arXiv:1503.02531, at temperature 1). The vision
 * component stays as it is.
 */
import { SecateurError } from '../../../../shared/contract/errors.ts';
import type { AnswerChange } from '../../../../shared/model/fewer-tokens.ts';
import type { RecoverRequest, TokenRecovery } from '../../../../shared/model/token-recovery.ts';
import type { Executor } from '../../../engine/executor.ts';
import { partsOf } from '../../../engine/generation/parts.ts';
import type { Model } from '../../../engine/ir/model.ts';
import type { AnswerRunner } from '../../../runtime/generate/runner.ts';
import { openModelFile } from '../../../storage/model-files.ts';
import type { StageContext } from '../../context.ts';
import type { OpenedPackage } from '../../prepare/open-package.ts';
import { openRunner } from '../../prepare/open-runner.ts';
import { answerAll, answerChange, sharedSessions, type Question } from '../compare-answers.ts';
import { learn, type Learned } from './learn.ts';
import { readLessons, type Lessons } from './lessons.ts';
import { recorderOf } from './recorder.ts';
import { splitQuestions, type QuestionSplit } from './split.ts';
import { trainableOf } from './trainable.ts';

export interface RecoverOptions {
  readonly pkg: OpenedPackage;
  /** The reduced package: components that are replaced, by id, and changed configuration files. */
  readonly reduced: {
    readonly models: ReadonlyMap<string, Model>;
    readonly configs: Readonly<Record<string, unknown>>;
  };
  readonly questions: readonly Question[];
  /** Most tokens of an answer. */
  readonly tokens: number;
  readonly recover: RecoverRequest;
  readonly provider: string;
  readonly threads: number;
  /** Clock of the time limit, in milliseconds; default: the machine's. */
  readonly now?: (() => number) | undefined;
}

export interface RecoveredPackage {
  /** Decoders with the trained weights, by component; empty where training gained nothing. */
  readonly models: ReadonlyMap<string, Model>;
  readonly report: TokenRecovery;
  /** Questions that judge. */
  readonly judge: readonly Question[];
}

const SEED = 20;

/** @throws 'recover-*', 'gradient-unsupported', 'run-*' */
export async function recoverPackage(o: RecoverOptions, ctx: StageContext): Promise<RecoveredPackage> {
  const { pkg, reduced, recover, threads } = o;
  const parts = partsOf(pkg.shape);
  if (parts.kind === 'dual') throw new SecateurError('recover-refused', { reason: 'it writes no answers' });
  const split = splitQuestions(o.questions, SEED);
  const components = new Map<string, Model>(pkg.components.map(({ id }) => [id, openModelFile(pkg.fileOf(id))]));
  const fewer = new Map([...components, ...reduced.models]);
  const shared = sharedSessions(ctx.executor);
  const runners: AnswerRunner[] = [];
  const opened = (
    models: ReadonlyMap<string, Model>,
    configs = reduced.configs,
    executor: Executor = shared.executor,
  ): AnswerRunner => {
    // prettier-ignore
    const runner = openRunner(pkg, { executor, provider: o.provider, threads, replaced: models, configs });
    runners.push(runner);
    return runner;
  };
  const report = (stage: string, what: string) => (done: number, of: number) =>
    ctx.progress({ stage, message: `${what}: ${Math.floor(done)} of ${of}`, done: done / of });
  try {
    const original = opened(components, {});
    const before = opened(fewer);
    const recorder = recorderOf(shared.executor, fewer.get(parts.decoder.id)!);
    const questions = [...split.choose, ...split.train];
    const reading = report('lessons', 'answers of the original');
    const lessons = await readLessons(
      { original, reduced: opened(fewer, reduced.configs, recorder.executor), recorder, questions, tokens: o.tokens },
      (done) => reading(done / 2, questions.length),
    );
    ctx.progress({ stage: 'recover', message: 'preparing the training step', done: 0 });
    const subject = await trainableOf(
      {
        parts,
        fewer,
        lessons,
        before,
        choose: split.choose.length,
        executor: shared.executor,
        open: (models, executor) => opened(new Map([...fewer, ...models]), reduced.configs, executor),
      },
      recover.by,
    );
    const learned = await learn(
      subject,
      { recover, threads, seed: SEED },
      ctx.executor,
      (p) =>
      ctx.progress({ stage: 'recover', message: `step ${p.step}, KL ${p.loss.toPrecision(3)}, on other questions ${p.best.toPrecision(3)}`, done: p.done }), // prettier-ignore
    );
    const { weights } = learned.trained;
    const models = weights ? subject.models(weights) : new Map<string, Model>();
    const after = models.size > 0 ? opened(new Map([...fewer, ...models])) : null;
    if (after) await learned.verify(after);
    const judging = report('judge', 'held-out answers');
    const [own, ...others] = await answerAll(
      original,
      after ? [before, after] : [before],
      { questions: split.judge, tokens: o.tokens },
      (done) => judging(done, split.judge.length),
    );
    const results = others.map((answers) => answerChange(split.judge, own!, answers));
    const result = reportOf(recover, split, { lessons: subject.lessons, weights: subject.weights }, learned, results);
    return { models: result.kept ? models : new Map(), report: result, judge: split.judge };
  } finally {
    for (const runner of runners) await runner.close();
    await shared.close();
  }
}

function reportOf(
  recover: RecoverRequest,
  split: QuestionSplit,
  { lessons, weights }: { readonly lessons: Lessons; readonly weights: number },
  { plan, trained, count }: Learned,
  [before, after]: readonly AnswerChange[],
): TokenRecovery {
  const kept = after !== undefined && after.kl < before!.kl;
  return {
    by: plan.by,
    ...(plan.by === 'lora' && { rank: recover.rank, alpha: recover.alpha }),
    reason: plan.reason,
    trained: count,
    weights,
    steps: trained.steps,
    epochs: trained.epochs,
    seconds: trained.seconds,
    batch: plan.batch,
    questions: { train: lessons.lessons.length - split.choose.length, choose: split.choose.length, judge: split.judge.length }, // prettier-ignore
    bytes: { lessons: lessons.bytes, step: plan.bytes },
    chosen: { before: trained.before, after: trained.after },
    before: before!,
    after: after ?? null,
    kept,
    notes: [
      ...(trained.overfit ? ['The questions that were trained on ended much better than others: more pictures help more than more time.'] : []), // prettier-ignore
      ...(lessons.dropped > 0 ? [`${lessons.dropped} questions were left out of training, because their inputs would take more than 512 MiB.`] : []), // prettier-ignore
      ...(lessons.covered < 0.999 ? [`Training sees the 256 most probable tokens of each step, which cover ${(100 * lessons.covered).toFixed(1)}% of the probability.`] : []), // prettier-ignore
    ],
  };
}
