/**
 * Every example of every operator: its shape rule against the runtime, its gradient against finite
 * differences.
 */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { buildBackward, importDomains } from '../../src/main/engine/autodiff/walker.ts';
import type { ExecSession, HostTensor } from '../../src/main/engine/executor.ts';
import { DType, elementCount } from '../../src/main/engine/ir/dtype.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { isUnsupported, type Example, type OperatorDef } from '../../src/main/engine/ops/contract.ts';
import { allOperators } from '../../src/main/engine/ops/registry.ts';
import { exampleModel, random, type ExampleModel } from '../support/example-model.ts';
import { plainExecutor } from '../support/executor.ts';

const operators = [...allOperators()].sort((a, b) => a.opType.localeCompare(b.opType));
const feedsOf = (m: ExampleModel): Record<string, HostTensor> =>
  Object.fromEntries(m.floats.map((f) => [f.value.name, f.host]));

async function runForward(m: ExampleModel): Promise<{ session: ExecSession; outputs: Record<string, HostTensor> }> {
  const session = await plainExecutor.open(m.model, { optimization: 'disabled' });
  return { session, outputs: await session.run(feedsOf(m)) };
}

describe.each(operators.map((def) => [def.domain ? `${def.domain}.${def.opType}` : def.opType, def] as const))(
  '%s',
  (_, def) => {
    it('has examples, and a rule or a reason for pruning and for its gradient', () => {
      expect(def.examples.length).toBeGreaterThan(0);
      for (const rule of [def.prune, def.grad]) if (isUnsupported(rule)) expect(rule.unsupported).not.toBe('');
    });
    it.each(def.examples.map((e) => [e.name, e] as const))('shape: %s', (_name, example) => checkShape(def, example));
    if (!isUnsupported(def.grad)) {
      const smooth = def.examples.filter((e) => !e.noGrad && e.inputs.some((i) => i && i.kind !== 'c'));
      it.each(smooth.map((e) => [e.name, e] as const))('gradient: %s', (_name, example) => checkGradient(def, example));
    }
  },
);

async function checkShape(def: OperatorDef, example: Example): Promise<void> {
  const m = exampleModel(def, example);
  const { session, outputs } = await runForward(m);
  await session.release();
  const inferred = def.shape({
    node: m.node,
    opset: m.model.opset,
    in: (i) => {
      const v = m.node.input(i);
      return v ? m.facts.get(v)!.shape : null;
    },
    out: (i) => outputs[m.outputs[i]!.name]!.dims,
    constant: (i) => m.facts.get(m.node.input(i)!)?.constant ?? null,
  });
  m.outputs.forEach((o, i) => {
    if (inferred[i]) expect([...inferred[i]!]).toEqual([...outputs[o.name]!.dims]);
  });
  expect(inferred.length).toBeGreaterThanOrEqual(m.outputs.length);
}

const STEP = 1e-2;
/**
 * Elements tried per input: enough to cover every position of a tiny example, bounded for the
 * larger ones.
 */
const TRIED = 40;

async function checkGradient(def: OperatorDef, example: Example): Promise<void> {
  const m = exampleModel(def, example, 7);
  const { session, outputs } = await runForward(m);
  const rand = random(3);
  for (const o of m.outputs) m.facts.set(o, { dtype: outputs[o.name]!.dtype, shape: outputs[o.name]!.dims });
  const floatOutputs = m.outputs.filter(
    (o, i) => outputs[o.name]!.dtype === DType.FLOAT && (example.gradOutputs?.includes(i) ?? true),
  );
  const weights = new Map<Value, Float32Array>(
    floatOutputs.map((o) => [o, Float32Array.from(outputs[o.name]!.data as Float32Array, () => rand() * 2 - 1)]),
  );
  const gradients = await analytic(def, example, outputs, weights);

  const loss = (out: Record<string, HostTensor>): number[] =>
    floatOutputs.flatMap((o) => {
      const y = out[o.name]!.data as Float32Array;
      return Array.from(weights.get(o)!, (r, i) => r * y[i]!);
    });
  const slope = async (data: Float32Array, at: number, step: number): Promise<number> => {
    const was = data[at]!;
    data[at] = was + step;
    const [high, up] = [data[at]!, loss(await session.run(feedsOf(m)))];
    data[at] = was - step;
    const [low, down] = [data[at]!, loss(await session.run(feedsOf(m)))];
    data[at] = was;
    // Differences are taken before the sum, so that unaffected elements cancel exactly.
    return up.reduce((s, x, i) => s + (x - down[i]!), 0) / (high - low);
  };
  for (const { value, host } of m.floats) {
    const got = gradients.get(value.name);
    const data = host.data as Float32Array;
    const count = Math.min(TRIED, data.length);
    let kinks = 0;
    for (let k = 0; k < count; k++) {
      const at = count === data.length ? k : Math.floor(rand() * data.length);
      const near = await slope(data, at, STEP / 2);
      const far = await slope(data, at, STEP);
      // Richardson extrapolation removes the second-order error. When the two estimates disagree,
      // there is a kink between them.
      const want = (4 * near - far) / 3;
      const scale = Math.max(1, Math.abs(want));
      if (Math.abs(near - far) > 0.01 * scale) {
        kinks++;
        continue;
      }
      const have = got ? got[at]! : 0;
      expect(Math.abs(have - want) / scale, `${value.name}[${at}]: ${have}, differences say ${want}`).toBeLessThan(
        4e-3,
      );
    }
    expect(kinks, `${value.name}: most samples sit on a kink`).toBeLessThanOrEqual(count / 2);
  }
  await session.release();
}

/**
 * Gradients of sum(output * weight) for every float input, by name, from the emitted backward
 * graph.
 */
async function analytic(
  def: OperatorDef,
  example: Example,
  outputs: Record<string, HostTensor>,
  weights: ReadonlyMap<Value, Float32Array>,
): Promise<Map<string, Float32Array>> {
  const m = exampleModel(def, example, 7);
  const byName = new Map([...weights].map(([v, w]) => [v.name, w]));
  for (const o of m.outputs) m.facts.set(o, { dtype: outputs[o.name]!.dtype, shape: outputs[o.name]!.dims });
  const b = new GraphBuilder(m.model.graph, m.model.opset);
  const terms = m.outputs
    .filter((o) => byName.has(o.name))
    .map((o) => {
      const dims = outputs[o.name]!.dims;
      const product = b.mul(o, b.tensor(f32(byName.get(o.name)!, dims)));
      return b.reduceSum(b.reshape(product, [elementCount(dims)]), [0], false);
    });
  const loss = terms.reduce((x, y) => b.add(x, y));
  const grads = buildBackward(b, { loss, wrt: m.floats.map((f) => f.value), facts: (v) => m.facts.get(v) });
  const names = new Map<string, string>();
  for (const [v, g] of grads) {
    // A gradient may be an existing value, so each output gets a name of its own.
    const out = b.op('Identity', [g]);
    names.set(v.name, out.name);
    m.model.graph.outputs.push(out);
  }
  importDomains(m.model);
  const session = await plainExecutor.open(m.model);
  const got = await session.run(feedsOf(m));
  await session.release();
  return new Map(
    [...names].map(([input, output]) => {
      const of = m.floats.find((f) => f.value.name === input)!;
      expect([...got[output]!.dims], `shape of the gradient of ${input}`).toEqual([...of.host.dims]);
      return [input, got[output]!.data as Float32Array];
    }),
  );
}
