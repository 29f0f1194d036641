/**
 * Tests the search for a plan that keeps the floor, with fixed figures: a plan's quality is a
 * function of its width, not a measurement.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../test/support/executor.ts';
import { keyed } from '../../../test/support/keyed.ts';
import { prepare } from '../../../test/support/prune.ts';
import { formulaLatency, residualChain } from '../../../test/support/residual-chain.ts';
import type { Quality } from '../../shared/model/job.ts';
import type { LatencyStats } from '../../shared/model/types.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import { modelCosts } from '../engine/ir/costs.ts';
import type { Model } from '../engine/ir/model.ts';
import { allocationMethod } from '../engine/allocation/methods/registry.ts';
import { planOf, predictMs, type State } from '../engine/allocation/state.ts';
import { applyPlan } from '../engine/structures/apply.ts';
import { collectFacts } from '../runtime/facts.ts';
import { randomFeeds } from '../runtime/random-inputs.ts';
import { ArtifactStore } from '../storage/artifacts.ts';
import { openModelFile } from '../storage/model-files.ts';
import type { StageContext } from './context.ts';
import { jobLeaf } from './leaves.ts';
import type { Prepared } from './prepare/prepare.ts';
import { searchFloorIfRuined, searchFloor } from './floor-search.ts';
import { openSpace } from '../engine/allocation/space.ts';

let home: string;
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'floor-'))));
afterEach(() => rm(home, { recursive: true, force: true }));

const BUDGET = 0.3;
const EVERY = Array.from({ length: 16 }, (_, i) => i + 1);

interface Setup {
  readonly counts?: readonly number[];
  readonly allocation?: 'uniform' | 'measured';
  /** Agreement of a model that keeps this share of the multiply-accumulates. */
  readonly agreement: (share: number) => number;
  readonly floor?: number;
}

async function search({ counts: offered = EVERY, allocation = 'uniform', agreement, floor = 0.8 }: Setup) {
  const p = await prepare(residualChain({ blocks: 2, width: 16 }));
  const { groups } = p.analysis;
  const counts = new Map(groups.map((g) => [g.id, offered] as const));
  const latency = formulaLatency(p.model, groups, counts, () => 1);
  const recipe = { ...PRESETS.fast, allocation, compensation: 'none', blocks: false } as const;
  const { space, start } = openSpace(p.structures, new Map(), counts, latency, recipe);
  const baselineMs = predictMs(space, start);
  const full = modelCosts(p.model, p.facts).macs;
  const macsOf = async (m: Model): Promise<number> => modelCosts(m, await collectFacts(m, plainExecutor)).macs / full;
  const compared: number[] = [];
  let closed = 0;
  const judged: { readonly share: number; readonly kept: boolean }[] = [];
  const store = new ArtifactStore(home);
  const ctx = {
    job: 'job',
    executor: plainExecutor,
    artifact: store.get.bind(store),
    memo: () => ({ get: () => undefined, put: () => undefined }),
    progress: () => undefined,
    log: () => undefined,
  } as unknown as StageContext;
  const costs = { cost: () => Promise.reject(new Error('scores alone decide')), free: false };
  const uniform = allocationMethod('uniform').open({ space, start, scores: new Map(), costs });
  const chosen = await uniform.reach(BUDGET * baselineMs);
  const batches = [randomFeeds(p.model, { batch: 4 }, 1)];
  const kept = await searchFloor(
    {
      prepared: keyed({ ...p, rewritten: 0, notes: [] } as unknown as Prepared),
      calibration: keyed({ input: 'x', size: 4, batches, labels: [null], real: false }),
      scored: keyed({ scores: new Map(), notes: [] }),
      allocation: keyed(recipe.allocation),
      compensation: keyed(recipe.compensation),
      ranking: keyed(4),
      refit: keyed(0),
      rounds: keyed(1),
      probes: keyed(1),
      threads: keyed(1),
      search: jobLeaf('job', {
        space,
        start,
        cut: (s: State) => applyPlan(p, planOf(space, s, {})),
        baselineMs,
        budgetRatio: BUDGET,
        costSeconds: 60,
        bias: { known: 1, keep: () => undefined },
        compare: async (m: Model) => {
          compared.push(await macsOf(m));
          return {
            ratio: compared.at(-1)!,
            pruned: { p50Ms: 7 } as LatencyStats,
            original: { p50Ms: 10 } as LatencyStats,
          };
        },
      }),
      beside: { close: () => Promise.resolve(void closed++) },
      planOf: (s: State) => planOf(space, s, {}),
      mark: () => undefined,
      chosen: { state: chosen, predictedMs: predictMs(space, chosen), ratio: BUDGET },
      evaluate: async (path): Promise<Quality> => {
        const share = await macsOf(openModelFile(path));
        const quality = { samples: 100, snrDb: null, agreement: agreement(share) };
        judged.push({ share, kept: quality.agreement >= floor });
        return quality;
      },
      keeps: (q) => q.agreement! >= floor,
      seconds: Infinity,
    },
    ctx,
  );
  return { kept, judged, compared, closed };
}

