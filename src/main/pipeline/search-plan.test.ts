import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../test/support/executor.ts';
import { keyed, memos } from '../../../test/support/keyed.ts';
import { prepare } from '../../../test/support/prune.ts';
import { formulaLatency, residualChain } from '../../../test/support/residual-chain.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import { modelCosts } from '../engine/ir/costs.ts';
import type { Model } from '../engine/ir/model.ts';
import { planOf, predictMs, type State } from '../engine/allocation/state.ts';
import { applyPlan } from '../engine/pruning/surgery.ts';
import { collectFacts } from '../runtime/facts.ts';
import { randomFeeds } from '../runtime/random-inputs.ts';
import { ArtifactStore } from '../storage/artifacts.ts';
import { openModelFile } from '../storage/model-files.ts';
import type { Calibration } from './prepare/calibration.ts';
import type { StageContext } from './context.ts';
import { jobLeaf } from './leaves.ts';
import type { Prepared } from './prepare/prepare.ts';
import type { FoundPlan } from './search-plan.ts';
import { nearestPlan, planCount, choosePlan, type ChooseOptions } from './choose-plan.ts';
import { isWithin, type Candidate } from '../engine/allocation/fit-budget.ts';
import { AT_LENGTH, type Pair } from './measure/paired-benchmark.ts';
import { openSpace } from '../engine/allocation/space.ts';

const COUNTS = Array.from({ length: 16 }, (_, i) => i + 1);
const BUDGET = 0.7;
const BUILT = 'compensated';
interface Look {
  readonly ratio: number;
  readonly openings: number;
}
let home: string;
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'settle-'))));
afterEach(() => rm(home, { recursive: true, force: true }));

/**
 * A machine whose time is the model's multiply-accumulates and which is `moods[i]` times as slow while the i-th plan is
 * built, its second look (a model that comes out of a file) included, and `atLength` times as slow for those who look at length.
 */
async function run(
  moods: readonly number[],
  job = 'job',
  msPerUnit = 1,
  offered = COUNTS,
  plans = 1,
  missed: readonly Candidate[] = [],
  final = 0,
  atLength = 1,
) {
  const p = await prepare(residualChain({ blocks: 4, width: 16 }));
  const groups = p.analysis.groups;
  const counts = new Map(groups.map((g) => [g.id, offered] as const));
  const latency = formulaLatency(p.model, groups, counts, (n) => (n.name === 'stem' ? 1 : 3) * msPerUnit);
  const recipe = { ...PRESETS.fast, calibrationSamples: 16 * plans, plans };
  const { space, start } = openSpace(groups, p.blocks, new Map(), counts, latency, recipe);
  const cut = (s: State) => applyPlan(p.model, p.facts, p.analysis, planOf(space, s, ''), p.blocks);
  const full = modelCosts(p.model, p.facts).macs;
  // One sample alone ranks otherwise than another.
  const size = plans > 1 ? 1 : 16;
  const samples = (count: number, seed: number): Calibration => {
    const batches = Array.from({ length: count }, (_, i) => randomFeeds(p.model, { batch: size }, seed + i));
    return { input: 'x', size, batches, labels: batches.map(() => null), real: true };
  };
  const looks: Look[] = [];
  const logs: string[] = [];
  const store = new ArtifactStore(home);
  let round = 0;
  const compare = async (m: Model, o: { openings?: number } = {}): Promise<Pair> => {
    const { macs } = modelCosts(m, await collectFacts(m, plainExecutor));
    const second = logs.at(-1) === BUILT;
    const mood =
      o.openings === AT_LENGTH.openings ? atLength : second ? moods[Math.min(round++, moods.length - 1)]! : 1;
    const ratio = (macs / full) * mood;
    looks.push({ ratio, openings: o.openings ?? 1 });
    return { ratio } as Pair;
  };
  const ctx = {
    job,
    executor: plainExecutor,
    artifact: store.get.bind(store),
    ...memos(),
    progress: () => undefined,
    point: () => undefined,
    log: (line: string) => void logs.push(line),
  } as unknown as StageContext;
  const r = await choosePlan(
    {
      plans,
      prepared: keyed({ ...p, rewritten: 0 } as unknown as Prepared),
      calibration: keyed(samples(plans, 1)),
      judge: plans > 1 ? samples(2, 100) : null,
      final: final > 0 ? keyed(() => Promise.resolve(samples(final, 1)), { final }) : null,
      scored: keyed({ scores: new Map(), notes: [] }),
      allocation: keyed(recipe.allocation),
      compensation: keyed(recipe.compensation),
      ranking: keyed(size),
      landing: keyed(16),
      rounds: keyed(1),
      probes: keyed(4),
      threads: keyed(1),
      search: jobLeaf(job, {
        space,
        start,
        cut,
        compare,
        baselineMs: predictMs(space, start),
        budgetRatio: BUDGET,
        bias: { known: 1, keep: () => undefined },
      }),
      beside: { close: () => Promise.resolve() },
      planOf: (s) => planOf(space, s, ''),
      mark: (part) => void (part === 'compensate' && logs.push(BUILT)),
      missed,
    },
    ctx,
  );
  return { ...r, looks, logs };
}

