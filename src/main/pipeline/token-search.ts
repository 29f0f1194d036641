/**
 * Tokens beside channels, heads and blocks. Fewer tokens alone, other structures alone, and both together each get a plan
 * for the budget, and the one that changes the outputs least is made. Which tokens go is decided in the graph for every
 * sample, so a model with fewer tokens is another model, and each of the three is searched in its own.
 */
import type { CompressReport, TokensReport } from '../../shared/model/job.ts';
import type { TokenSchedule } from '../../shared/model/types.ts';
import { BAND } from '../engine/allocation/fit-budget.ts';
import { findTokenPlaces } from '../engine/structures/tokens/places.ts';
import { openModelFile } from '../storage/model-files.ts';
import type { StageContext } from './context.ts';
import { jobLeaf } from './leaves.ts';
import { missedByAll } from './missed-budget.ts';
import type { Job } from './open-job.ts';
import { measureOriginal, openSearch, type MeasuredOriginal } from './open-search.ts';
import { withPhases } from './measure/phases.ts';
import { lastSamples, type Calibration } from './prepare/calibration.ts';
import { reduceTokens, tokenSamples } from './reduce-tokens.ts';
import { openDistance } from './search/sensitivity.ts';
import { goalsFor, tokenSchedules, type TriedSchedule } from './search/token-schedules.ts';
import { searchPlan, type SearchOptions } from './search-plan.ts';

/** A job on one of the models, with its search. */
export interface OpenedSearch {
  readonly job: Job;
  readonly measured: MeasuredOriginal;
  readonly search: SearchOptions;
  /** The report, where even the largest cut misses the budget. */
  readonly missed: Omit<CompressReport, 'notes'> | null;
  /** Absent where the model has no tokens to reduce, or must not. */
  readonly tokens?: TokensReport;
}

type Way = TokensReport['tried'][number]['way'];

interface Variant {
  readonly way: Way;
  readonly tried: TriedSchedule | null;
}

/** Samples on which the results of the ways are compared. */
const SAMPLES = 256;

/**
 * Opens the search of the way that changes the outputs least, once each has a plan.
 * @param notes of the report, to which those of the way are added
 */
export async function openBestSearch(
  job: Job,
  measured: MeasuredOriginal,
  notes: string[],
  ctx: StageContext,
): Promise<OpenedSearch> {
  const compared = await variantsOf(job, measured, notes, ctx);
  if (!compared) {
    const search = await openSearch(job, measured, notes, ctx);
    return { job, measured, search, missed: await missedByAll(job, measured, search, ctx) };
  }
  const { variants, calibration } = compared;
  const { inputs, prepared } = job;
  const distance = await openDistance(ctx.executor, prepared, lastSamples(calibration, SAMPLES), inputs.threads.value);
  const found: {
    readonly variant: Variant;
    readonly opened: Omit<OpenedSearch, 'missed'>;
    readonly missed: OpenedSearch['missed'];
    readonly notes: string[];
    readonly change: number | null;
  }[] = [];
  for (const variant of variants) {
    ctx.log(`${variant.way}${variant.tried ? `, ${variant.tried.schedule.method}` : ''}`);
    const own: string[] = [];
    const opened = await openVariant(job, measured, { variant, share: 1 / variants.length, notes: own }, ctx);
    const missed = await missedByAll(opened.job, opened.measured, opened.search, ctx);
    const change = missed
      ? null
      : await distance(openModelFile((await searchPlan(opened.search, ctx)).compensated.value.path));
    ctx.log(change === null ? 'cannot meet the budget' : `change of the outputs ${change.toPrecision(3)}`);
    found.push({ variant, opened, missed, notes: own, change });
  }
  const reached = found.filter((f) => f.change !== null).sort((a, b) => a.change! - b.change!);
  const best = reached[0] ?? found.at(-1)!;
  notes.push(...best.notes.filter((n) => !notes.includes(n)));
  const { count, fixed } = findTokenPlaces(prepared.model, prepared.facts).places[0]!;
  const tokens: TokensReport = {
    before: count,
    left: best.variant.tried ? best.variant.tried.schedule.steps.at(-1)!.keep + fixed : count,
    schedule: best.variant.tried?.schedule ?? null,
    tried: found.map(({ variant: { way, tried }, change }) => ({
      way,
      schedule: tried?.schedule ?? null,
      tokensRatio: tried?.ratio ?? 1,
      change,
    })),
  };
  return { ...best.opened, missed: best.missed, tokens };
}

