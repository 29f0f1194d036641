import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { keyed, memos } from '../../../../test/support/keyed.ts';
import { prepare, type Prepared } from '../../../../test/support/prune.ts';
import { formulaLatency, residualChain } from '../../../../test/support/residual-chain.ts';
import { PRESETS } from '../../../shared/model/recipes.ts';
import type { Executor, HostTensor } from '../../engine/executor.ts';
import { planOf, WHOLE, type State } from '../../engine/allocation/state.ts';
import { applyPlan } from '../../engine/structures/apply.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';
import type { Prepared as WholePrepared } from '../prepare/prepare.ts';
import type { StageContext } from '../context.ts';
import { openCost, type PlanCost } from './plan-cost.ts';
import { openSpace } from '../../engine/allocation/space.ts';

async function open(p: Prepared, batches: Record<string, HostTensor>[], { memo } = memos(), costSeconds = Infinity) {
  const groups = p.analysis.groups;
  const counts = new Map(groups.map((g) => [g.id, [Math.ceil(g.units / 2), g.units]] as const));
  const latency = formulaLatency(p.model, groups, counts, () => 1);
  const recipe = { ...PRESETS.fast, allocation: 'measured' as const };
  const { space, start } = openSpace(p.structures, new Map(), counts, latency, recipe);
  let opened = 0;
  const told: number[] = [];
  let ms = 0;
  const executor: Executor = {
    ...plainExecutor,
    open: (...given) => {
      opened++;
      // Each model run takes a second.
      ms += 1000;
      return plainExecutor.open(...given);
    },
  };
  const ctx = {
    executor,
    memo,
    log: () => undefined,
    progress: () => undefined,
  } as unknown as StageContext;
  const size = Object.values(batches[0]!)[0]!.dims[0]!;
  const costs = await openCost(
    {
      prepared: keyed({ ...p, rewritten: 0, notes: [] } as unknown as WholePrepared),
      calibration: keyed({ input: 'x', size, batches, labels: batches.map(() => null), real: true }),
      scored: keyed({ scores: new Map(), notes: [] }),
      allocation: keyed(recipe.allocation),
      compensation: keyed(recipe.compensation),
      ranking: keyed(size),
      refit: keyed(512),
      probes: keyed(4),
      threads: keyed(1),
    },
    {
      space,
      start,
      cut: (s: State) => applyPlan(p, planOf(space, s, {})),
      onTried: (count: number) => told.push(count),
      costSeconds,
      now: () => ms,
    },
    ctx,
  );
  return { costs, opened: () => opened, told };
}

const chain = async () => {
  const p = await prepare(residualChain({ blocks: 3, width: 8 }));
  return { p, batches: Array.from({ length: 16 }, (_, i) => randomFeeds(p.model, { batch: 32 }, i)) };
};
const plan: State = new Map([['a0', 5], ['stem', 7], ['block b1', 0]]); // prettier-ignore
const further: State = new Map([...plan, ['a2', 4]]);

const judged = async (costs: PlanCost): Promise<number[]> => [await costs.cost(plan), await costs.cost(further)];

describe('what plans cost', () => {
  it('is nothing for the whole model, and more for what goes further', async () => {
    const { p, batches } = await chain();
    const { costs } = await open(p, batches);
    expect(await costs.cost(WHOLE)).toBeLessThan(1e-6);
    const [cost, more] = await judged(costs);
    expect(cost).toBeGreaterThan(0);
    expect(more).toBeGreaterThan(cost!);
    expect(costs.known(plan)).toBe(cost);
    expect(costs.known(new Map([['a1', 2]]))).toBeNull();
    await costs.close();
  });

  it('is known the next time without running anything', async () => {
    const { p, batches } = await chain();
    const kept = memos();
    const first = await open(p, batches, kept);
    const figures = await judged(first.costs);
    await first.costs.close();
    expect(first.opened()).toBeGreaterThan(0);
    const second = await open(p, batches, kept);
    expect(await judged(second.costs)).toEqual(figures);
    expect(second.opened()).toBe(0);
    expect(second.costs.evaluations()).toBe(2);
    // Each plan is reported, so that users see progress.
    expect(second.told).toEqual([1, 2]);
  });

  it('has a time limit that costs which are known do not count for', async () => {
    const { p, batches } = await chain();
    const kept = memos();
    const first = await open(p, batches, kept, 3);
    expect(first.costs.expired()).toBe(false);
    await judged(first.costs);
    expect(first.opened()).toBeGreaterThan(3);
    expect(first.costs.expired()).toBe(true);
    await first.costs.close();
    const second = await open(p, batches, kept, 3);
    await judged(second.costs);
    expect(second.costs.expired()).toBe(false);
  });
});
