import { existsSync, mkdtempSync } from 'node:fs';
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
import { applyPlan } from '../engine/structures/apply.ts';
import { collectFacts } from '../runtime/facts.ts';
import { randomFeeds } from '../runtime/random-inputs.ts';
import { ArtifactStore } from '../storage/artifacts.ts';
import type { Calibration } from './prepare/calibration.ts';
import type { StageContext } from './context.ts';
import { jobLeaf } from './leaves.ts';
import type { Prepared } from './prepare/prepare.ts';
import { searchPlan } from './search-plan.ts';
import type { Candidate } from '../engine/allocation/fit-budget.ts';
import type { Pair } from './measure/paired-benchmark.ts';
import { openSpace } from '../engine/allocation/space.ts';

const COUNTS = Array.from({ length: 16 }, (_, i) => i + 1);
const BUDGET = 0.7;
interface Look {
  readonly ratio: number;
  readonly openings: number;
}
let home: string;
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'search-'))));
afterEach(() => rm(home, { recursive: true, force: true }));

/**
 * Simulates a machine whose time is the model's multiply-accumulates, times `slower` in longer
 * measurements.
 */
async function run(
  job = 'job',
  slower = 1,
  { msPerUnit = 1, offered = COUNTS, missed = [] as readonly Candidate[] } = {},
) {
  const p = await prepare(residualChain({ blocks: 4, width: 16 }));
  const groups = p.analysis.groups;
  const counts = new Map(groups.map((g) => [g.id, offered] as const));
  const latency = formulaLatency(p.model, groups, counts, (n) => (n.name === 'stem' ? 1 : 3) * msPerUnit);
  const recipe = { ...PRESETS.fast, calibrationSamples: 16 };
  const { space, start } = openSpace(p.structures, new Map(), counts, latency, recipe);
  const cut = (s: State) => applyPlan(p, planOf(space, s, {}));
  const full = modelCosts(p.model, p.facts).macs;
  const batches = [randomFeeds(p.model, { batch: 16 }, 1)];
  const calibration: Calibration = { input: 'x', size: 16, batches, labels: [null], real: true };
  const looks: Look[] = [];
  const store = new ArtifactStore(home);
  const compare = async (m: Model, o: { openings?: number } = {}): Promise<Pair> => {
    const { macs } = modelCosts(m, await collectFacts(m, plainExecutor));
    const openings = o.openings ?? 1;
    const ratio = (macs / full) * (openings > 3 ? slower : 1);
    looks.push({ ratio, openings });
    return { ratio } as Pair;
  };
  const ctx = {
    job,
    executor: plainExecutor,
    artifact: store.get.bind(store),
    ...memos(),
    progress: () => undefined,
    point: () => undefined,
    log: () => undefined,
  } as unknown as StageContext;
  const marks: string[] = [];
  const r = await searchPlan(
    {
      prepared: keyed({ ...p, rewritten: 0 } as unknown as Prepared),
      calibration: keyed(calibration),
      scored: keyed({ scores: new Map(), notes: [] }),
      allocation: keyed(recipe.allocation),
      compensation: keyed(recipe.compensation),
      ranking: keyed(16),
      refit: keyed(16),
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
        costSeconds: 60,
        bias: { known: 1, keep: () => undefined },
      }),
      beside: { close: () => Promise.resolve() },
      planOf: (s) => planOf(space, s, {}),
      mark: (part) => void marks.push(part),
      missed,
    },
    ctx,
  );
  return { ...r, looks, marks };
}

const longer = (looks: readonly Look[]): number[] => looks.filter((l) => l.openings > 3).map((l) => l.ratio / BUDGET);

describe('the plan of a search', () => {
  it('was measured for longer before it was compensated, and lies under the budget', async () => {
    const { looks, plan, chosen, compensated, marks } = await run();
    const [share, ...more] = longer(looks);
    expect(more).toEqual([]);
    expect(share).toBeGreaterThan(0.92);
    expect(share).toBeLessThanOrEqual(0.99);
    expect(chosen.ratio / BUDGET).toBeCloseTo(share!, 9);
    expect(chosen.limited).toBe(false);
    expect(plan.choices.length).toBeGreaterThan(0);
    expect(existsSync(compensated.value.path)).toBe(true);
    expect(marks).toEqual(['allocate', 'compensate']);
  });

  it('is a faster one where the longer measurement is slower, and a slower one where it is faster', async () => {
    const [as, slower, faster] = [await run(), await run('slower', 1.1), await run('faster', 0.88)];
    expect(slower.chosen.predictedMs).toBeLessThan(as.chosen.predictedMs);
    expect(faster.chosen.predictedMs).toBeGreaterThan(as.chosen.predictedMs);
    for (const { chosen } of [slower, faster]) expect(chosen.ratio / BUDGET).toBeLessThanOrEqual(0.99);
  });

  it('is a faster one where the last measurement has found it too slow', async () => {
    const first = await run();
    const missed = [{ ...first.chosen, ratio: 1.02 * BUDGET }];
    const { chosen } = await run('missed', 1, { missed });
    expect(chosen.predictedMs).toBeLessThan(first.chosen.predictedMs);
  });

  it('is the same one when the job is taken up again, and nothing is measured for it', async () => {
    const first = await run('job', 1.1);
    const second = await run('job', 1.3);
    expect(second.plan).toEqual(first.plan);
    expect(second.looks).toEqual([]);
    expect((await run('another job')).looks.length).toBeGreaterThan(0);
  });

  it('is measured once where the model is slow', async () => {
    const { looks } = await run('slow', 1.3, { msPerUnit: 4 });
    expect(longer(looks)).toHaveLength(0);
  });
});