/** The ways to compare, and the samples; null where tokens stay whole. */
async function variantsOf(
  job: Job,
  { budgetRatio }: MeasuredOriginal,
  notes: string[],
  ctx: StageContext,
): Promise<{ readonly variants: Variant[]; readonly calibration: Calibration } | null> {
  const { request, inputs, prepared, beside, data } = job;
  const { tokens, channels, blocks } = request.recipe;
  if (tokens === 'none' || budgetRatio >= 1) return null;
  const { places, refused } = findTokenPlaces(prepared.model, prepared.facts);
  if (places.length === 0) {
    if (refused) notes.push(`The tokens stay whole: ${refused.operator}: ${refused.reason}.`);
    return null;
  }
  if (!data.dataset) {
    notes.push('The tokens stay whole: without data nothing tells which of them matter.');
    return null;
  }
  const search = jobLeaf(ctx.job, { compare: beside.compare, budgetRatio });
  const calibration = await tokenSamples(inputs, request.recipe, ctx);
  const given = { ...inputs, calibration, tokens: inputs.recipe.tokens, search };
  const { value: tried } = await tokenSchedules.run(given, ctx);
  const [, ...splits] = goalsFor(budgetRatio);
  const within = (ratio: number): TriedSchedule | null => leastCost(tried.filter((t) => t.ratio <= ratio));
  const alone = within(BAND[1] * budgetRatio);
  const others = channels || blocks;
  const joint = others ? new Set(splits.map(within)) : new Set<TriedSchedule | null>();
  const variants: Variant[] = [
    ...(others && tokens === 'auto' ? [{ way: 'other structures' as const, tried: null }] : []),
    ...[...joint].flatMap((t) =>
      t && t !== alone && t.cost < (alone?.cost ?? Infinity)
        ? [{ way: 'tokens and other structures' as const, tried: t }]
        : [],
    ),
    ...(alone ? [{ way: 'tokens' as const, tried: alone }] : []),
  ];
  if (variants.length === 0) {
    notes.push(`The tokens stay whole: fewer tokens by ${tokens} did not come near the budget.`);
    return null;
  }
  return { variants, calibration: calibration.value };
}

const leastCost = (list: readonly TriedSchedule[]): TriedSchedule | null =>
  list.reduce<TriedSchedule | null>((best, t) => (best && best.cost <= t.cost ? best : t), null);

/** Opens the search in one variant. @param o.share of the time limit of the allocation */
async function openVariant(
  job: Job,
  measured: MeasuredOriginal,
  o: { readonly variant: Variant; readonly share: number; readonly notes: string[] },
  ctx: StageContext,
): Promise<Omit<OpenedSearch, 'missed'>> {
  const recipe = { ...job.request.recipe, allocationSeconds: o.share * job.request.recipe.allocationSeconds };
  const request = { ...job.request, recipe };
  const { tried } = o.variant;
  if (!tried) {
    const same = { ...job, request };
    return { job: same, measured, search: await openSearch(same, measured, o.notes, ctx) };
  }
  const other = await withSchedule({ ...job, request }, tried.schedule, ctx);
  const again = await measureOriginal(other, o.notes, ctx);
  return { job: other, measured: again, search: await openSearch(other, again, o.notes, ctx) };
}

/** The job on the model with fewer tokens. The original stays what latency and quality are compared with. */
async function withSchedule(job: Job, schedule: TokenSchedule, ctx: StageContext): Promise<Job> {
  const { inputs, request } = job;
  const { prepared: whole } = inputs;
  const { recipe, budget } = request;
  const prepared = await reduceTokens(inputs, { schedule, recipe, batch: budget.batch }, ctx);
  const timed = await withPhases(prepared, request.phases);
  return {
    ...job,
    prepared: prepared.value,
    inputs: { ...inputs, prepared, timed },
    whole,
    tokens: schedule,
  };
}
