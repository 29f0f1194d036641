/**
 * The cut model equals the masked one: for the examples of every kind of structure at every level,
 * every operator example between linear layers, and every topology that axis maps must support.
 */
import { describe, expect, it } from 'vitest';
import { int, ints } from '../../src/main/engine/ir/attribute.ts';
import { DType, isFloat } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { Node } from '../../src/main/engine/ir/node.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import { Value } from '../../src/main/engine/ir/value.ts';
import { isUnsupported, type Example, type OperatorDef } from '../../src/main/engine/ops/contract.ts';
import { allOperators } from '../../src/main/engine/ops/registry.ts';
import { eliminateDead, eliminateRepeatedActivation, runPasses } from '../../src/main/engine/passes/index.ts';
import { choiceOf, type Cut } from '../../src/main/engine/structures/choices.ts';
import type { Structure } from '../../src/main/engine/structures/contract.ts';
import { gateModel } from '../../src/main/engine/structures/mask.ts';
import { KINDS } from '../../src/main/engine/structures/registry.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { random } from '../support/example-model.ts';
import { plainExecutor } from '../support/executor.ts';
import {
  difference,
  feedsFor,
  oracle,
  prepare,
  randomPlan,
  removedIn,
  runOnce,
  type Prepared,
} from '../support/prune.ts';
import { TOPOLOGIES } from '../support/topologies.ts';
import { toyKind } from '../support/toy-kind.ts';

const TOLERANCE = 1e-4;

/**
 * MatMul with a random matrix along one axis: before an example it creates units, after it it sums
 * over them.
 */
function mix(model: Model, v: Value, shape: readonly number[], axis: number, width: number, rand: () => number): Value {
  const g = model.graph;
  const n = shape[axis]!;
  const data = Array.from({ length: n * width }, () => rand() - 0.5);
  const w = g.addInitializer(g.freshName('mix'), f32(data, [n, width]));
  const perm = shape.map((_, i) => i);
  [perm[axis], perm[shape.length - 1]] = [shape.length - 1, axis];
  const swap = (u: Value): Value => g.emit('Transpose', [u], { attributes: [['perm', ints(perm)]] })[0]!;
  const last = axis === shape.length - 1;
  const y = g.emit('MatMul', [last ? v : swap(v), w], { name: g.freshName('linear') })[0]!;
  return last ? y : swap(y);
}

/**
 * The example with activations from linear layers along axis `from` and outputs summed over axis
 * `to`, both counted from the right.
 */
async function embedded(def: OperatorDef, e: Example, from: number, to: number): Promise<Model | null> {
  const rand = random(from * 7 + to + 1);
  const model = new Model();
  model.opsets.set('', e.opset ?? 17);
  if (def.domain) model.opsets.set(def.domain, 1);
  const g = model.graph;
  const inputs = e.inputs.map((input, i) => {
    if (!input) return null;
    if (input.kind === 'c') return g.addInitializer(`c${i}`, input.tensor);
    const [low, high] = input.range ?? [-1, 1];
    const count = input.shape.reduce((a, b) => a * b, 1);
    if (input.kind === 'w')
      return g.addInitializer(
        `w${i}`,
        f32(
          Array.from({ length: count }, () => low + (high - low) * rand()),
          input.shape,
        ),
      );
    const v = g.addInput(`x${i}`, { elemType: DType.FLOAT, shape: input.shape });
    const axis = input.shape.length - 1 - from;
    const alone = axis < 0 || input.shape[axis]! < 2;
    const mixed = alone ? v : mix(model, v, input.shape, axis, input.shape[axis]!, rand);
    // Moves the input into the operator's domain.
    if (!input.range) return mixed;
    const unit = g.emit('Sigmoid', [mixed])[0]!;
    const width = g.addInitializer(g.freshName('width'), f32([high - low], []));
    const base = g.addInitializer(g.freshName('base'), f32([low], []));
    return g.emit('Add', [g.emit('Mul', [unit, width])[0]!, base])[0]!;
  });
  const outputs = Array.from({ length: e.outputs ?? 1 }, (_, i) => new Value(`y${i}`));
  const node = new Node(def.opType, inputs, outputs, {
    name: 'tested',
    ...(def.domain && { domain: def.domain }),
    ...(e.attributes && { attributes: e.attributes }),
  });
  g.append(node);
  g.outputs.push(...outputs);
  const facts = await collectFacts(model, plainExecutor);
  g.outputs.length = 0;
  for (const y of outputs) {
    const { shape, dtype } = facts.get(y)!;
    const axis = shape.length - 1 - to;
    const float = isFloat(dtype) ? y : g.emit('Cast', [y], { attributes: [['to', int(DType.FLOAT)]] })[0]!;
    const out =
      axis < 0 || shape[axis]! < 2 ? g.emit('Identity', [float])[0]! : mix(model, float, shape, axis, 2, rand);
    g.outputs.push(out);
  }
  return model;
}

/** Networks with each kind of structure, including a toy kind that the product does not have. */
const kinds = [...KINDS, toyKind];

