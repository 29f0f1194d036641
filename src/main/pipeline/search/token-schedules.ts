/**
 * Compares ways to reduce the tokens of a model by what they change and by measured latency. Runs before the search over
 * channels, heads and blocks, which then starts from a model with fewer tokens.
 */
import type { TokenSchedule } from '../../../shared/model/types.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import { BAND } from '../../engine/allocation/fit-budget.ts';
import type { Model } from '../../engine/ir/model.ts';
import { thin } from '../../engine/latency/staircase.ts';
import { frontier, tokenCandidates, type TokenCandidate } from '../../engine/structures/tokens/candidates.ts';
import { aimAt } from '../../engine/structures/tokens/aim.ts';
import { cutTokens } from '../../engine/structures/tokens/cut.ts';
import { findTokenPlaces } from '../../engine/structures/tokens/places.ts';
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
/** Schedules measured at each goal, after the list. */
const AIMS = 4;
/** Share of a goal that is aimed at: the middle of what counts as met. */
const AIM = (BAND[0] + BAND[1]) / 2;
/** Samples that rank schedules. */
const SAMPLES = 128;

export const tokenSchedules = stage({
  name: 'tokens',
  version: 5,
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
    for (const goal of goalsFor(search.budgetRatio))
      for (let i = 0; i < AIMS; i++) {
        const schedule = aimAt(AIM * goal, [...costed, ...tried], found);
        if (!schedule) break;
        tried.push({ schedule, cost: await distance(cut(schedule)), ratio: await measure(schedule) });
      }
    return tried.sort((a, b) => a.ratio - b.ratio);
  },
  codec: jsonFile<TriedSchedule[]>('schedules.json'),
});

/**
 * Latencies over the original's that fewer tokens are searched for: the budget, and two splits of it with other
 * structures, half each and three quarters by tokens, in factors.
 */
export const goalsFor = (budgetRatio: number): readonly [alone: number, ...joint: number[]] => [
  budgetRatio,
  budgetRatio ** 0.5,
  budgetRatio ** 0.75,
];

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
