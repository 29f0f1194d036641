/**
 * One budget over a whole package: visual tokens and the structures of its components share it. Levels of every part are
 * measured alone, in time and in damage along the original's answers. The best combinations are built, measured and
 * corrected, and the one of least damage within the budget is written.
 */
import { rm } from 'node:fs/promises';
import type { PackageBudgetReport, PackageBudgetRequest } from '../../shared/model/package-budget.ts';
import { partsOf } from '../engine/generation/parts.ts';
import { scratchFolder } from '../storage/scratch.ts';
import { componentLevel } from './component-level.ts';
import type { StageContext } from './context.ts';
import { openWhole, type Whole } from './joint/build.ts';
import { finalUses } from './measure/final-use.ts';
import { measureLevels, type Levels } from './joint/levels.ts';
import { recordInputs, type Recorded } from './joint/record-inputs.ts';
import { Reference, type ReferenceOptions } from './joint/reference.ts';
import { budgetReport, type Decided } from './joint/report.ts';
import { splitForBudget } from './joint/split.ts';
import { chosenWay, measureWays, type MeasuredWay } from './joint/ways.ts';
import { Workshop } from './joint/workshop.ts';
import { metricOf } from './measure/use.ts';
import { stopwatch } from './stopwatch.ts';
import { openQuestions } from './tokens/judge-questions.ts';
import { refuseOut } from './tokens/write-package.ts';

/** Times that the result is changed when the deciding measurement does not confirm the budget. */
const REPEATS = 2;

/**
 * @throws 'workload-metric', 'workload-setting', 'out-unusable', 'tokens-method', 'run-*', 'question-row', and errors of
 * `openPackage`
 */
export async function compressPackage(
  request: PackageBudgetRequest,
  given: StageContext,
): Promise<PackageBudgetReport> {
  const { ctx, inner } = contexts(given);
  const clock = stopwatch();
  ctx.progress({ stage: 'load', message: 'reading the package', done: 0 });
  const file = request.questions ? await openQuestions(request.questions) : null;
  const whole = await openWhole(request.package, request.settings, ctx.executor);
  const metric = metricOf(whole.workload, request.metric);
  refuseOut(request.out, whole.pkg.root);
  const split = splitForBudget(request, file);
  const { provider, threads } = request.budget;
  const options: ReferenceOptions = { pkg: whole.pkg, executor: ctx.executor, provider, threads, tokens: whole.workload.settings['tokens']! }; // prettier-ignore
  const scratch = await scratchFolder();
  try {
    const reference = await Reference.read(
      options,
      split.choose,
      (done) =>
      ctx.progress({ stage: 'lessons', message: `answers of the original: ${done} of ${split.choose.length}`, done: done / split.choose.length }), // prettier-ignore
    );
    const recorded = await recordInputs(reference, options, ctx);
    const shop = new Workshop({
      whole,
      reference,
      scratch,
      ctx,
      search: (component, share) => {
        const data = recorded.get(component)!;
        return componentLevel({ request, component, file: whole.pkg.fileOf(component), workload: whole.workload, metric, recorded: data }, share, inner); // prettier-ignore
      },
    });
    const { ms, ratio } = request.budget;
    const goalOf = (originalMs: number): number => ms ?? ratio! * originalMs;
    const measuring = { metric, provider, threads };
    const levels = await measureLevels(
      shop,
      { ...measuring, tokens: request.tokens, components: prunable(whole, recorded, metric.weights), goalOf },
      (message, done) => ctx.progress({ stage: 'levels', message, done }),
    );
    const goal = goalOf(totalMs(levels)) / totalMs(levels);
    const decided = await decide(shop, levels, { ...measuring, goal, request }, ctx);
    return await budgetReport({ request, whole, levels, goal, split, file, options, decided, clock }, ctx);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A search within a stage of this job tells its messages as those of the stage. */
function contexts(given: StageContext): { readonly ctx: StageContext; readonly inner: StageContext } {
  let at = { stage: 'load', done: 0 };
  const ctx: StageContext = {
    ...given,
    progress: (p) => {
      at = { stage: p.stage, done: p.done };
      given.progress(p);
    },
  };
  return { ctx, inner: { ...given, progress: ({ message }) => given.progress({ ...at, message }), point: () => undefined } }; // prettier-ignore
}

const totalMs = ({ original }: Levels): number => Object.values(original).reduce((a, b) => a + b, 0);

/** Components whose structures may be pruned: they have recorded inputs and a part in the metric. */
function prunable(
  { pkg, workload }: Whole,
  recorded: ReadonlyMap<string, Recorded>,
  weights: Readonly<Record<string, number>>,
): string[] {
  const parts = partsOf(pkg.shape);
  // The two files of a decoder hold the same weights, which must stay equal.
  const pair = parts.kind !== 'dual' && parts.next ? parts.decoder.id : null;
  return [...recorded.keys()].filter(
    (id) => id !== pair && workload.phases.some((p) => p.component === id && weights[p.name]),
  );
}

/** The way that is written, with the measurement that decides; null where none comes near the budget. */
async function decide(
  shop: Workshop,
  levels: Levels,
  o: Parameters<typeof measureWays>[2] & { readonly request: PackageBudgetRequest },
  ctx: StageContext,
): Promise<Decided> {
  const { budget, recipe } = o.request;
  const { pkg, workload } = shop.whole;
  let ways = await measureWays(shop, levels, o, ctx);
  let best: { readonly way: MeasuredWay; readonly verdict: Awaited<ReturnType<typeof finalUses>> } | null = null;
  let goal = o.goal;
  for (let attempt = 0; attempt <= REPEATS; attempt++) {
    const way = chosenWay(ways, goal);
    if (!way) break;
    const verdict = await finalUses({ workload, fileOf: pkg.fileOf }, way.made.built.use, { metric: o.metric, budget, runs: recipe.latencyRuns }, ctx); // prettier-ignore
    const isBetter = !best || best.verdict.latency.verdict !== 'met';
    if (isBetter) best = { way, verdict };
    if (verdict.latency.verdict === 'met') break;
    ctx.log(`the deciding measurement says ${verdict.latency.verdict}: ${verdict.latency.low.toFixed(3)} to ${verdict.latency.high.toFixed(3)} of the budget`); // prettier-ignore
    // Aims lower by what the measurement was over, plus its width.
    goal *= Math.min(0.98, 0.98 / verdict.latency.high);
    ways = [...ways, ...(await measureWays(shop, levels, { ...o, goal }, ctx))];
  }
  return { ways, best };
}
