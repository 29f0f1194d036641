/** Which questions choose how a package is made smaller, and which judge the result. */
import type { PackageBudgetRequest } from '../../../shared/model/package-budget.ts';
import type { Question } from '../tokens/compare-answers.ts';
import type { OpenedQuestions } from '../tokens/judge-questions.ts';
import { splitQuestions } from '../tokens/recover/split.ts';

/** Most questions that choose: each level answers all of them. */
const MOST = 64;
/** Questions of which a part can be held out. */
const ENOUGH = 10;

export interface BudgetSplit {
  readonly choose: readonly Question[];
  readonly judge: readonly Question[];
  /** Places of the judging questions in the file; null without a file. */
  readonly places: readonly number[] | null;
  readonly warnings: readonly string[];
}

export function splitForBudget(request: PackageBudgetRequest, file: OpenedQuestions | null): BudgetSplit {
  const all: Question[] = file
    ? file.list.map(({ image, prompt }) => ({ image: image ?? undefined, prompt: prompt ?? undefined }))
    : request.images.flatMap((image): Question[] =>
        request.prompts.length === 0 ? [{ image }] : request.prompts.map((prompt) => ({ image, prompt })),
      );
  const pictures = new Set(all.flatMap((q) => q.image ?? [])).size;
  const warnings = pictures === 0 ? ['TEXT ONLY: no question has a picture, so nothing about visual tokens is measured.'] : []; // prettier-ignore
  const places = (judge: readonly Question[]): number[] | null => {
    const held = new Set(judge);
    return file && [...all.keys()].filter((i) => held.has(all[i]!));
  };
  if (all.length < ENOUGH)
    return { choose: all, judge: all, places: places(all), warnings: [...warnings, `Only ${all.length} questions: the same ones choose and judge, so the figures are too good. Ten or more are divided.`] }; // prettier-ignore
  const { train, choose, judge } = splitQuestions(all, request.seed);
  const inOrder = all.filter((q) => judge.includes(q));
  return { choose: [...choose, ...train].slice(0, MOST), judge: inOrder, places: places(judge), warnings };
}
