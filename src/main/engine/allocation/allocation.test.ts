import { beforeAll, describe, expect, it } from 'vitest';
import { prepare, type Prepared } from '../../../../test/support/prune.ts';
import { formulaLatency, residualChain } from '../../../../test/support/residual-chain.ts';
import { seededRandom } from '../random.ts';
import { applyPlan } from '../structures/apply.ts';
import { allAllocationMethods, allocationMethod } from './methods/registry.ts';
import { GreedyPath, refill } from './greedy.ts';
import { knapsack } from '../../../../test/support/knapsack.ts';
import {
  applyMove,
  moveKey,
  movesFrom,
  planOf,
  predictMs,
  removedUnits,
  WHOLE,
  type Space,
  type State,
} from './state.ts';

// Groups: stem (the residual stream), a0, a1. Blocks: b0, b1.
let p: Prepared;
beforeAll(async () => {
  p = await prepare(residualChain());
});

const COUNTS = [2, 4, 6, 8];
function spaceOf(options: { counts?: Record<string, number[]>; droppable?: string[] } = {}): Space {
  const counts = new Map(Object.entries(options.counts ?? { stem: COUNTS, a0: COUNTS, a1: COUNTS }));
  const times: Record<string, number> = { stem: 2, a0: 4, b0: 4, a1: 3, b1: 3, fc: 1 };
  const droppable = (options.droppable ?? ['b0', 'b1']).map((name) => [`block ${name}`, [0, 1]] as [string, number[]]);
  return {
    structures: p.structures,
    order: new Map(p.analysis.groups.map((g) => [g.id, [3, 0, 7, 1, 6, 2, 5, 4]])),
    levels: new Map([...counts, ...droppable]),
    latency: formulaLatency(p.model, p.analysis.groups, counts, (n) => times[n.name]!),
  };
}
/** All groups have eight units; a group that keeps all of them is absent. */
const state = (keep: Record<string, number> = {}, dropped: string[] = []): State =>
  new Map([
    ...Object.entries(keep).filter(([, n]) => n < 8),
    ...dropped.map((name): [string, number] => [`block ${name}`, 0]),
  ]);
const keepOf = (s: State): Map<string, number> => new Map([...s].filter(([id]) => !id.startsWith('block ')));
const droppedOf = (s: State): Set<string> =>
  new Set([...s].filter(([, n]) => n === 0).map(([id]) => id.replace('block ', '')));

/** An additive cost: the loss of a group grows with the square of its removed units, blocks have a fixed price. */
const WEIGHT: Record<string, number> = { stem: 5, a0: 1, a1: 2 };
const PRICE: Record<string, number> = { b0: 0.9, b1: 0.7 };
const additive = async (s: State): Promise<number> => {
  let sum = 0;
  for (const [g, n] of keepOf(s)) {
    if (droppedOf(s).has(`b${g.slice(1)}`)) continue;
    sum += WEIGHT[g]! * (1 - n / 8) ** 2;
  }
  for (const b of droppedOf(s)) sum += PRICE[b]!;
  return sum;
};

