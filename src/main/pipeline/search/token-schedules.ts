/**
 * Compares ways to reduce the tokens of a model by what they change and by measured latency. Runs before the search over
 * channels, heads and blocks, which then starts from a model with fewer tokens.
 */
import type { TokenSchedule } from '../../../shared/model/types.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import { BAND } from '../../engine/allocation/fit-budget.ts';
import type { Model } from '../../engine/ir/model.ts';
import { thin } from '../../engine/latency/staircase.ts';
import { frontier, halfway, tokenCandidates, type TokenCandidate } from '../../engine/structures/tokens/candidates.ts';
import { cutTokens } from '../../engine/structures/tokens/cut.ts';
import { findTokenPlaces, type TokenPlaces } from '../../engine/structures/tokens/places.ts';
import { TOKEN_METHODS } from '../../engine/structures/tokens/registry.ts';
import type { StageContext } from '../context.ts';
import type { Compare } from '../measure/paired-benchmark.ts';
import { firstSamples, type Calibration } from '../prepare/calibration.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { input, jsonFile, stage } from '../stage.ts';
import { openDistance } from './sensitivity.ts';

/** A schedule, alone: without any other cut. */
export interface TriedSchedule {
  readonly schedule: TokenSchedule;
  /** Change of the outputs on samples, as heads define it. */
  readonly cost: number;
  /** Measured latency over the original's. */
  readonly ratio: number;
}

/** The instrument of a job. */
export interface TokenScope {
  readonly compare: Compare;
  readonly budgetRatio: number;
}

/** Measured of each list of candidates that no other one beats. */
const MOST = 8;
/** A session's place in memory makes fast models some percent faster or slower, so each is opened several times. */
const LOOK = { maxSeconds: 0.8, openings: 3 };
/** Schedules tried between two others to come nearer to the budget. */
const REFINEMENTS = 3;
/** Samples that rank schedules. */
const SAMPLES = 128;

export const tokenSchedules = stage({
  name: 'tokens',
  version: 3,
  inputs: {
    prepared: input<Prepared>(),
    calibration: input<Calibration>(),
    tokens: input<Recipe['tokens']>(),
    seed: input<number>(),
    threads: input<number>(),
    search: input<TokenScope>(),
  },
  run: async ({ prepared, calibration, tokens, seed, threads, search }, ctx: Tools): Promise<TriedSchedule[]> => {
    const found = findTokenPlaces(prepared.model, prepared.facts);
    const methods = TOKEN_METHODS.filter((m) => (tokens === 'auto' ? m.auto : m.name === tokens));
    const candidates = tokenCandidates(found, methods, seed);
    const distance = await openDistance(ctx.executor, prepared, firstSamples(calibration, SAMPLES), threads);
    const cut = (schedule: TokenSchedule): Model => cutTokens({ ...prepared, ...found }, schedule);
    const measure = async (schedule: TokenSchedule): Promise<number> =>
      (await search.compare(cut(schedule), LOOK)).ratio;
    const costed = await costsOf(candidates, (s) => distance(cut(s)), ctx);
    const tried: TriedSchedule[] = [];
    for (const [i, c] of thin(frontier(costed), MOST).entries()) {
      ctx.progress({
        stage: 'tokens',
        message: `measuring fewer tokens, ${c.schedule.method}`,
        done: 0.5 + i / (2 * MOST),
      });
      tried.push({ schedule: c.schedule, cost: c.cost, ratio: await measure(c.schedule) });
    }
    for (const goal of [search.budgetRatio, Math.sqrt(search.budgetRatio)])
      for (let i = 0; i < REFINEMENTS; i++) {
        const schedule = nextTo(BAND[1] * goal, tried, { candidates, found });
        if (!schedule) break;
        tried.push({ schedule, cost: await distance(cut(schedule)), ratio: await measure(schedule) });
      }
    return tried.sort((a, b) => a.ratio - b.ratio);
  },
  codec: jsonFile<TriedSchedule[]>('schedules.json'),
});

/** Half way between the best schedule within a time and the next one of its kind that keeps more, or all tokens. */
function nextTo(
  goal: number,
  tried: readonly TriedSchedule[],
  { candidates, found }: { readonly candidates: readonly TokenCandidate[]; readonly found: TokenPlaces },
): TokenSchedule | null {
  const within = tried.filter((t) => t.ratio <= goal);
  const best = within.length > 0 ? within.reduce((a, b) => (b.cost < a.cost ? b : a)) : null;
  if (!best || best.ratio >= (BAND[0] / BAND[1]) * goal) return null;
  const kept = (s: TokenSchedule): number => s.steps.reduce((sum, { keep }) => sum + keep, 0);
  const fits = new Set(within.map((t) => JSON.stringify(t.schedule)));
  const more = [...candidates, ...tried]
    .map((c) => c.schedule)
    .concat(allTokens(best.schedule, found))
    .filter((s) => kept(s) > kept(best.schedule) && !fits.has(JSON.stringify(s)))
    .sort((a, b) => kept(a) - kept(b));
  for (const s of more) {
    const middle = halfway(best.schedule, s);
    if (middle) return middle;
  }
  return null;
}

/** The schedule with every token kept. */
const allTokens = (s: TokenSchedule, { places }: TokenPlaces): TokenSchedule => ({
  ...s,
  steps: s.steps.map(({ place }) => {
    const { count, fixed } = places.find((p) => p.name === place)!;
    return { place, keep: count - fixed };
  }),
});

type Tools = Pick<StageContext, 'executor' | 'progress'>;

async function costsOf(
  candidates: readonly TokenCandidate[],
  costOf: (schedule: TokenSchedule) => Promise<number>,
  ctx: Tools,
): Promise<(TokenCandidate & { readonly cost: number })[]> {
  const out: (TokenCandidate & { readonly cost: number })[] = [];
  for (const [i, c] of candidates.entries()) {
    const message = `trying fewer tokens, ${c.schedule.method}`;
    ctx.progress({ stage: 'tokens', message, done: i / (2 * candidates.length) });
    out.push({ ...c, cost: await costOf(c.schedule) });
  }
  return out;
}
