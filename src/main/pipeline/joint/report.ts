/** Writes the chosen package, compares its answers, and reports. */
import type { AnswerChange } from '../../../shared/model/fewer-tokens.ts';
import type { PackageBudgetReport, PackageBudgetRequest } from '../../../shared/model/package-budget.ts';
import { DEFAULT_FLOOR } from '../../../shared/model/quality.ts';
import type { QuestionFigures, QuestionsReport } from '../../../shared/model/question-figures.ts';
import { latencyReason } from '../../engine/latency/verdict.ts';
import { judgeAnswers } from '../../engine/quality/answer-floor.ts';
import { measuredHere } from '../../runtime/device.ts';
import type { StageContext } from '../context.ts';
import { threadsNote } from '../measure/threads-note.ts';
import { openRunner } from '../prepare/open-runner.ts';
import type { Stopwatch } from '../stopwatch.ts';
import { answerAll, answerChange } from '../tokens/compare-answers.ts';
import { judgeQuestions, type OpenedQuestions } from '../tokens/judge-questions.ts';
import { writePackage, type Draft } from '../tokens/write-package.ts';
import type { Whole } from './build.ts';
import type { judgeUse } from '../measure/final-use.ts';
import type { Levels } from './levels.ts';
import type { ReferenceOptions } from './reference.ts';
import type { BudgetSplit } from './split.ts';
import { kindsOf, reportedWays, whyChosen, type MeasuredWay } from './ways.ts';

export interface Decided {
  readonly ways: readonly MeasuredWay[];
  /** Null where nothing came near the budget. */
  readonly best: { readonly way: MeasuredWay; readonly verdict: ReturnType<typeof judgeUse> } | null;
}

interface Given {
  readonly request: PackageBudgetRequest;
  readonly whole: Whole;
  readonly levels: Levels;
  /** Budget over the original's time. */
  readonly goal: number;
  readonly split: BudgetSplit;
  readonly file: OpenedQuestions | null;
  readonly options: ReferenceOptions;
  readonly decided: Decided;
  readonly clock: Stopwatch;
}

interface Answers {
  readonly change: AnswerChange;
  readonly questions: QuestionsReport | null;
  readonly figures: QuestionFigures | null;
}

export async function budgetReport(given: Given, ctx: StageContext): Promise<PackageBudgetReport> {
  const { request, whole, decided } = given;
  const { best } = decided;
  const { built } = best?.way.made ?? {};
  if (!best || !built) return documentOf(given, null, null, ctx);
  ctx.progress({ stage: 'write', message: 'writing', done: 0 });
  return writePackage(whole.pkg, built, request.out, async (draft) => {
    const answers = await answersOf(given, draft, ctx);
    return documentOf(given, answers, draft, ctx);
  });
}

/** A written package answers by itself, which shows that it is complete. */
async function answersOf({ split, file, options }: Given, draft: Draft, ctx: StageContext): Promise<Answers> {
  const { pkg, executor, provider, threads, tokens } = options;
  const runners = [openRunner(pkg, { executor, provider, threads }), openRunner(draft.folder, { executor, provider, threads })]; // prettier-ignore
  try {
    const { judge } = split;
    const [own, after] = await answerAll(runners[0]!, [runners[1]!], { questions: judge, tokens }, (done) =>
      ctx.progress({ stage: 'answers', message: `answer ${done + 1} of ${judge.length}`, done: done / judge.length }),
    );
    const list = file && split.places!.map((i) => file.list[i]!);
    const judged = file && list && judgeQuestions({ ...file, list }, own!, [{ method: 'pruned', tokens: 0, answers: after! }], ''); // prettier-ignore
    return {
      change: answerChange(judge, own!, after!),
      questions: judged?.report ?? null,
      figures: judged?.figures[0] ?? null,
    };
  } finally {
    for (const runner of runners) await runner.close();
  }
}

function documentOf(
  given: Given,
  answers: Answers | null,
  draft: Draft | null,
  ctx: StageContext,
): PackageBudgetReport {
  const { request, whole, levels, goal, decided, clock } = given;
  const { best } = decided;
  const verdict = verdictOf(given, answers);
  const variant = best?.way.made.built.variant ?? null;
  clock.mark('answers');
  const ways = reportedWays(decided.ways, best?.way, goal);
  const parts = levels.parts.flatMap((part) => part.slice(1, 2).flatMap((l) => kindsOf(l.choice)));
  const why = whyChosen(ways, parts);
  return {
    job: ctx.job,
    package: request.package,
    family: whole.pkg.family,
    budget: request.budget,
    ...verdict,
    accepted: verdict.reasons.length === 0,
    met: best?.verdict.latency.verdict === 'met',
    workload: best && { ...best.verdict, package: request.package, metric: request.metric, settings: whole.workload.settings, about: whole.workload.about }, // prettier-ignore
    choice: best && best.way.made.choice,
    tokens: variant && { before: whole.workload.settings['image']!, left: variant.tokens, how: variant.how },
    ways,
    levels: levels.parts.flatMap((part) => part.slice(1).map((l) => ({ ...l.choice, ratio: ratioOf(l.ratios, levels), kl: l.cost }))), // prettier-ignore
    refused: levels.refused,
    answers: answers?.change ?? null,
    questions: answers?.questions ?? null,
    figures: answers?.figures ?? null,
    floor: { ...DEFAULT_FLOOR, ...request.floor },
    written: draft && { folder: request.out, changed: draft.changed },
    provenance: measuredHere(),
    recipe: request.recipe,
    seconds: Object.values(clock.seconds()).reduce((a, b) => a + b, 0),
    notes: [
      ...(why ? [why] : []),
      ...threadsNote(request.budget.threads, request.threadsAsked),
      ...(variant?.notes ?? []),
    ],
  };
}

function ratioOf(ratios: Readonly<Record<string, number>>, { original }: Levels): number {
  const entries = Object.entries(original);
  return entries.reduce((sum, [name, ms]) => sum + ms * (ratios[name] ?? 1), 0) / entries.reduce((sum, [, ms]) => sum + ms, 0); // prettier-ignore
}

function verdictOf(
  { request, split, decided }: Given,
  answers: Answers | null,
): { readonly reasons: string[]; readonly warnings: string[] } {
  if (!decided.best || !answers)
    return { reasons: ['The budget cannot be reached: no combination of fewer tokens and smaller components comes within it.'], warnings: [...split.warnings] }; // prettier-ignore
  const { change, questions, figures } = answers;
  const right = questions && figures && { known: figures.all.known, before: questions.original.all.exact, after: figures.all.exact }; // prettier-ignore
  const judged = judgeAnswers({ answers: change.answers, equal: change.equal, ...(right && { right }) }, request.floor);
  const late = latencyReason(decided.best.verdict.latency);
  return {
    reasons: [...judged.reasons, ...(late ? [late] : [])],
    warnings: [...split.warnings, ...(questions?.warnings ?? []), ...judged.warnings],
  };
}
