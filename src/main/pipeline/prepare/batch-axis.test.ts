/** Outputs whose samples do not lie along the first axis are still judged per sample. */
import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import type { Dataset } from '../../data/dataset.ts';
import { batchFirst } from '../../engine/batch-first.ts';
import { ints } from '../../engine/ir/attribute.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import { i64 } from '../../engine/ir/tensor.ts';
import { batchAxesOfOutputs } from '../../runtime/output-axes.ts';
import { randomTensor } from '../../runtime/random-inputs.ts';
import { compareModels } from '../evaluate/evaluate.ts';
import { openModelData } from './model-data.ts';
import { readOutputs } from './readings.ts';

const SAMPLES = 7;
const dataset = {
  length: SAMPLES,
  main: 'x',
  labels: Int32Array.from([0, 1, 2, 3, 0, 1, 2]),
  classNames: null,
  name: (i: number) => `row ${i}`,
  batch: (indices: readonly number[]) => {
    const size = 3 * 8 * 8;
    const data = new Float32Array(indices.length * size);
    indices.forEach((i, k) => data.set(randomTensor(DType.FLOAT, [size], 10 + i).data as Float32Array, k * size));
    return Promise.resolve({ x: { dtype: DType.FLOAT, dims: [indices.length, 3, 8, 8], data } });
  },
} as unknown as Dataset;

/**
 * Softmax classes [N, 4], or as [4, N], or with axes [1, N, 4]; `fixed` fixes the batch; output
 * types are only given when declared.
 */
function classifier(seed: number, lie: 'rows' | 'columns' | 'layers', { fixed = 0, declared = false } = {}): Model {
  const model = residualChain({ blocks: 1, seed });
  const { graph } = model;
  const y = graph.outputs[0]!;
  y.name = 'logits';
  let out = graph.emit('Softmax', [y])[0]!;
  if (lie === 'columns') out = graph.emit('Transpose', [out], { attributes: [['perm', ints([1, 0])]] })[0]!;
  if (lie === 'layers') out = graph.emit('Unsqueeze', [out, graph.addInitializer('axes', i64([0], [1]))])[0]!;
  out.name = 'out';
  const shape = { rows: ['N', 4], columns: [4, 'N'], layers: [1, 'N', 4] }[lie];
  out.type = { elemType: DType.FLOAT, ...(declared && { shape }) };
  graph.outputs.splice(0, 1, out);
  if (fixed) graph.inputs[0]!.type = { elemType: DType.FLOAT, shape: [fixed, 3, 8, 8] };
  return model;
}

const compared = async (lie: Parameters<typeof classifier>[1], o: Parameters<typeof classifier>[2] = {}) => {
  const [original, other] = [classifier(3, lie, o), classifier(4, lie, o)];
  return compareModels(original, other, { executor: plainExecutor, dataset, batch: 3 });
};

describe('classes in columns', () => {
  it.each([{}, { declared: true }, { fixed: 3 }])('are judged as those in rows: %j', async (o) => {
    const [rows, columns] = [await compared('rows', o), await compared('columns', o)];
    expect(rows.pruned.top1).toBeDefined();
    expect(columns.original).toEqual(rows.original);
    expect(columns.pruned).toEqual(rows.pruned);
    expect(columns.meanings.get('out')).toMatchObject({ reading: 'classes', axis: 1, batchAxis: 1, labels: true });
    expect(rows.meanings.get('out')!.batchAxis).toBeUndefined();
  });

  it('are not taken for rows where there are as many classes as samples', async () => {
    // With four samples and four classes, only a run at another size identifies the batch axis.
    const [original, other] = [classifier(3, 'columns'), classifier(4, 'columns')];
    const four = await compareModels(original, other, { executor: plainExecutor, dataset, batch: 4 });
    expect(four.pruned).toEqual((await compared('rows')).pruned);
  });
});

it('judges the samples of a sequence that come second', async () => {
  const layers = await compared('layers');
  expect(layers.pruned.samples).toBe(SAMPLES);
  expect(layers.pruned.outputs![0]).toMatchObject({ reading: 'map', samples: SAMPLES });
  expect(layers.meanings.get('out')).toMatchObject({ batchAxis: 1, axis: 2 });
});

it('reads the graph’s end by the axis that it has in the model', async () => {
  const model = classifier(3, 'columns');
  // Softmax along the class axis, after the Transpose.
  const { graph } = model;
  const [softmax, transpose] = [graph.outputs[0]!.producer!.input(0)!.producer!, graph.outputs[0]!.producer!];
  transpose.setInput(0, softmax.input(0));
  const again = graph.emit('Softmax', [transpose.output()], { attributes: [['axis', { kind: 'int', value: 0n }]] })[0]!;
  transpose.output().name = 'turned';
  again.name = 'out';
  again.type = { elemType: DType.FLOAT };
  graph.outputs.splice(0, 1, again);
  const meaning = (await readOutputs(model, { dataset: null }, plainExecutor)).get('out');
  expect(meaning).toMatchObject({ reading: 'classes', axis: 1, batchAxis: 1 });
});

it('moves the samples to the front', () => {
  const t = { dtype: DType.FLOAT, dims: [2, 3, 2], data: Float32Array.from({ length: 12 }, (_, i) => i) };
  const moved = batchFirst(t, 1);
  expect(moved.dims).toEqual([3, 2, 2]);
  expect([...moved.data]).toEqual([0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
});

it('leaves out what has no samples', () => {
  const at = (batch: number) => ({ outputs: { out: { dims: [5, 4] } }, batch });
  expect(batchAxesOfOutputs(classifier(3, 'rows'), at(2), at(3)).size).toBe(0);
  expect(batchAxesOfOutputs(classifier(3, 'rows'), at(5), null).get('out')).toBe(0);
});

it('refuses data for an input whose samples come second', async () => {
  const model = residualChain({ blocks: 1 });
  model.graph.inputs[0]!.type = { elemType: DType.FLOAT, shape: ['seq', 'batch', 8, 8] };
  const memo = () => ({ get: () => undefined, put: () => undefined });
  await expect(openModelData(model, 'm.onnx', { data: 'x.npy' }, { memo })).rejects.toMatchObject({
    code: 'data-shape',
  });
});