describe('a plan in the making', () => {
  it('has the milliseconds of what is left', () => {
    const space = spaceOf();
    expect(predictMs(space, WHOLE)).toBeCloseTo(17);
    expect(predictMs(space, state({ a0: 4 }))).toBeCloseTo(17 - 2 - 2);
    expect(predictMs(space, state({ stem: 4 }))).toBeCloseTo(17 / 2);
    // Operators where two groups meet have products.
    expect(predictMs(space, state({ stem: 4, a0: 4 }))).toBeCloseTo(1 + 1 + 1 + 3 + 0.5);
    expect(predictMs(space, state({}, ['b0']))).toBeCloseTo(9);
    expect(predictMs(space, state({ a0: 2 }, ['b0']))).toBeCloseTo(9);
    // Linear between the measured counts.
    expect(predictMs(space, state({ a1: 5 }))).toBeCloseTo(11 + 6 * (5 / 8));
  });

  it('offers every lower count and every block, and nothing of what is gone', () => {
    const space = spaceOf({ counts: { stem: [8], a0: COUNTS, a1: [4, 8] } });
    const keys = (s: State): string[] => movesFrom(space, s).map(moveKey).sort();
    expect(keys(WHOLE)).toEqual(['a0 2', 'a0 4', 'a0 6', 'a1 4', 'block b0 0', 'block b1 0']);
    expect(keys(state({ a0: 4 }, ['b1']))).toEqual(['a0 2', 'block b0 0']);
    expect(keys(state({ a0: 2, a1: 4 }, ['b0']))).toEqual(['block b1 0']);
    const s = applyMove(applyMove(WHOLE, { structure: 'a0', to: 6 }), { structure: 'block b1', to: 0 });
    expect(s).toEqual(state({ a0: 6 }, ['b1']));
    expect(WHOLE).toEqual(state());
  });

  it('becomes a plan that surgery takes', () => {
    const space = spaceOf();
    const group = space.structures.find((s) => s.id === 'a0')!;
    expect(removedUnits(space, group, 5)).toEqual([0, 3, 7]);
    const plan = planOf(space, state({ stem: 6, a0: 4, a1: 2 }, ['b1']), { model: 'hash' });
    expect(plan).toEqual({
      version: 2,
      package: { model: 'hash' },
      choices: [
        { structure: 'stem', kind: 'channels', level: 6, detail: { removed: [0, 3] } },
        { structure: 'a0', kind: 'channels', level: 4, detail: { removed: [0, 1, 3, 7] } },
        { structure: 'block b1', kind: 'blocks', level: 0, detail: { removed: [0] } },
      ],
    });
    const { model } = applyPlan(p, plan);
    const shapes = [...model.graph.nodes()]
      .filter((n) => n.opType === 'Conv')
      .map((n) => n.input(1)!.initializer!.dims);
    expect(shapes).toEqual([[6, 3, 3, 3], [4, 6, 3, 3], [6, 4, 3, 3]]); // prettier-ignore
  });
});

