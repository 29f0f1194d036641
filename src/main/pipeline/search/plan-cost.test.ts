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
  let ms = 0;
  const executor: Executor = {
    ...plainExecutor,
    open: (...given) => {
      opened++;
      // Each model that is run takes a second.
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
      landing: keyed(512),
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
const landing: State = new Map([['a0', 5], ['stem', 7], ['block b1', 0]]); // prettier-ignore
const further: State = new Map([...landing, ['a2', 4]]);

async function judged(costs: PlanCost): Promise<number[]> {
  const ground = (await costs.rebase!(landing))!;
  return [await costs.cost(landing), await ground.cost(landing), await ground.cost(further)];
}

describe('what plans cost', () => {
  it('is less of a plan that was compensated on the way, and more of what goes further', async () => {
    const { p, batches } = await chain();
    const { costs } = await open(p, batches);
    expect(await costs.cost(WHOLE)).toBeLessThan(1e-6);
    const [alone, compensated, more] = await judged(costs);
    expect(compensated).toBeGreaterThan(0);
    expect(compensated).toBeLessThan(alone!);
    expect(more).toBeGreaterThan(compensated!);
    // The nearest ground speaks for a plan that several have judged.
    expect(costs.known(landing)).toBe(compensated);
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
    expect(second.costs.evaluations()).toBe(4);
    // Each one is told, so that whoever waits sees something move.
    expect(second.told).toEqual([1, 2, 3, 4]);
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

  it('is taken on the original where the shape cannot be had back', async () => {
    const name = 'width as a number: division by the square root of a shape';
    const p = await prepare(TOPOLOGIES.find((t) => t.name === name)!.build());
    const { costs, opened } = await open(
      p,
      Array.from({ length: 80 }, () => feedsFor(p)),
    );
    const [g] = p.analysis.groups;
    const narrow = (keep: number): State => new Map([[g!.id, keep]]);
    const land = costs.rebase!;
    expect(await land(narrow(g!.units - 1))).toBeNull();
    const before = opened();
    expect(await land(narrow(g!.units - 2))).toBeNull();
    expect(opened()).toBe(before);
    expect(await costs.cost(narrow(g!.units - 1))).toBeGreaterThan(0);
    await costs.close();
  });

  it('is taken on the original where no samples are left to compensate with', async () => {
    const { p, batches } = await chain();
    const { costs } = await open(p, batches.slice(0, 2));
    expect(costs.rebase).toBeUndefined();
    await costs.close();
  });
});
