import { expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { GraphBuilder } from '../autodiff/builder.ts';
import type { HostTensor } from '../executor.ts';
import { int } from '../ir/attribute.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType, Model, f32, i64, type Tensor } from '../ir/index.ts';
import { tensorFrom } from '../ir/tensor.ts';
import { choicesOf, fixSelections } from './fix-selections.ts';

/** The two largest entries of x, and twice the entries of x above zero, whose count the graph fixes at 3. */
function model(): Model {
  const m = new Model();
  m.opsets.set('', 17);
  const b = new GraphBuilder(m.graph, 17);
  const x = m.graph.addInput('x', { elemType: DType.FLOAT, shape: [6] });
  const [largest, where] = m.graph.emit('TopK', [x, b.tensor(i64([2]))], {
    outputs: 2,
    attributes: [['axis', int(0)]],
  });
  const positive = b.op('NonZero', [b.greater(x, b.scalar(0))]);
  const taken = b.op('GatherND', [x, b.op('Transpose', [positive])]);
  const sum = b.add(taken, b.tensor(f32([1, 1, 1], [3])));
  for (const v of [largest!, where!, sum]) {
    const out = b.op('Identity', [v]);
    out.type = { elemType: v === where ? DType.INT64 : DType.FLOAT };
    m.graph.outputs.push(out);
  }
  return m;
}
const feed = (...data: number[]): { x: HostTensor } => ({
  x: { dtype: DType.FLOAT, dims: [6], data: Float32Array.from(data) },
});

async function run(m: Model, feeds: Record<string, HostTensor>): Promise<HostTensor[]> {
  const session = await plainExecutor.open(m);
  try {
    const out = await session.run(feeds);
    return session.outputNames.map((n) => out[n]!);
  } finally {
    await session.release();
  }
}

it('a model runs on with the choices of another run', async () => {
  const m = model();
  const first = feed(5, -1, 2, -3, 4, -6);
  const other = feed(1, 7, -2, -3, -4, -6);
  const want = await run(m, first);
  // Two entries above zero: the sum of three has no matching shape.
  await expect(run(m, other)).rejects.toThrow();

  const probe = cloneModel(m).model;
  const choices = choicesOf(probe);
  expect(choices.map((v) => v.producer?.opType)).toEqual(['TopK', 'NonZero']);
  probe.graph.outputs.splice(0, Infinity, ...choices);
  for (const v of choices) v.type = null;
  const recorded = new Map<string, Tensor>();
  for (const [i, t] of (await run(probe, first)).entries()) recorded.set(choices[i]!.name, tensorFrom(t));

  expect(fixSelections(m, recorded)).toBe(2);
  const same = await run(m, first);
  expect(same.map((t) => [...(t.data as Float32Array)])).toEqual(want.map((t) => [...(t.data as Float32Array)]));
  // The selection stays, and values are read from the new input: entries 0 and 4, and 0, 2 and 4.
  const [largest, where, sum] = await run(m, other);
  expect([...(largest!.data as Float32Array)]).toEqual([1, -4]);
  expect([...(where!.data as BigInt64Array)]).toEqual([0n, 4n]);
  expect([...(sum!.data as Float32Array)]).toEqual([2, -1, -3]);
});

it('leaves what is the same for all data alone', () => {
  const m = new Model();
  m.opsets.set('', 17);
  const b = new GraphBuilder(m.graph, 17);
  const out = b.op('NonZero', [b.op('Shape', [m.graph.addInput('x', { elemType: DType.FLOAT, shape: ['N', 4] })])]);
  out.type = { elemType: DType.INT64 };
  m.graph.outputs.push(out);
  expect(choicesOf(m)).toEqual([]);
  expect(fixSelections(m, new Map())).toBe(0);
});