describe('allocation by marginal cost', () => {
  it('only goes down, and a looser budget is an earlier step', async () => {
    const space = spaceOf();
    const path = new GreedyPath(space, WHOLE, { cost: additive });
    const tight = await path.reach(4);
    expect(tight.predictedMs).toBeLessThanOrEqual(4);
    const steps = [...path.steps];
    for (const [i, s] of steps.entries()) {
      expect(s.predictedMs).toBeCloseTo(predictMs(space, s.state), 9);
      expect(s.cost).toBeCloseTo(await additive(s.state), 9);
      if (i) expect(s.predictedMs).toBeLessThan(steps[i - 1]!.predictedMs);
      for (const [g, n] of keepOf(s.state)) expect(space.levels.get(g)).toContain(n);
    }
    // A time that one step of the path nearly reaches.
    const loose = await path.reach(steps[2]!.predictedMs * 1.01);
    expect(loose).toBe(steps[2]);
    expect(path.steps).toHaveLength(steps.length);
    expect(await path.reach(17)).toBe(steps[0]);
    // Out of reach: the last possible step.
    const end = await path.reach(0.1);
    expect(movesFrom(space, end.state).every((m) => predictMs(space, applyMove(end.state, m)) > end.predictedMs - 0.034)).toBe(true); // prettier-ignore
  });

  it('does not take a block for a looser time where a few channels will do', async () => {
    // Dropping a block has the better ratio but saves more than is requested.
    const cost = async (s: State): Promise<number> =>
      [...keepOf(s)].reduce((sum, [, n]) => sum + 0.2 * (8 - n), 0) + droppedOf(s).size * 0.5;
    const space = spaceOf();
    const path = new GreedyPath(space, WHOLE, { cost });
    const tight = await path.reach(6);
    expect(droppedOf(tight.state).size).toBeGreaterThan(0);
    const first = path.steps[1]!.predictedMs;
    expect(first).toBeLessThan(12);
    const loose = await path.reach(15.6);
    expect(droppedOf(loose.state).size).toBe(0);
    expect(loose.predictedMs).toBeGreaterThan(first);
    expect(loose).toEqual(expect.objectContaining({ state: (await new GreedyPath(space, WHOLE, { cost }).reach(15.6)).state })); // prettier-ignore
    // The tighter goal again, continuing from the present path.
    expect((await path.reach(6)).predictedMs).toBeLessThanOrEqual(6);
  });

  it('asks for no cost after its time, and still reaches every goal', async () => {
    const space = spaceOf({ counts: { stem: COUNTS, a0: COUNTS, a1: COUNTS } });
    const exact = new GreedyPath(space, WHOLE, { cost: additive });
    for (const allowed of [0, 3, 6, 12]) {
      let asked = 0;
      const path = new GreedyPath(space, WHOLE, {
        cost: (s) => {
          asked++;
          return additive(s);
        },
        expired: () => asked >= allowed,
      });
      for (const ms of [14, 10, 6]) expect((await path.reach(ms)).predictedMs).toBeLessThanOrEqual(ms);
      expect(asked).toBe(allowed);
      const steps = path.steps.slice(1).map((s) => s.predictedMs);
      expect(steps).toEqual([...steps].sort((a, b) => b - a));
    }
    // With one measured cost per structure, the choice is close to that of all costs.
    let asked = 0;
    const some = new GreedyPath(space, WHOLE, {
      cost: (s) => {
        asked++;
        return additive(s);
      },
      expired: () => asked >= 5,
    });
    const [a, b] = [await additive((await exact.reach(10)).state), await additive((await some.reach(10)).state)];
    expect(b).toBeLessThan(2 * a);
  });

  it('learns of every place before it learns more of one', async () => {
    const seen: State[] = [];
    const space = spaceOf();
    const path = new GreedyPath(space, WHOLE, {
      cost: (s) => {
        seen.push(s);
        return additive(s);
      },
      expired: () => seen.length >= 5,
    });
    await path.reach(15);
    expect(seen.map((s) => [...keepOf(s).keys(), ...droppedOf(s)][0]).sort()).toEqual(['a0', 'a1', 'b0', 'b1', 'stem']);
    // The nearest count of each group.
    expect(seen.flatMap((s) => [...keepOf(s).values()])).toEqual([6, 6, 6]);
  });

  it('takes only moves that were measured at the present plan', async () => {
    // Removals cost more together than alone, so every earlier cost is too low.
    const cost = async (s: State): Promise<number> => (await additive(s)) ** 2;
    const path = new GreedyPath(spaceOf(), WHOLE, { cost, rechecks: 1 });
    await path.reach(6);
    for (const s of path.steps) expect(s.cost).toBeCloseTo(await cost(s.state), 9);
  });

  it('continues from the reference it is given on the way', async () => {
    const space = spaceOf();
    const asked: number[] = [];
    const path = new GreedyPath(space, WHOLE, {
      cost: additive,
      // The reference restores nine tenths of the cost up to here; blocks cost more from here on.
      rebase: async (from) => {
        asked.push(predictMs(space, from));
        const at = await additive(from);
        const cost = async (s: State): Promise<number> =>
          0.1 * at + ((await additive(s)) - at) + 10 * (droppedOf(s).size - droppedOf(from).size);
        return asked.length === 1 ? { cost, from } : null;
      },
    });
    const end = await path.reach(4);
    expect(end.predictedMs).toBeLessThanOrEqual(4);
    // A reference is requested at the first step below 85 percent of the time at the last request.
    expect(asked.length).toBeGreaterThan(1);
    for (const [i, ms] of asked.entries()) expect(ms).toBeLessThanOrEqual(0.85 * (asked[i - 1] ?? 17));
    const first = path.steps.findIndex((s) => s.reference.from !== WHOLE);
    expect(path.steps[first]!.state).toBe(path.steps[first - 1]!.state);
    expect(path.steps[first]!.cost).toBeCloseTo(0.1 * path.steps[first - 1]!.cost);
    expect(droppedOf(end.state).size).toBe(droppedOf(path.steps[first]!.state).size);
    expect(end.reference.from).toBe(path.steps[first]!.reference.from);
    expect(end.cost).toBeCloseTo(await end.reference.cost(end.state));
    // Earlier steps keep their reference.
    expect((await path.reach(16.9)).reference.from).toBe(WHOLE);
  });

  it('takes what costs least per millisecond', async () => {
    const free = new Set(['a1']);
    const cost = async (s: State): Promise<number> =>
      [...keepOf(s)].reduce((sum, [g, n]) => sum + (free.has(g) ? 1e-6 : 1) * (8 - n), 0) + droppedOf(s).size * 100;
    const path = new GreedyPath(spaceOf(), WHOLE, { cost });
    expect((await path.reach(17 - 6 * 0.7)).state).toEqual(state({ a1: 2 }));
    expect(droppedOf((await path.reach(12)).state).size).toBe(0);
  });

  it('sees that two removals together cost more than both alone', async () => {
    const cost = async (s: State): Promise<number> => (droppedOf(s).size === 2 ? 50 : 0.1 * droppedOf(s).size) + [...keepOf(s)].reduce((sum, [, n]) => sum + (8 - n), 0); // prettier-ignore
    const end = await new GreedyPath(spaceOf(), WHOLE, { cost }).reach(6);
    expect(droppedOf(end.state).size).toBe(1);
  });

  it('leaves alone what is frozen or set by hand', async () => {
    const space = spaceOf({ counts: { a1: COUNTS }, droppable: [] });
    const start = state({ a0: 6 });
    const end = await new GreedyPath(space, start, { cost: additive }).reach(0);
    expect(end.state).toEqual(state({ a0: 6, a1: 2 }));
    const filled = await refill(space, end.state, 100, additive, start);
    expect(filled).toEqual(state({ a0: 6, a1: 8 }));
  });

  it('refills what no single step fills: one group wider, another narrower', async () => {
    const space = spaceOf({ counts: { a0: [4, 8], a1: [4, 8] }, droppable: [] });
    const [narrowFirst, narrowSecond] = [state({ a0: 4 }), state({ a1: 4 })];
    const [low, high] = [predictMs(space, narrowFirst), predictMs(space, narrowSecond)];
    expect(low).toBeLessThan(high);
    const cheap = (s: State): Promise<number> => Promise.resolve((s.get('a0') === 4 ? 3 : 0) + (s.get('a1') === 4 ? 2 : 0)); // prettier-ignore
    const filled = await refill(space, narrowFirst, high, cheap, WHOLE);
    expect(filled).toEqual(state({ a1: 4 }));
    // No swap where it would cost more, and none above the time limit.
    const dear = (s: State): Promise<number> => cheap(state({ a0: s.get('a1') ?? 8, a1: s.get('a0') ?? 8 })); // prettier-ignore
    expect(await refill(space, narrowFirst, high, dear, WHOLE)).toEqual(narrowFirst);
    expect(await refill(space, narrowFirst, high - 0.01, cheap, WHOLE)).toEqual(narrowFirst);
  });

  it('with refill comes near the best of all plans', async () => {
    const space = spaceOf();
    const all: { ms: number; cost: number }[] = [];
    const levels = [2, 4, 6, 8];
    for (const stem of levels)
      for (const a0 of levels)
        for (const a1 of levels)
          for (const dropped of [[], ['b0'], ['b1'], ['b0', 'b1']]) {
            const s = state({ stem, a0, a1 }, dropped);
            all.push({ ms: predictMs(space, s), cost: await additive(s) });
          }
    const path = new GreedyPath(space, WHOLE, { cost: additive });
    let [got, best] = [0, 0];
    for (let budget = 16; budget >= 3; budget -= 0.5) {
      const s = await refill(space, (await path.reach(budget)).state, budget, additive, WHOLE);
      expect(predictMs(space, s)).toBeLessThanOrEqual(budget);
      const optimum = Math.min(...all.filter((c) => c.ms <= budget).map((c) => c.cost));
      got += await additive(s);
      best += optimum;
      expect(await additive(s)).toBeGreaterThanOrEqual(optimum - 1e-9);
    }
    expect(got / best).toBeLessThan(1.1);
  });

  it('comes within a few hundredths of the exact knapsack where groups do not touch', async () => {
    const counts = { a0: [1, 2, 3, 4, 5, 6, 7, 8], a1: [1, 2, 3, 4, 5, 6, 7, 8] };
    const space = spaceOf({ counts, droppable: [] });
    const classes = ['a0', 'a1'].map((g) =>
      counts.a0.map((n) => ({ cost: WEIGHT[g]! * (1 - n / 8) ** 2, ms: (g === 'a0' ? 8 : 6) * (n / 8) })),
    );
    const path = new GreedyPath(space, WHOLE, { cost: additive });
    let [got, best] = [0, 0];
    for (let budget = 16; budget > 6; budget -= 0.5) {
      const s = await refill(space, (await path.reach(budget)).state, budget, additive, WHOLE);
      const exact = knapsack(classes, budget - 3 + 0.004, 10_000)!;
      expect(await additive(s)).toBeGreaterThanOrEqual(exact.cost - 1e-9);
      got += await additive(s);
      best += exact.cost;
    }
    expect(got / best).toBeLessThan(1.05);
  });

  it('narrows the same group again when that is cheapest', async () => {
    // The first step of a0 carries nearly all of its cost: the second must not be charged for it again.
    const cost = async (s: State): Promise<number> => {
      const [a0, a1] = [s.get('a0') ?? 8, s.get('a1') ?? 8];
      return (a0 < 8 ? 1 : 0) + 0.01 * (8 - a0) + 0.508 * (8 - a1);
    };
    const space = spaceOf({ counts: { a0: [4, 5, 6, 7, 8], a1: COUNTS }, droppable: [] });
    const path = new GreedyPath(space, WHOLE, { cost });
    const steps = [await path.reach(16), await path.reach(15), await path.reach(14), await path.reach(13)];
    expect(steps.map((s) => s.state)).toEqual([7, 6, 5, 4].map((a0) => state({ a0 })));
  });
});

