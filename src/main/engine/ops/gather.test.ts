/** Gradient of a table indexed by fed ids. The operators' examples have only constant indices. */
import { expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { GraphBuilder } from '../autodiff/builder.ts';
import { buildBackward } from '../autodiff/walker.ts';
import { int } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';

it.each([
  [17, 0, DType.INT64],
  [13, 0, DType.INT64],
  [17, 1, DType.INT64],
  [13, 1, DType.INT32],
] as const)('adds up what falls on one row (operator set %i, axis %i)', async (opset, axis, dtype) => {
  const model = new Model();
  model.opsets.set('', opset);
  const { graph } = model;
  const dims = [5, 4, 3];
  const table = graph.addInitializer('table', f32(Array.from({ length: 60 }, (_, i) => i / 7), dims)); // prettier-ignore
  const ids = graph.addInput('ids', { elemType: dtype, shape: [2, 3] });
  const b = new GraphBuilder(graph, opset);
  const y = b.op('Gather', [table, ids], { axis: int(axis) });
  graph.outputs.push(y);
  const facts = await collectFacts(model, plainExecutor);
  const shape = facts.get(y)!.shape;
  // The outputs' weights are their positions, so that every part of the gradient is distinguishable.
  const places = Float32Array.from({ length: shape.reduce((p, q) => p * q, 1) }, (_, i) => i + 1);
  const wrt = buildBackward(b, { cotangents: new Map([[y, b.tensor(f32(places, shape))]]), wrt: [table], facts: (v) => facts.get(v) }); // prettier-ignore
  const gradient = wrt.get(table)!;
  graph.outputs.push(gradient);
  const used = [1, 3, 3, -1, 0, 3].map((i) => (axis === 1 && i < 0 ? -2 : i));
  const session = await plainExecutor.open(model);
  const data = dtype === DType.INT64 ? BigInt64Array.from(used, BigInt) : Int32Array.from(used);
  const got = (await session.run({ ids: { dtype, dims: [2, 3], data } }))[gradient.name]!;
  await session.release();
  const want = new Float32Array(60);
  const rows = dims[axis]!;
  const behind = dims.slice(axis + 1).reduce((p, q) => p * q, 1);
  places.forEach((g, at) => {
    const [outer, inner] = [Math.floor(at / (6 * behind)), at % behind];
    const i = used[Math.floor(at / behind) % 6]!;
    want[(outer * rows + (i < 0 ? i + rows : i)) * behind + inner]! += g;
  });
  expect(got.dims).toEqual(dims);
  expect([...(got.data as Float32Array)]).toEqual([...want]);
});
