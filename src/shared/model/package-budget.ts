/** One budget over all components and the visual tokens of a package: the request and the report. */
import type { AnswerChange } from './fewer-tokens.ts';
import type { QualityFloor, Recipe, WorkloadResult } from './job.ts';
import type { QuestionFigures, QuestionFile, QuestionsReport } from './question-figures.ts';
import type { Budget, Family, Provenance } from './types.ts';
import type { Selection } from './visual-tokens.ts';

export interface PackageBudgetRequest {
  /** Folder of a package. */
  readonly package: string;
  readonly budget: Budget;
  /** Metric of the workload: 'total', 'first-token', 'per-token'. */
  readonly metric: string;
  /** `auto`: several methods are compared; `none`; or the name of one. */
  readonly tokens: string;
  readonly images: readonly string[];
  readonly prompts: readonly string[];
  /** In the place of pictures and prompts. */
  readonly questions?: QuestionFile;
  /** Settings of the workload by name, without `image`. */
  readonly settings: Readonly<Record<string, number>>;
  readonly recipe: Recipe;
  /** Folder of the new package. */
  readonly out: string;
  readonly seed: number;
  readonly floor?: QualityFloor;
  readonly threadsAsked?: number;
}

/** How a package is made smaller. */
export interface PackageChoice {
  /** Null: all tokens stay. */
  readonly tokens: Selection | null;
  /** Share of its own time that each pruned component was searched for, by id. */
  readonly components: Readonly<Record<string, number>>;
}

/** A choice alone, on the questions that choose. */
export interface PackageLevel extends PackageChoice {
  /** Predicted or measured metric over that of the original. */
  readonly ratio: number;
  /** Nats per token along the original's answers. */
  readonly kl: number;
}

/** A way to meet the budget that was built, measured and judged. */
export interface PackageWay extends PackageLevel {
  /** The kinds of parts that it changes: 'tokens' and ids of components. */
  readonly kinds: readonly string[];
  /** Sum of the damages of its parts alone, by which it was chosen. */
  readonly predictedKl: number;
  readonly chosen: boolean;
  /** False where it did not come within the budget. */
  readonly reached: boolean;
}

/** Final JSON document of `compress` for a whole package. */
export interface PackageBudgetReport {
  readonly job: string;
  readonly package: string;
  readonly family: Family;
  readonly budget: Pick<Budget, 'ms' | 'ratio'>;
  /** Why it is not accepted, worst first, as sentences; empty when it is. */
  readonly reasons: readonly string[];
  readonly accepted: boolean;
  readonly met: boolean;
  readonly warnings: readonly string[];
  /** The deciding measurement; null where nothing was written. */
  readonly workload: Omit<WorkloadResult, 'component'> | null;
  readonly choice: PackageChoice | null;
  /** Tokens of a picture in the original's prompt, and those that are left; null where they all stay. */
  readonly tokens: { readonly before: number; readonly left: number; readonly how: string | null } | null;
  readonly ways: readonly PackageWay[];
  readonly levels: readonly PackageLevel[];
  /** Parts that could not be reduced, and why. */
  readonly refused: readonly { readonly part: string; readonly reason: string }[];
  readonly answers: AnswerChange | null;
  readonly questions: QuestionsReport | null;
  readonly figures: QuestionFigures | null;
  readonly floor: Pick<Required<QualityFloor>, 'minAgreement' | 'maxDrop'>;
  readonly written: { readonly folder: string; readonly changed: readonly string[] } | null;
  readonly provenance: Provenance;
  readonly recipe: Recipe;
  readonly seconds: number;
  readonly notes: readonly string[];
}
