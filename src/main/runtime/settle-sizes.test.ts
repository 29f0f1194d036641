import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../test/support/executor.ts';
import { int, ints } from '../engine/ir/attribute.ts';
import { DType } from '../engine/ir/dtype.ts';
import { Model } from '../engine/ir/model.ts';
import { Node } from '../engine/ir/node.ts';
import { f32, i64 } from '../engine/ir/tensor.ts';
import { Value, type Dim } from '../engine/ir/value.ts';
import { batchAxes, evaluateAxis } from './axes.ts';
import { inputShapes, randomFeeds } from './random-inputs.ts';
import { applySizes, settleSizes, sizeNotes } from './settle-sizes.ts';

/** A model with these inputs, all of them read. */
function takes(inputs: Readonly<Record<string, readonly Dim[]>>, dtype: number = DType.FLOAT): Model {
  const model = new Model();
  model.opsets.set('', 17);
  for (const [name, shape] of Object.entries(inputs)) {
    const v = model.graph.addInput(name, { elemType: dtype, shape: [...shape] });
    const out = new Value(`${name}_out`);
    model.graph.append(new Node('Identity', [v], [out]));
    model.graph.outputs.push(out);
  }
  return model;
}
const then = (
  model: Model,
  op: string,
  inputs: Value[],
  attributes: [string, ReturnType<typeof int>][] = [],
): Value => {
  const out = new Value(model.graph.freshName(op));
  model.graph.append(new Node(op, inputs, [out], { attributes }));
  return out;
};
const dims = (model: Model, o = {}): Record<string, readonly number[]> =>
  Object.fromEntries(inputShapes(model, o).map((s) => [s.name, s.dims]));

describe('sizes of inputs', () => {
  it('find the batch by its name, wherever the axis is', () => {
    expect([...batchAxes(takes({ x: ['N', 512], state: [2, 'N', 16] }))]).toEqual(['N']);
    expect([...batchAxes(takes({ x: ['seq_len', 'batch', 8] }))]).toEqual(['batch']);
    expect([...batchAxes(takes({ a: ['unk__6', 4], b: ['unk__7', 4] }))]).toEqual(['unk__6', 'unk__7']);
    expect(dims(takes({ x: ['N', 512], state: [2, 'N', 16] }), { batch: 3 })).toEqual({
      x: [3, 512],
      state: [2, 3, 16],
    });
  });

  it('follow formulas, also where the formula is declared first', () => {
    const model = takes({ mask: ['N', 'P + S'], ids: ['N', 'S'], past: ['N', 2, 'P', 8] });
    expect(dims(model, { dims: { P: 5, S: 2 } })).toEqual({ mask: [1, 7], ids: [1, 2], past: [1, 2, 5, 8] });
    expect(evaluateAxis('2 * H - 1', new Map([['H', 4]]))).toBe(7);
    expect(evaluateAxis('batch-size', new Map())).toBeUndefined();
  });

  it('are those of pictures and latents in either layout', () => {
    expect(dims(takes({ x: ['N', 'h', 'w', 3] }))).toEqual({ x: [1, 224, 224, 3] });
    expect(dims(takes({ x: ['N', 3, 'h', 'w'] }))).toEqual({ x: [1, 3, 224, 224] });
    expect(dims(takes({ x: ['N', 16, 'h', 'w'] }))).toEqual({ x: [1, 16, 64, 64] });
  });

  it('come from the data first, and contradictions are errors', async () => {
    const model = takes({ x: ['N', 3, 'H', 'W'] });
    const shapes = { x: [1, 3, 48, 40] };
    expect((await settleSizes(model, plainExecutor, { shapes })).sizes).toEqual({ H: 48, W: 40 });
    await expect(settleSizes(model, plainExecutor, { shapes, dims: { H: 64 } })).rejects.toMatchObject({
      code: 'dim-contradicts',
    });
    await expect(settleSizes(model, plainExecutor, { dims: { Q: 64 } })).rejects.toMatchObject({ code: 'dim-unknown' });
    const s = await settleSizes(model, plainExecutor, { dims: { H: 32, W: 32, N: 4 } });
    expect(s).toMatchObject({ batch: 4, sizes: { H: 32, W: 32 }, guessed: [] });
  });

  it('are guessed until the model runs, and named', async () => {
    const model = takes({ x: ['N', 1, 'T'] });
    const w = model.graph.addInitializer('w', f32(new Float32Array(400), [1, 1, 400]));
    model.graph.outputs.push(then(model, 'Conv', [then(model, 'Relu', [model.graph.inputs[0]!]), w]));
    const s = await settleSizes(model, plainExecutor);
    expect(s).toMatchObject({ sizes: { T: 1024 }, guessed: ['T'] });
    applySizes(model, s);
    expect(dims(model)).toEqual({ x: [1, 1, 1024] });
    expect(sizeNotes(s, 1).join()).toMatch(/T = 1024/);
  });

  it('take the batch that the graph fixes, and say so', async () => {
    const model = takes({ x: ['N', 4] });
    const shape = model.graph.addInitializer('shape', i64([2, 4]));
    model.graph.outputs.push(then(model, 'Reshape', [model.graph.inputs[0]!, shape]));
    const s = await settleSizes(model, plainExecutor);
    expect(s).toMatchObject({ batch: 2, fixedBatch: true });
    applySizes(model, s);
    expect(inputShapes(model, { batch: 32 })[0]).toMatchObject({ dims: [2, 4], dynamic: [null, null] });
  });

  it('are refused before they are run where memory would not do', async () => {
    const model = takes({ x: ['N', 3, 'H', 'W'] });
    const rows = then(model, 'Reshape', [model.graph.inputs[0]!, model.graph.addInitializer('s', i64([1, 3, -1]))]);
    const columns = then(model, 'Transpose', [rows], [['perm', ints([0, 2, 1])]]);
    // A product of all pixels with all pixels: 50,176 squared at 224 x 224.
    model.graph.outputs.push(then(model, 'MatMul', [columns, rows]));
    await expect(settleSizes(model, plainExecutor, { memory: 4e9 })).rejects.toMatchObject({
      code: 'sizes-too-large',
      message: expect.stringMatching(/H = 224, W = 224 .* about 9\.\d+ GiB/),
    });
    expect(await settleSizes(model, plainExecutor, { memory: 4e9, dims: { H: 32, W: 32 } })).toMatchObject({
      guessed: [],
    });
  });

  it('ids lie within the table that they index', () => {
    const model = takes({ ids: ['N', 'S'] }, DType.INT64);
    const table = model.graph.addInitializer('table', f32(new Float32Array(3), [3, 1]));
    then(model, 'Gather', [table, then(model, 'Cast', [model.graph.inputs[0]!], [['to', int(DType.INT32)]])]);
    const ids = [...(randomFeeds(model)['ids']!.data as BigInt64Array)].map(Number);
    expect(Math.max(...ids)).toBeLessThan(3);
    expect(new Set(ids).size).toBe(3);
  });
});
