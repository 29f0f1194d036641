/** Fused operators in single operators against the runtime's own kernels, and their gradients. */
import { describe, expect, it } from 'vitest';
import { buildTrainStep, Trainer } from '../../src/main/engine/autodiff/index.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import { float, int, type Attribute } from '../../src/main/engine/ir/attribute.ts';
import { cloneModel } from '../../src/main/engine/ir/clone.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { f32, i64, MemoryTensor, type Tensor } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import type { Example, ExampleInput, OperatorDef } from '../../src/main/engine/ops/contract.ts';
import { allOperators, operatorFor } from '../../src/main/engine/ops/registry.ts';
import { expandFused } from '../../src/main/engine/passes/expand-fused.ts';
import { exampleModel } from '../support/example-model.ts';
import { plainExecutor } from '../support/executor.ts';

const x = (...shape: number[]): ExampleInput => ({ kind: 'x', shape });
const c = (tensor: Tensor): ExampleInput => ({ kind: 'c', tensor });
const int32 = (values: number[], dims = [values.length]): ExampleInput =>
  c(new MemoryTensor(DType.INT32, dims, new Uint8Array(Int32Array.from(values).buffer)));
/** Cosines and sines of twelve positions. */
const table = (f: (a: number) => number, half = 8): ExampleInput =>
  c(f32(Float32Array.from({ length: 12 * half }, (_, i) => f(Math.floor(i / half) * 0.4 ** (i % half))), [12, half])); // prettier-ignore
const tables = (half?: number): ExampleInput[] => [table(Math.cos, half), table(Math.sin, half)];
const grouped = (o: Record<string, Attribute> = {}): Example['attributes'] =>
  Object.entries({ num_heads: int(4), kv_num_heads: int(2), ...o });
/** Lengths of two sequences of `total` tokens. */
const lengths = (total: number): ExampleInput[] => [int32([total - 1, total - 1]), int32([total], [])];
const separate = [x(2, 5, 64), x(2, 5, 32), x(2, 5, 32)];
const rotating = { do_rotary: int(1) };

const GROUPED: Example[] = [
  { name: 'prompt', attributes: grouped(), inputs: [...separate, null, null, ...lengths(5)], outputs: 3 },
  { name: 'rotary', attributes: grouped(rotating), inputs: [...separate, null, null, ...lengths(5), ...tables()], outputs: 3 }, // prettier-ignore
  {
    name: 'neighbours rotate',
    attributes: grouped({ ...rotating, rotary_interleaved: int(1) }),
    inputs: [...separate, null, null, ...lengths(5), ...tables()],
  },
  { name: 'rotary behind a cache', attributes: grouped(rotating), inputs: [x(2, 1, 128), null, null, x(2, 2, 6, 16), x(2, 2, 6, 16), ...lengths(7), ...tables()], outputs: 3 }, // prettier-ignore
  { name: 'several tokens behind a cache', attributes: grouped(rotating), inputs: [x(1, 3, 128), null, null, x(1, 2, 4, 16), x(1, 2, 4, 16), int32([6]), int32([7], []), ...tables()], outputs: 3 }, // prettier-ignore
  { name: 'scale and limit', attributes: grouped({ scale: float(0.7), softcap: float(1.5) }), inputs: [...separate, null, null, ...lengths(5)] }, // prettier-ignore
  { name: 'window', attributes: grouped({ local_window_size: int(3) }), inputs: [...separate, null, null, ...lengths(5)] }, // prettier-ignore
];
const MULTI: Example[] = [
  { name: 'causal', attributes: [['num_heads', int(2)], ['unidirectional', int(1)]], inputs: [x(2, 4, 8), x(2, 4, 8), x(2, 4, 8)] }, // prettier-ignore
  { name: 'behind a cache, with scores', attributes: [['num_heads', int(2)]], inputs: [x(1, 2, 8), x(1, 2, 8), x(1, 2, 8), null, null, x(1, 2, 2, 5), x(1, 2, 3, 4), x(1, 2, 3, 4)], outputs: 3 }, // prettier-ignore
];
const STANDARD: Example[] = [
  { name: 'causal', opset: 23, attributes: [['q_num_heads', int(4)], ['kv_num_heads', int(2)], ['is_causal', int(1)]], inputs: [x(2, 5, 32), x(2, 5, 16), x(2, 5, 16)] }, // prettier-ignore
];
const ROTARY: Example[] = [
  { name: 'positions, neighbours', attributes: [['num_heads', int(2)], ['interleaved', int(1)]], inputs: [x(2, 3, 16), c(i64([1, 2, 3, 0, 5, 4], [2, 3])), ...tables(4)] }, // prettier-ignore
  { name: 'part of a head', attributes: [['num_heads', int(2)], ['rotary_embedding_dim', int(4)]], inputs: [x(2, 3, 16), c(i64([4])), ...tables(2)] }, // prettier-ignore
];
const MORE: Readonly<Record<string, readonly Example[]>> = {
  'com.microsoft::GroupQueryAttention': GROUPED,
  'com.microsoft::MultiHeadAttention': MULTI,
  'com.microsoft::RotaryEmbedding': ROTARY,
  Attention: STANDARD,
};

