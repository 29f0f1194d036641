import { beforeAll, describe, expect, it } from 'vitest';
import { chainSpace, standIns } from '../../../../test/support/chain-space.ts';
import { prepare, type Prepared } from '../../../../test/support/prune.ts';
import { formulaLatency, residualChain } from '../../../../test/support/residual-chain.ts';
import { PRESETS } from '../../../shared/model/recipes.ts';
import { GreedyPath, refill } from './greedy.ts';
import { predictMs, WHOLE, type Space, type State } from './state.ts';
import { fitBudget, isWithin, keyOf, stateOf, type Candidate } from './fit-budget.ts';
import { openSpace } from './space.ts';

let p: Prepared;
let space: Space;
beforeAll(async () => {
  p = await prepare(residualChain({ blocks: 4, width: 16 }));
  space = chainSpace(p);
});

/**
 * Ids of the structures that have lower levels in a space.
 * @param blocks selects blocks, or the other structures
 */
const levelsOf = ({ levels }: Space, blocks: boolean): string[] =>
  [...levels.keys()].filter((id) => id.startsWith('block ') === blocks).sort();

const cost = async (s: State): Promise<number> => [...s].reduce((sum, [, n]) => sum + (1 - n / 16) ** 2, 0);

/** Runs the loop with a machine whose true time is a function of the plan. */
async function fit(
  truth: (s: State, predicted: number) => number,
  budgetRatio: number,
  { attempts, bias }: { attempts?: number; bias?: number } = {},
) {
  const path = new GreedyPath(space, WHOLE, { cost, least: 0.001 });
  const { cut, planOf } = standIns(p.model);
  const full = truth(WHOLE, predictMs(space, WHOLE));
  const seen: Candidate[] = [];
  const r = await fitBudget({
    budgetRatio,
    baselineMs: predictMs(space, WHOLE),
    space,
    allocate: async (ms) => refill(space, (await path.reach(ms)).state, ms, cost, WHOLE),
    cut,
    measure: async (m) => truth(planOf(m), predictMs(space, planOf(m))) / full,
    onCandidate: (c) => seen.push(c),
    ...(attempts !== undefined && { attempts }),
    ...(bias !== undefined && { bias }),
  });
  expect(r.candidates).toEqual(seen);
  expect(r.candidates).toContain(r.best);
  expect(new Set(r.candidates.map((c) => keyOf(c.state))).size).toBe(r.candidates.length);
  return r;
}

describe('the closed loop', () => {
  const machines: Record<string, (s: State, predicted: number) => number> = {
    'that does as predicted': (_, ms) => ms,
    'with time that no cut removes': (_, ms) => ms + 4,
    'that is slower than predicted the more is cut': (_, ms) => ms ** 0.8,
    'that is faster than predicted': (_, ms) => ms ** 1.2,
    'with steps': (s, ms) => ms + 0.05 * [...s.values()].reduce((sum, n) => sum + ((4 - (n % 4)) % 4), 0),
  };
  it.each(Object.keys(machines))('ends in a narrow band under the budget on a machine %s', async (name) => {
    for (const budget of [0.85, 0.7, 0.55]) {
      const { best, within } = await fit(machines[name]!, budget);
      expect(within).toBe(true);
      expect(best.ratio).toBeLessThanOrEqual(budget);
      expect(best.ratio, `${name} ${budget}`).toBeGreaterThan(budget * 0.9);
    }
  });

  it('begins where the plans of an earlier budget were off', async () => {
    const slower = (_: State, ms: number): number => ms ** 0.8;
    const plain = await fit(slower, 0.7);
    const { best } = plain;
    const known = await fit(slower, 0.7, { bias: (best.ratio * predictMs(space, WHOLE)) / best.predictedMs });
    expect(plain.candidates.length).toBeGreaterThan(1);
    expect(known.candidates).toHaveLength(1);
    expect(known.best.ratio).toBeGreaterThan(0.93 * 0.7);
    expect(known.best.ratio).toBeLessThanOrEqual(0.7);
  });

  it('says that nothing is within, and gives the nearest', async () => {
    const { best, within, candidates } = await fit((_, ms) => 100 + ms, 0.5);
    expect(within).toBe(false);
    expect(best.ratio).toBe(Math.min(...candidates.map((c) => c.ratio)));
  });

  it('measures no more often than it may, and no plan twice', async () => {
    for (const attempts of [1, 2, 3]) {
      const { candidates } = await fit((_, ms) => ms + 4, 0.7, { attempts });
      expect(candidates.length).toBeLessThanOrEqual(attempts);
      expect(candidates.length).toBeGreaterThan(0);
    }
  });

  it('takes a longer look at the plan that it ends with, and goes on where that says otherwise', async () => {
    const path = new GreedyPath(space, WHOLE, { cost, least: 0.001 });
    const { cut, planOf } = standIns(p.model);
    const full = predictMs(space, WHOLE);
    const budgetRatio = 0.7;
    const run = async (slower: number) => {
      const confirmed: string[] = [];
      const r = await fitBudget({
        budgetRatio,
        baselineMs: full,
        space,
        allocate: async (ms) => refill(space, (await path.reach(ms)).state, ms, cost, WHOLE),
        cut,
        measure: async (m) => predictMs(space, planOf(m)) / full,
        confirm: async (m) => {
          confirmed.push(keyOf(planOf(m)));
          return (slower * predictMs(space, planOf(m))) / full;
        },
      });
      expect(new Set(confirmed).size).toBe(confirmed.length);
      expect(confirmed).toContain(keyOf(r.best.state));
      expect(r.best.ratio).toBeCloseTo((slower * r.best.predictedMs) / full, 9);
      return { ...r, confirmed };
    };
    expect((await run(1)).confirmed).toHaveLength(1);
    const slower = await run(1.1);
    expect(slower.confirmed.length).toBeGreaterThan(1);
    expect(isWithin(slower.best.ratio / budgetRatio)).toBe(true);
    const faster = await run(0.94);
    expect(faster.best.predictedMs).toBeGreaterThan(slower.best.predictedMs);
    expect(faster.best.ratio / budgetRatio).toBeGreaterThan(0.9);
  });

  it('recovers from one look that is wrong', async () => {
    // The first look at a plan is 6 % too slow, every later one is right.
    let looks = 0;
    const { best, within } = await fit((_, ms) => (looks++ === 1 ? 1.06 * ms : ms), 0.6);
    expect(within).toBe(true);
    expect(best.ratio / 0.6).toBeGreaterThan(0.9);
    expect(best.ratio / 0.6).toBeLessThanOrEqual(0.99);
  });

  it('takes up where plans were found too slow', async () => {
    const first = (await fit((_, ms) => ms, 0.7)).best;
    const path = new GreedyPath(space, WHOLE, { cost, least: 0.001 });
    const { cut, planOf } = standIns(p.model);
    const full = predictMs(space, WHOLE);
    const again = await fitBudget({
      budgetRatio: 0.7,
      baselineMs: full,
      space,
      allocate: async (ms) => refill(space, (await path.reach(ms)).state, ms, cost, WHOLE),
      cut,
      measure: async (m) => (1.04 * predictMs(space, planOf(m))) / full,
      known: [{ ...first, ratio: 1.01 * 0.7 }],
    });
    expect(again.best.predictedMs).toBeLessThan(first.predictedMs);
    expect(again.within).toBe(true);
  });

  it('names plans by what they are', () => {
    const s: State = new Map([['b', 2], ['a', 1], ['block y', 0]]); // prettier-ignore
    const t: State = new Map([['block y', 0], ['a', 1], ['b', 2]]); // prettier-ignore
    expect(keyOf(s)).toBe(keyOf(t));
    expect(keyOf(s)).not.toBe(keyOf(new Map([...s].slice(0, 2))));
    expect(stateOf(keyOf(s))).toEqual(t);
  });
});