const share = (ratios: readonly number[]): number => ratios.reduce((a, b) => a + b, 0) / ratios.length / BUDGET;
const believed = (looks: readonly Look[]): number[] => looks.filter((l) => l.openings > 1).map((l) => l.ratio);

describe('a plan that is settled', () => {
  it('was measured when it was chosen and as what was built on it', async () => {
    const { looks, plan, compensated } = await run([1]);
    const [chosen, built, ...more] = believed(looks);
    expect(more).toEqual([]);
    // Compensation changes no shape.
    expect(built).toBe(chosen);
    expect(share([chosen!])).toBeGreaterThan(0.94);
    expect(share([chosen!])).toBeLessThanOrEqual(1);
    expect(plan.groups.length + plan.blocks.length).toBeGreaterThan(0);
    expect(existsSync(compensated.value.path)).toBe(true);
  });

  it('is given up for a faster one when the second look is slower', async () => {
    const calm = await run([1]);
    const { looks, logs } = await run([1.1, 1], 'other');
    const [chosen, built, next, last] = believed(looks);
    expect(chosen).toBe(believed(calm.looks)[0]);
    expect(share([chosen!, built!])).toBeGreaterThan(1);
    expect(next).toBeLessThan(chosen!);
    expect(share([next!, last!])).toBeLessThanOrEqual(1);
    expect(logs.filter((l) => l === BUILT)).toHaveLength(2);
  });

  it('stays when no better one was found and the second look says the same', async () => {
    const { looks, logs } = await run([1], 'coarse', 1, [4, 16]);
    expect(share([believed(looks).at(-1)!])).toBeLessThan(0.95);
    expect(logs.filter((l) => l === BUILT)).toHaveLength(1);
  });

  it('is given up for a slower one when the second look is faster', async () => {
    const { looks } = await run([0.85, 1]);
    const [chosen, built, next] = believed(looks);
    expect(share([chosen!, built!])).toBeLessThan(0.95);
    // What it was thought to measure now is less than may be used.
    expect(next).toBeGreaterThan((chosen! + built!) / 2);
  });

  it('is a faster one where the last measurement has found it too slow', async () => {
    const first = await run([1]);
    const { looks, chosen } = await run([1], 'missed', 1, COUNTS, 1, [{ ...first.chosen, ratio: 1.01 * BUDGET }]);
    expect(chosen.predictedMs).toBeLessThan(first.chosen.predictedMs);
    expect(believed(looks)).toHaveLength(2);
  });

  it('is taken for good after two returns', async () => {
    const { logs, looks, plan } = await run([1.3]);
    expect(logs.filter((l) => l === BUILT)).toHaveLength(3);
    expect(believed(looks)).toHaveLength(5);
    expect(plan.groups.length + plan.blocks.length).toBeGreaterThan(0);
  });

  it('is the same one when the job is taken up again, without another look', async () => {
    const first = await run([1.1, 1]);
    const second = await run([1.3]);
    expect(second.plan).toEqual(first.plan);
    expect(second.looks).toEqual([]);
    const other = await run([1], 'another job');
    expect(other.looks.length).toBeGreaterThan(0);
  });

  it('is looked at once where the model is slow', async () => {
    const { looks, logs } = await run([1.3], 'slow', 4);
    expect(logs.filter((l) => l === BUILT)).toHaveLength(1);
    expect(believed(looks)).toHaveLength(0);
  });

  it('is the nearest to the original of several, each made from samples of its own', async () => {
    const { logs, plan, looks } = await run([1], 'several', 1, COUNTS, 3);
    const tried = logs.flatMap((l) => {
      const found = /^plan (\d) of 3: .* distance (.*)$/.exec(l);
      return found ? [{ plan: Number(found[1]), distance: Number(found[2]) }] : [];
    });
    // Random weights and samples: rankings differ.
    expect(tried.length).toBeGreaterThan(1);
    expect(new Set(tried.map((t) => t.distance)).size).toBe(tried.length);
    expect(looks.length).toBeGreaterThan(tried.length);
    const best = tried.reduce((a, b) => (b.distance < a.distance ? b : a));
    const alone = await run([1], 'several', 1, COUNTS, 1);
    if (best.plan === 1) expect(plan).toEqual(alone.plan);
    else expect(plan).not.toEqual(alone.plan);
    const again = await run([1.3], 'several', 1, COUNTS, 3);
    expect(again.plan).toEqual(plan);
    expect(again.looks).toEqual([]);
  });
});

