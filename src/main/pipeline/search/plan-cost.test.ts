import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { keyed, memos } from '../../../../test/support/keyed.ts';
import { feedsFor, prepare, type Prepared } from '../../../../test/support/prune.ts';
import { formulaLatency, residualChain } from '../../../../test/support/residual-chain.ts';
import { TOPOLOGIES } from '../../../../test/support/topologies.ts';
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
  const logged: string[] = [];
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
    log: (line: string) => logged.push(line),
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
  return { costs, opened: () => opened, told, logged };
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

  it('is less on a reference that was compensated at the plan, and known there the next time', async () => {
    const { p, batches } = await chain();
    const kept = memos();
    const figures = async (costs: PlanCost): Promise<number[]> => {
      const alone = await costs.cost(plan);
      const reference = (await costs.rebase!(plan))!;
      expect(reference.from).toBe(plan);
      return [alone, await reference.cost(plan), await reference.cost(further)];
    };
    const first = await open(p, batches, kept);
    const [alone, compensated, more] = await figures(first.costs);
    expect(compensated).toBeGreaterThan(0);
    expect(compensated).toBeLessThan(alone!);
    expect(more).toBeGreaterThan(compensated!);
    expect(first.costs.known(plan)).toBe(compensated);
    await first.costs.close();
    const second = await open(p, batches, kept);
    expect(await figures(second.costs)).toEqual([alone, compensated, more]);
    expect(second.opened()).toBe(0);
  });

  it('changes the reference only where another stretch fits in the time limit', async () => {
    const { p, batches } = await chain();
    const generous = await open(p, batches, memos(), 1000);
    await judged(generous.costs);
    expect(await generous.costs.rebase!(plan)).not.toBeNull();
    await generous.costs.close();
    const short = await open(p, batches, memos(), 5);
    await judged(short.costs);
    expect(short.costs.expired()).toBe(false);
    const before = short.opened();
    expect(await short.costs.rebase!(plan)).toBeNull();
    expect(short.opened()).toBe(before);
    await short.costs.close();
  });

  it('is taken from the original where the shape cannot be restored, which is said once', async () => {
    const name = 'width as a number: division by the square root of a shape';
    const p = await prepare(TOPOLOGIES.find((t) => t.name === name)!.build());
    const { costs, opened, logged } = await open(
      p,
      Array.from({ length: 80 }, () => feedsFor(p)),
    );
    const [g] = p.analysis.groups;
    const narrow = (keep: number): State => new Map([[g!.id, keep]]);
    const rebase = costs.rebase!;
    expect(await rebase(narrow(g!.units - 1))).toBeNull();
    const before = opened();
    expect(await rebase(narrow(g!.units - 2))).toBeNull();
    expect(opened()).toBe(before);
    expect(logged).toHaveLength(1);
    expect(await costs.cost(narrow(g!.units - 1))).toBeGreaterThan(0);
    await costs.close();
  });

  it('is taken from the original where no samples are left for compensation', async () => {
    const { p, batches } = await chain();
    const { costs } = await open(p, batches.slice(0, 2));
    expect(costs.rebase).toBeUndefined();
    await costs.close();
  });
});