describe('refill', () => {
  it('takes the largest step where no cost may be asked for', async () => {
    const space = spaceOf();
    const never = (): Promise<number> => Promise.reject(new Error('no time'));
    const start = state({ stem: 8, a0: 2, a1: 2 }, ['b0']);
    const goal = predictMs(space, state({ stem: 8, a0: 2, a1: 6 }, ['b0']));
    const filled = await refill(space, start, goal, never, WHOLE, 0);
    expect(filled).toEqual(state({ stem: 8, a0: 2, a1: 6 }, ['b0']));
  });

  it('never exceeds the time and never goes below the floor', async () => {
    const space = spaceOf();
    const random = seededRandom(5);
    for (let i = 0; i < 40; i++) {
      const pick = (): number => COUNTS[random.int(4)]!;
      const s = state({ stem: pick(), a0: pick(), a1: pick() }, ['b0', 'b1'].filter(() => random.next() < 0.5)); // prettier-ignore
      const fixed = s.get('a0') ?? 8;
      const held = [...droppedOf(s)].slice(0, 1);
      const floor: State = new Map([['a0', fixed], ...state({}, held)]);
      const ms = predictMs(space, s) * (0.8 + random.next());
      const filled = await refill(space, s, ms, additive, floor);
      if (predictMs(space, s) <= ms) expect(predictMs(space, filled)).toBeLessThanOrEqual(ms);
      else expect(filled).toEqual(s);
      expect(await additive(filled)).toBeLessThanOrEqual((await additive(s)) + 1e-9);
      expect(keepOf(filled).get('a0') ?? 8).toBe(fixed);
      for (const b of droppedOf(filled)) expect(droppedOf(s)).toContain(b);
      for (const b of droppedOf(floor)) expect(droppedOf(filled)).toContain(b);
    }
  });

  it('ends after the tries it may make', async () => {
    let calls = 0;
    const counted = async (s: State): Promise<number> => (calls++, additive(s));
    await refill(spaceOf(), state({ stem: 2, a0: 2, a1: 2 }, ['b0', 'b1']), 17, counted, WHOLE, 3);
    expect(calls).toBeLessThanOrEqual(3 + 3);
  });
});