describe.each(kinds.flatMap((kind) => kind.examples.map((e) => [kind.name, e.name, kind, e] as const)))(
  '%s: %s',
  (_kind, _name, kind, e) => {
    const found = async (): Promise<{ p: Prepared; own: readonly Structure[] }> => {
      const p = await prepare(e.build(), kinds);
      return { p, own: p.structures.filter((s) => s.kind === kind) };
    };

    it('is found, under ids that no other structure has', async () => {
      const { p, own } = await found();
      expect(own.map((s) => s.units)).toEqual(e.units);
      expect(new Set(p.structures.map((s) => s.id)).size).toBe(p.structures.length);
    });

    it('cut equals masked at every level, and removes what its shapes say', async () => {
      const { p, own } = await found();
      for (const s of own) {
        const all = Array.from({ length: s.units }, (_, i) => i);
        const levels = kind.levels(s, { steps: all.map((i) => i + 1), floor: 0 });
        expect([...levels].sort((a, b) => a - b)).toEqual(levels);
        expect(levels.at(-1)).toBe(s.units);
        for (const level of levels) {
          // Removes other units than the first, because kinds must not depend on the order.
          const removed = all.slice(level).map((i) => s.units - 1 - i).sort((a, b) => a - b); // prettier-ignore
          const { error, effect, pruned } = await oracle(p, { choices: [choiceOf(s, removed)] });
          expect(error, `${s.id} at ${level}`).toBeLessThan(TOLERANCE);
          if (level < s.units) expect(effect).toBeGreaterThan(100 * error);
          const { gone } = kind.shapes(s, removed);
          runPasses(pruned, [eliminateRepeatedActivation, eliminateDead]);
          expect(pruned.graph.nodeCount).toBe(p.model.graph.nodeCount - new Set(gone).size);
        }
      }
    });

    it('cut equals masked and gated, beside cuts of all other structures', async () => {
      const { p } = await found();
      const gated = gateModel(p);
      for (let seed = 1; seed <= 4; seed++) {
        const plan = randomPlan(p, seed, 0.2 * seed, seed % 2 ? 0.5 : 0);
        const { error, pruned } = await oracle(p, plan);
        expect(error).toBeLessThan(TOLERANCE);
        const feeds = { ...feedsFor(p), ...gatesOf(p, gated.gates, plan) };
        expect(difference(await runOnce(pruned, feedsFor(p)), await runOnce(gated.model, feeds))).toBeLessThan(
          TOLERANCE,
        );
      }
    });
  },
);

/** Zeros for the removed units. */
function gatesOf(p: Prepared, gates: ReadonlyMap<string, string>, plan: Cut): Record<string, HostTensor> {
  return Object.fromEntries(
    p.structures.map(({ id, units }) => {
      const data = new Float32Array(units).fill(1);
      for (const u of removedIn(plan, id)) data[u] = 0;
      return [gates.get(id)!, { dtype: DType.FLOAT, dims: [units], data }];
    }),
  );
}

/** Operators through which no axis can pass, with the reason. */
const NEVER = new Map([
  ['Constant', 'has no input'],
  ['ConstantOfShape', 'has no weight'],
  ['Size', 'counts elements'],
  ['Shape', 'gives sizes'],
  ['DequantizeLinear', 'takes whole numbers, which no layer makes; a quantized network is in exporters.test.ts'],
  ['And', 'its examples are constants of truth values'],
  ['Or', 'its examples are constants of truth values'],
  ['Xor', 'its examples are constants of truth values'],
  ['Not', 'its examples are constants of truth values'],
]);

const operators = [...allOperators()].sort((a, b) => a.opType.localeCompare(b.opType));

describe.each(operators.map((d) => [d.domain ? `${d.domain}.${d.opType}` : d.opType, d] as const))('%s', (_, def) => {
  it('carries units exactly', async () => {
    let checked = 0;
    for (const [k, e] of def.examples.entries())
      for (const [from, to] of [
        [0, 0],
        [1, 1],
        [2, 2],
        [2, 0],
        [1, 0],
        [0, 1],
        [1, 2],
        [0, 2],
      ] as const) {
        const model = (await embedded(def, e, from, to))!;
        const p = await prepare(model);
        if (p.analysis.groups.length === 0) continue;
        const result = await oracle(p, randomPlan(p, k + 1));
        expect(result.error, `${e.name}, axes ${from} and ${to}`).toBeLessThan(TOLERANCE);
        checked++;
      }
    if (!isUnsupported(def.prune) && !NEVER.has(def.opType)) expect(checked).toBeGreaterThan(0);
  });
});

describe('topologies', () => {
  it.each(TOPOLOGIES)('$name', async (t) => {
    const p = await prepare(t.build());
    expect(p.analysis.groups.map((g) => g.units)).toEqual(t.units);
    if (t.blocks !== undefined) expect(p.blocks.length).toBe(t.blocks);
    for (const blocked of t.skipped ?? []) {
      const found = p.analysis.skipped.find((s) => s.group === blocked.group);
      expect(found, `skipped ${blocked.group}`).toBeDefined();
      expect(`${found!.operator}: ${found!.reason}`).toContain(blocked.by);
    }
    for (let seed = 1; seed <= 4; seed++) {
      const result = await oracle(p, randomPlan(p, seed, 0.2 * seed, seed % 2 ? 0.5 : 0));
      expect(result.error).toBeLessThan(TOLERANCE);
      expect(result.effect).toBeGreaterThan(100 * result.error);
    }
  });

  it.each(TOPOLOGIES)('gates agree with removal: $name', async (t) => {
    const p = await prepare(t.build());
    const plan = randomPlan(p, 5, 0.4, 0.5);
    const { pruned } = await oracle(p, plan);
    const gated = gateModel(p);
    const feeds = { ...feedsFor(p), ...gatesOf(p, gated.gates, plan) };
    const expected = await runOnce(pruned, feedsFor(p));
    expect(difference(expected, await runOnce(gated.model, feeds))).toBeLessThan(TOLERANCE);
  });
});
