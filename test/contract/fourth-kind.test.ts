/**
 * A kind of structure that the product does not have is fully supported by its own file alone: it
 * is found, ranked, timed, allocated, written to a plan file, cut, masked, compensated, restored
 * to the original's shape and reported.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../src/shared/model/types.ts';
import { PRESETS } from '../../src/shared/model/recipes.ts';
import { allocationMethod } from '../../src/main/engine/allocation/methods/registry.ts';
import { openSpace } from '../../src/main/engine/allocation/space.ts';
import { planOf, predictMs, WHOLE, type Space, type State } from '../../src/main/engine/allocation/state.ts';
import { hasClosedForm } from '../../src/main/engine/allocation/curvature.ts';
import { compensate } from '../../src/main/engine/compensation/sequential.ts';
import type { Scores } from '../../src/main/engine/criteria/contract.ts';
import { applyPlan } from '../../src/main/engine/structures/apply.ts';
import type { Structure } from '../../src/main/engine/structures/contract.ts';
import { restoreShape } from '../../src/main/engine/structures/restore-shape.ts';
import { rankUnits } from '../../src/main/engine/structures/rank.ts';
import { KINDS } from '../../src/main/engine/structures/registry.ts';
import { keptUnits } from '../../src/main/engine/structures/structure-info.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import { openCost } from '../../src/main/pipeline/search/plan-cost.ts';
import { openOutputChange } from '../../src/main/pipeline/search/sensitivity.ts';
import { plainExecutor } from '../support/executor.ts';
import { keyed, memos } from '../support/keyed.ts';
import { difference, feedsFor, oracle, prepare, removedIn, runOnce, type Prepared } from '../support/prune.ts';
import { formulaLatency } from '../support/residual-chain.ts';
import { toyKind } from '../support/toy-kind.ts';

let p: Prepared;
let toy: Structure;
let scores: Scores;
let space: Space;
let start: State;

beforeAll(async () => {
  p = await prepare(toyKind.examples[1]!.build(), [...KINDS, toyKind]);
  toy = p.structures.find((s) => s.kind === toyKind)!;
  scores = rankUnits(p.structures, new Map(p.analysis.groups.map((g) => [g.id, new Float64Array(g.units)])));
  const counts = new Map(p.analysis.groups.map((g) => [g.id, [g.units / 2, g.units]]));
  const latency = formulaLatency(p.model, p.analysis.groups, counts, () => 1);
  ({ space, start } = openSpace(p.structures, scores, counts, latency, PRESETS.balanced));
});

describe('a fourth kind', () => {
  it('is found beside the others, and refused where it is not asked for', async () => {
    expect(toy.units).toBe(4);
    expect(p.structures.filter((s) => s.kind !== toyKind).length).toBeGreaterThan(0);
    const without = await prepare(toyKind.examples[1]!.build());
    expect(without.structures.map((s) => s.id)).not.toContain(toy.id);
  });

  it('offers its levels, in the order of its ranks', () => {
    expect(space.levels.get(toy.id)).toEqual([1, 2, 3, 4]);
    const own = scores.get(toy.id)!;
    const order = space.order.get(toy.id)!;
    expect(order.map((u) => own[u]!)).toEqual([...own].sort((a, b) => a - b));
  });

  it('takes the time of what it removes', () => {
    const whole = predictMs(space, WHOLE);
    // Each addend is one convolution that takes a millisecond.
    for (const level of [1, 2, 3])
      expect(predictMs(space, new Map([[toy.id, level]]))).toBeCloseTo(whole - (4 - level));
  });

  it('can be frozen by a recipe', () => {
    const { counts, latency } = { counts: new Map<string, number[]>(), latency: space.latency };
    const frozen = openSpace(p.structures, scores, counts, latency, { ...PRESETS.balanced, freeze: [toy.name] });
    expect(frozen.space.levels.has(toy.id)).toBe(false);
  });

  it.each(['measured', 'uniform'])(
    'is allocated by %s, and its plan goes through a file, cut and mask',
    async (name) => {
      const feeds = feedsFor(p);
      const calibration = { input: Object.keys(feeds)[0]!, size: 2, batches: [feeds], labels: [null], real: false };
      const change = await openOutputChange(plainExecutor, { ...p, rewritten: 0, notes: [] }, calibration, 1);
      const method = allocationMethod(name);
      const cost = (s: State): Promise<number> => change.cost(space, s);
      const allocator = method.open({ space, start, scores, costs: { cost, free: false } });
      const goal = 0.5 * predictMs(space, WHOLE);
      const state = await allocator.reach(goal);
      await change.close();
      expect(predictMs(space, state)).toBeLessThanOrEqual(goal);
      expect(state.get(toy.id)).toBeLessThan(toy.units);

      const plan = planOf(space, state, { model: 'hash' });
      const file = JSON.stringify(plan);
      const read = JSON.parse(file) as Plan;
      const removed = removedIn(read, toy.id);
      expect(read.choices).toContainEqual({
        structure: toy.id,
        kind: 'addends',
        level: toy.units - removed.length,
        detail: { removed },
      });

      const { error, effect, pruned } = await oracle(p, read);
      expect(error).toBeLessThan(1e-4);
      expect(effect).toBeGreaterThan(100 * error);
      const sum = [...pruned.graph.nodes()].find((n) => n.opType === 'Sum')!;
      expect(sum.inputs).toHaveLength(toy.units - removed.length);
      const listed = keptUnits(p.structures, read).find((g) => g.id === toy.id);
      expect(listed).toMatchObject({ kind: 'addends', unit: 'addend', units: 4, kept: toy.units - removed.length });
    },
  );

  it('is compensated, and restored to the shape of the original', async () => {
    const plan = planOf(space, new Map([[toy.id, 2]]), {});
    const surgery = applyPlan(p, plan);
    const f = feedsFor(p);
    await compensate(plainExecutor, p, surgery, [f], { threads: 1, kind: 'least-squares' });
    const before = applyPlan(p, plan);
    const [whole, cut, fitted] = [await runOnce(p.model, f), await runOnce(before.model, f), await runOnce(surgery.model, f)]; // prettier-ignore
    expect(difference(whole, fitted)).toBeLessThanOrEqual(difference(whole, cut));
    const restored = restoreShape(p, surgery, plan)!;
    expect(restored.structures.map((s) => s.id)).toEqual(p.structures.map((s) => s.id));
    expect(difference(fitted, await runOnce(restored.model, f))).toBeLessThan(1e-4);
  });

  it('has no closed form, so that its plans are run where a method asks for curvature', async () => {
    expect(hasClosedForm(toy)).toBe(false);
    const logged: string[] = [];
    const ctx = { ...memos(), executor: plainExecutor, log: (line: string) => logged.push(line) };
    const feeds = feedsFor(p);
    const input = Object.keys(feeds)[0]!;
    const costs = await openCost(
      {
        prepared: keyed({ ...p, rewritten: 0, notes: [] }),
        calibration: keyed({ input, size: 2, batches: [feeds], labels: [null], real: false }),
        scored: keyed({ scores, notes: [] }),
        allocation: keyed('fisher'),
        compensation: keyed('none'),
        ranking: keyed(2),
        refit: keyed(2),
        probes: keyed(2),
        threads: keyed(1),
      },
      { space, start, cut: (s) => applyPlan(p, planOf(space, s, {})), costSeconds: Infinity },
      { ...ctx, progress: () => undefined } as unknown as StageContext,
    );
    expect(logged.join()).toContain('addends');
    expect(costs.free).toBe(false);
    const [two, one] = [await costs.cost(new Map([[toy.id, 2]])), await costs.cost(new Map([[toy.id, 1]]))];
    expect(two).toBeGreaterThan(0);
    expect(one).not.toBe(two);
    await costs.close();
  });
});