const keyOf = (o: OperatorDef): string => (o.domain ? `${o.domain}::${o.opType}` : o.opType);
const expanded = [...allOperators()].filter((o) => o.expand);

describe.each(expanded.map((def) => [keyOf(def), def] as const))('%s in single operators', (key, def) => {
  const cases = [...def.examples, ...(MORE[key] ?? [])];
  it.each(cases.map((e) => [e.name, e] as const))('computes the same: %s', async (_, example) => {
    const { model, floats, facts } = exampleModel(def, example);
    const { model: copy, values } = cloneModel(model);
    expect(expandFused(copy, new Map([...facts].map(([v, f]) => [values.get(v)!, f])))).toBe(1);
    expect([...copy.graph.nodes()].every((n) => !operatorFor(n.key)?.expand)).toBe(true);
    const feeds = Object.fromEntries(floats.map(({ value, host }) => [value.name, host]));
    const [fused, single] = await Promise.all(
      [model, copy].map(async (m) => {
        const session = await plainExecutor.open(m, { optimization: 'disabled' });
        const out = await session.run(feeds);
        await session.release();
        return out;
      }),
    );
    for (const [name, t] of Object.entries(fused!)) {
      expect(single![name]!.dims, name).toEqual(t.dims);
      const [a, b] = [t.data as Float32Array, single![name]!.data as Float32Array];
      expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!))), name).toBeLessThan(2e-5);
    }
  });
});

it('refuses what it does not expand, with the reason', () => {
  const def = operatorFor('com.microsoft::GroupQueryAttention')!;
  const attributes = grouped({ smooth_softmax: int(1) });
  const { model, facts } = exampleModel(def, {
    name: '',
    attributes,
    inputs: [...separate, null, null, ...lengths(5)],
  });
  expect(() => expandFused(model, facts)).toThrow(/sinks/);
});

it('has the gradient of the fused operator, by finite differences', async () => {
  const def = operatorFor('com.microsoft::GroupQueryAttention')!;
  const { model, floats, facts } = exampleModel(def, GROUPED[1]!);
  model.graph.outputs.splice(1);
  const { model: copy, values } = cloneModel(model);
  const known = new Map([...facts].map(([v, f]) => [values.get(v)!, f]));
  known.set(copy.graph.outputs[0]!, { dtype: DType.FLOAT, shape: [2, 5, 64] });
  expandFused(copy, known);
  known.set(copy.graph.outputs[0]!, { dtype: DType.FLOAT, shape: [2, 5, 64] });
  // Query, key and value become weights, so that one step of plain descent at rate 1 subtracts their gradients.
  const params: Value[] = copy.graph.inputs.splice(0).map((v, i) => {
    const w = copy.graph.addInitializer(`w${i}`, f32(floats[i]!.host.data as Float32Array, floats[i]!.host.dims));
    v.replaceAllUsesWith(w);
    known.set(w, { dtype: DType.FLOAT, shape: floats[i]!.host.dims });
    return w;
  });
  const step = buildTrainStep(copy, {
    facts: (v) => known.get(v),
    params,
    optimizer: { kind: 'sgd', momentum: 0 },
    loss: ({ b, outputs }) => b.reduceSum(b.mul(outputs[0]!, outputs[0]!), [0, 1, 2], false),
  });
  const trainer = await Trainer.open(plainExecutor, step);
  await trainer.step({}, 1);
  const after = trainer.parameters();
  await trainer.release();
  const session = await plainExecutor.open(model);
  const loss = async (feeds: Record<string, HostTensor>): Promise<number> =>
    ((await session.run(feeds))['out0']!.data as Float32Array).reduce((sum, v) => sum + v * v, 0);
  for (const [i, { host }] of floats.entries()) {
    const data = host.data as Float32Array;
    for (const at of [3, 20]) {
      const moved = (by: number): Promise<number> => {
        const changed = data.slice();
        changed[at]! += by;
        return loss(Object.fromEntries(floats.map((f, k) => [f.value.name, k === i ? { ...host, data: changed } : f.host]))); // prettier-ignore
      };
      const numeric = ((await moved(0.01)) - (await moved(-0.01))) / 0.02;
      expect(data[at]! - after.get(`w${i}`)![at]!).toBeCloseTo(numeric, 2);
    }
  }
  await session.release();
});