/** Smallest share among the judged models that keep the floor. */
const fastest = (judged: readonly { readonly share: number; readonly kept: boolean }[]): number =>
  Math.min(...judged.filter((j) => j.kept).map((j) => j.share));

describe('the search under the floor', () => {
  it('closes in on the fastest plan that keeps it, and measures that one only', async () => {
    const { kept, judged, compared, closed } = await search({ agreement: (share) => share });
    expect(judged.length).toBeGreaterThan(2);
    expect(judged.length).toBeLessThanOrEqual(4);
    expect(judged.some((j) => !j.kept)).toBe(true);
    expect(kept!.quality.agreement).toBe(fastest(judged));
    expect(compared).toEqual([fastest(judged)]);
    expect(kept).toMatchObject({ ratio: fastest(judged), ms: 7 });
    // Four halvings of the interval between budget and original leave a sixteenth of it.
    expect(fastest(judged)).toBeLessThan(0.8 + 0.1);
    expect(closed).toBeGreaterThan(0);
  });

  it('goes on to narrower plans while those keep it', async () => {
    const { kept, judged } = await search({ agreement: (share) => (share > 0.45 ? 1 : 0.2) });
    expect(judged[0]!.kept).toBe(true);
    expect(kept!.ratio).toBe(fastest(judged));
    expect(kept!.ratio).toBeLessThan(judged[0]!.share);
  });

  it('says when none of the plans keeps it, and measures nothing', async () => {
    const { kept, judged, compared } = await search({ agreement: () => 0.1 });
    expect(kept).toBeNull();
    expect(judged.length).toBeGreaterThan(1);
    expect(compared).toEqual([]);
  });

  it('looks on where a goal leads to a plan that was judged before', async () => {
    // With only three widths, goals near the budget lead to the plan that already failed.
    const { kept, judged } = await search({ counts: [4, 15, 16], agreement: (share) => share });
    expect(judged.length).toBeGreaterThan(0);
    expect(kept!.ratio).toBeGreaterThan(0.8);
    expect(kept!.ratio).toBeLessThan(1);
  });

  it('takes the allocation that the job takes', async () => {
    const { kept, judged } = await search({ allocation: 'measured', agreement: (share) => share });
    expect(kept!.ratio).toBe(fastest(judged));
  });
});

describe('when it is made', () => {
  const quality = (agreement: number): Quality => ({
    samples: 200,
    snrDb: 10,
    agreement,
    outputs: [{ name: 'y', reading: 'classes', samples: 200, agreement, chance: 0.25 }],
  });
  const never = {} as never;
  it('is only where quality is what is wrong, and where there are data', async () => {
    const clock = { seconds: () => ({}), mark: () => undefined };
    const parts = { request: { floor: undefined }, clock, source: never, prepared: never, meanings: new Map() };
    const job = { ...parts, data: { dataset: null, quality: [] } };
    const looked = (result: number) =>
      searchFloorIfRuined(job, never, { original: quality(1), result: quality(result) }, never);
    await expect(looked(0.95)).resolves.toBeUndefined();
    await expect(looked(0.2)).resolves.toBeUndefined();
  });
});