describe('allocations to compare with', () => {
  const scores = (by: Record<string, number>): Map<string, number[]> =>
    new Map(Object.entries(by).map(([g, scale]) => [g, Array.from({ length: 8 }, (_, i) => scale * (i + 1))]));

  const allocated = (
    name: string,
    space: Space,
    by: ReadonlyMap<string, number[]>,
    ms: number,
    start = WHOLE,
  ): Promise<State> => {
    const cost = (): Promise<number> => Promise.reject(new Error('scores alone decide'));
    return allocationMethod(name)
      .open({ space, start, scores: by, costs: { cost, free: false } })
      .fill(ms);
  };

  it.each(['uniform', 'global', 'isomorphic'] as const)('%s comes to the time that is asked for', async (name) => {
    const space = spaceOf();
    let last = Infinity;
    for (const ms of [17, 14, 11, 8, 5]) {
      const s = await allocated(name, space, scores({ stem: 1, a0: 2, a1: 3 }), ms);
      expect(predictMs(space, s)).toBeLessThanOrEqual(ms);
      expect(predictMs(space, s)).toBeLessThanOrEqual(last);
      last = predictMs(space, s);
      for (const [g, n] of keepOf(s)) expect(space.levels.get(g)).toContain(n);
      expect(droppedOf(s).size).toBe(0);
    }
    const least = await allocated(name, space, scores({ stem: 1, a0: 2, a1: 3 }), 0);
    expect(least).toEqual(state({ stem: 2, a0: 2, a1: 2 }));
  });

  it('uniform keeps the same share everywhere', async () => {
    const space = spaceOf();
    const s = await allocated('uniform', space, scores({ stem: 1, a0: 1, a1: 1 }), 8);
    expect(new Set(keepOf(s).values()).size).toBe(1);
  });

  it('global ranks by score over the group’s mean, isomorphic within groups of one shape', async () => {
    const space = spaceOf({ counts: { a0: [1, 2, 3, 4, 5, 6, 7, 8], a1: [1, 2, 3, 4, 5, 6, 7, 8] } });
    // A different scale per layer has no effect in a global ranking; within one class, scales decide.
    const scaled = scores({ stem: 1, a0: 1, a1: 100 });
    const global = await allocated('global', space, scaled, 10);
    expect(keepOf(global).get('a0')).toBe(keepOf(global).get('a1'));
    const isomorphic = await allocated('isomorphic', space, scaled, 10);
    expect(keepOf(isomorphic).get('a1')).toBe(8);
    expect(keepOf(isomorphic).get('a0')).toBeLessThan(8);
  });

  it('keep what was set by hand', async () => {
    const space = spaceOf({ counts: { a0: COUNTS, a1: COUNTS } });
    for (const name of ['uniform', 'global', 'isomorphic'] as const) {
      const s = await allocated(name, space, scores({ a0: 1, a1: 1, stem: 1 }), 0, state({ a0: 6 }, ['b1']));
      expect(s.get('a0')).toBe(6);
      expect(droppedOf(s)).toEqual(new Set(['b1']));
      expect(keepOf(s).has('stem')).toBe(false);
    }
  });
});

describe('allocation methods', () => {
  it('are the files of their folder', () => {
    const named = allAllocationMethods().map((m) => [m.name, m.cost]);
    expect(named).toEqual([
      ['measured', 'run'],
      ['fisher', 'curvature'],
      ['global', null],
      ['isomorphic', null],
      ['uniform', null],
    ]);
    for (const { name } of allAllocationMethods()) expect(allocationMethod(name).summary).not.toBe('');
    expect(() => allocationMethod('by lot')).toThrow(/by lot/);
  });
});
