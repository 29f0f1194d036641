import { expect, test } from 'vitest';
import { createExecutor } from '../../runtime/executor.ts';
import { randomTensor } from '../../runtime/random-inputs.ts';
import { ints } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import { Graph } from '../ir/graph.ts';
import { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';
import { eliminateDead, foldBatchNorm, runPasses } from '../passes/index.ts';
import { seededRandom } from '../random.ts';
import { insertNormalization, normalizable } from './normalize.ts';

function network(): Model {
  const graph = new Graph();
  const model = new Model(graph);
  model.opsets.set('', 17);
  const random = seededRandom(3);
  const weight = (dims: number[]) =>
    graph.addInitializer(
      graph.freshName('w'),
      f32(
        Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal() * 0.3),
        dims,
      ),
    );
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: [4, 3, 8, 8] });
  const same = [['pads', ints([1, 1, 1, 1])]] as const;
  const a = graph.emit('Conv', [x, weight([5, 3, 3, 3]), weight([5])], { name: 'a', attributes: same })[0]!;
  const r = graph.emit('Relu', [a])[0]!;
  const y = graph.emit('Conv', [r, weight([2, 5, 3, 3])], { name: 'b', attributes: same })[0]!;
  y.type = { elemType: DType.FLOAT };
  graph.outputs.push(y);
  return model;
}

test('inserted normalization changes nothing, and folds away again', async () => {
  const executor = createExecutor();
  const x = randomTensor(DType.FLOAT, [4, 3, 8, 8], 5);
  const run = async (m: Model): Promise<Float32Array> => {
    const session = await executor.open(m);
    try {
      return Object.values(await session.run({ x }))[0]!.data as Float32Array;
    } finally {
      await session.release();
    }
  };
  const model = network();
  const before = await run(model);
  const values = normalizable(model);
  // The last convolution is the model's output, so its name and scale stay.
  expect(values.map((v) => v.producer!.name)).toEqual(['a']);
  insertNormalization(
    model,
    new Map([
      [values[0]!, { mean: Float64Array.of(0.1, -0.2, 0, 1, 2), variance: Float64Array.of(1, 2, 0.5, 0.01, 4) }],
    ]),
  );
  const types = (): string[] => [...model.graph.nodes()].map((n) => n.opType);
  expect(types()).toEqual(['Conv', 'BatchNormalization', 'Relu', 'Conv']);
  const difference = (a: Float32Array): number => Math.max(...a.map((v, i) => Math.abs(v - before[i]!)));
  expect(difference(await run(model))).toBeLessThan(1e-4);
  runPasses(model, [foldBatchNorm, eliminateDead], { verify: true });
  expect(types()).toEqual(['Conv', 'Relu', 'Conv']);
  expect(difference(await run(model))).toBeLessThan(1e-4);
});