describe('what the allocator may choose from', () => {
  const open = (recipe: Partial<typeof PRESETS.fast>): ReturnType<typeof openSpace> => {
    const counts = new Map(p.analysis.groups.map((g) => [g.id, [1, 2, 4, 8, 12, 16]] as const));
    return openSpace(
      p.structures,
      new Map([['a0', Float64Array.from({ length: 16 }, (_, i) => (i % 2 ? -i : i))]]),
      counts,
      formulaLatency(p.model, p.analysis.groups, counts, () => 1),
      { ...PRESETS.fast, ...recipe },
    );
  };
  const groups = ['stem', 'a0', 'a1', 'a2', 'a3'];
  const offered = (r: Partial<typeof PRESETS.fast>): string[] => levelsOf(open(r).space, false);

  it('is everything, unless the recipe says otherwise', () => {
    const { space: all, start } = open({ floor: 0 });
    expect(levelsOf(all, false)).toEqual([...groups].sort());
    expect(all.levels.get('a1')).toEqual([1, 2, 4, 8, 12, 16]);
    expect(levelsOf(all, true)).toEqual(['block b0', 'block b1', 'block b2', 'block b3']);
    expect(start).toEqual(new Map());
    expect(all.order.get('a0')).toEqual([15, 13, 11, 9, 7, 5, 3, 1, 0, 2, 4, 6, 8, 10, 12, 14]);
    expect(all.order.get('a1')).toEqual(Array.from({ length: 16 }, (_, i) => i));
  });

  it('has no counts below the floor', () => {
    expect(open({ floor: 0.25 }).space.levels.get('a1')).toEqual([4, 8, 12, 16]);
    expect(open({ floor: 0.3 }).space.levels.get('a1')).toEqual([8, 12, 16]);
    expect(offered({ floor: 1 })).toEqual([]);
  });

  it('leaves out what is frozen, by group, block or node, with globs', () => {
    expect(offered({ freeze: ['a1'] })).toEqual(['a0', 'a2', 'a3', 'stem']);
    expect(offered({ freeze: ['a*'] })).toEqual(['stem']);
    expect(offered({ freeze: ['*'] })).toEqual([]);
    // A node that no group is named after: freezes everything that it reads or produces.
    expect(offered({ freeze: ['b1'] })).toEqual(['a0', 'a2', 'a3']);
    // A dot is matched literally.
    expect(offered({ freeze: ['a.'] })).toHaveLength(5);
    expect(levelsOf(open({ freeze: ['b1', 'a3'] }).space, true)).toEqual(['block b0', 'block b2']);
    expect(offered({ channels: false })).toEqual([]);
    expect(levelsOf(open({ blocks: false }).space, true)).toEqual([]);
  });

  it('takes keep ratios set by hand for given', () => {
    const { space: s, start } = open({ keep: { 'a*': 0.5, a1: 0.26 } });
    expect(levelsOf(s, false)).toEqual(['stem']);
    expect(start).toEqual(new Map([['a0', 8], ['a1', 4], ['a2', 8], ['a3', 8]])); // prettier-ignore
    expect(open({ keep: { a1: 0.001 } }).start.get('a1')).toBe(1);
    expect(open({ keep: { a1: 1 } }).start.get('a1')).toBe(16);
  });

  it('refuses a name that nothing has', () => {
    expect(() => open({ keep: { 'layer*': 0.5 } })).toThrow(expect.objectContaining({ code: 'recipe-invalid' }));
    expect(() => open({ keep: { 'layer*': 0.5 } })).toThrow(/layer\*/);
  });
});