describe('the best of several plans, looked at for longer', () => {
  const long = (looks: readonly Look[]): number[] =>
    looks.filter((l) => l.openings === AT_LENGTH.openings).map((l) => l.ratio / BUDGET);
  const width = (r: { readonly chosen: Candidate }): number => r.chosen.predictedMs;

  it('stays where it uses what it may', async () => {
    const r = await run([1], 'as-found', 1, COUNTS, 3);
    expect(long(r.looks)).toHaveLength(1);
    expect(r.ratio).toBeCloseTo(long(r.looks)[0]! * BUDGET, 9);
    expect(r.ratio / BUDGET).toBeGreaterThan(0.94);
  });

  it('is widened where the time turns out to be less, and no further than the budget', async () => {
    const [as, faster] = [await run([1], 'as', 1, COUNTS, 3), await run([1], 'faster', 1, COUNTS, 3, [], 0, 0.9)];
    expect(width(faster)).toBeGreaterThan(1.03 * width(as));
    const shares = long(faster.looks);
    expect(shares.length).toBeGreaterThan(1);
    expect(faster.ratio / BUDGET).toBeGreaterThan(shares[0]! + 0.03);
    expect(faster.ratio / BUDGET).toBeLessThan(0.969);
    // What was built is what was looked at, and the same when the job is taken up again.
    const again = await run([1.3], 'faster', 1, COUNTS, 3, [], 0, 1.3);
    expect(again.plan).toEqual(faster.plan);
    expect(again.looks).toEqual([]);
  });

  it('gives way to a faster one where the time turns out to be more than there is', async () => {
    const r = await run([1], 'slower', 1, COUNTS, 3, [], 0, 1.06);
    const as = await run([1], 'as-slow', 1, COUNTS, 3);
    expect(isWithin(long(r.looks)[0]!)).toBe(false);
    expect(isWithin(long(r.looks).at(-1)!)).toBe(true);
    expect(width(r)).toBeLessThan(width(as));
    // Its own narrower version: a look at length would find the next nearest too slow by as much.
    const distances = r.logs.flatMap((l) => / distance (.*)$/.exec(l)?.[1] ?? []).map(Number);
    expect(r.logs.filter((l) => l.startsWith('a narrower plan'))).toHaveLength(1);
    const [nearest, second] = distances.slice(0, -1).sort((a, b) => a - b);
    expect(distances.at(-1)).toBeGreaterThan(nearest!);
    expect(distances.at(-1)).toBeGreaterThan(second!);
    const far = await run([1], 'far slower', 1, COUNTS, 3, [], 0, 1.09);
    expect(long(far.looks)[0]).toBeGreaterThan(1);
    expect(width(far)).toBeLessThan(width(as));
    const again = await run([1.3], 'slower', 1, COUNTS, 3, [], 0, 1.3);
    expect(again.plan).toEqual(r.plan);
  });
});

it('compensates the plan that was chosen with more samples, where there are any', async () => {
  const [few, many] = [await run([1], 'job', 1, COUNTS, 1, []), await run([1], 'job', 1, COUNTS, 1, [], 4)];
  expect(many.plan).toEqual(few.plan);
  expect(many.compensated.key).not.toBe(few.compensated.key);
  const [a, b] = [few, many].map((r) => openModelFile(r.compensated.value.path));
  const shapes = (m: Model) => [...m.graph.initializers].map((v) => v.initializer!.dims);
  expect(shapes(b!)).toEqual(shapes(a!));
  expect(readFileSync(many.compensated.value.path).equals(readFileSync(few.compensated.value.path))).toBe(false);
  // Nothing is measured for it: the shapes are the same, and the rest was made before.
  expect(many.looks).toEqual([]);
});

describe('one of several plans', () => {
  const made = (ratio: number, distance: number) => ({
    settled: { ratio, planHash: `${ratio}` } as FoundPlan,
    distance,
    variant: 0,
  });
  it('is within the budget where one is, and the fastest where none is', () => {
    expect(nearestPlan([made(0.49, 3), made(0.48, 2), made(0.52, 1)], 0.5).settled.ratio).toBe(0.48);
    expect(nearestPlan([made(0.53, 1), made(0.51, 2)], 0.5).settled.ratio).toBe(0.51);
  });

  it('needs samples that differ and samples to judge by', () => {
    const batches = Array.from({ length: 6 }, () => ({}));
    const calibration = { input: 'x', size: 16, batches, labels: batches.map(() => null), real: true };
    const o = {
      plans: 4,
      allocation: keyed(PRESETS.best.allocation),
      prepared: keyed({ model: residualChain(), facts: new Map() }),
      calibration: keyed(calibration),
      ranking: keyed(32),
      judge: calibration,
    } as unknown as ChooseOptions;
    expect(planCount(o)).toBe(3);
    expect(planCount({ ...o, ranking: keyed(16) })).toBe(4);
    expect(planCount({ ...o, judge: null })).toBe(1);
    expect(planCount({ ...o, calibration: keyed({ ...calibration, real: false }) })).toBe(1);
    expect(planCount({ ...o, allocation: keyed('uniform') })).toBe(1);
    expect(planCount({ ...o, allocation: keyed('fisher') })).toBe(1);
  });
});
