/** A tiny detector that fails to run when it finds no box, and images for it. */
import type { Dataset } from '../../src/main/data/dataset.ts';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { int, ints } from '../../src/main/engine/ir/attribute.ts';
import { DType, Model, f32, i64 } from '../../src/main/engine/ir/index.ts';

const PLACES = 4;

/**
 * x [1, 1, 8, 8] scores four boxes by its corners, times `gain`; boxes above one half go through
 * non-maximum suppression and are gathered as the output. Code that takes the first box fails when
 * there are none. `fault` makes the model fail for every input.
 */
export function detector(gain: number, { fault = false, chosenName = 'chosen' } = {}): Model {
  const m = new Model();
  m.opsets.set('', 17);
  const b = new GraphBuilder(m.graph, 17);
  const x = m.graph.addInput('x', { elemType: DType.FLOAT, shape: [1, 1, 8, 8] });
  const pooled = b.op('MaxPool', [x], { kernel_shape: ints([4, 4]), strides: ints([4, 4]) });
  const scores = b.mul(b.reshape(pooled, [1, 1, PLACES]), b.scalar(gain));
  const boxes = b.tensor(f32([0, 0, 4, 4, 0, 4, 4, 8, 4, 0, 8, 4, 4, 4, 8, 8], [1, PLACES, 4]));
  const chosen = b.op('NonMaxSuppression', [boxes, scores, b.tensor(i64([9])), b.tensor(f32([0.5], [1])), b.tensor(f32([0.5], [1]))]); // prettier-ignore
  chosen.name = chosenName;
  const which = b.op('Squeeze', [b.slice(chosen, [2], [3], [1], [1]), b.tensor(i64([1]))]);
  const own = b.op('Gather', [b.reshape(b.add(boxes, b.mul(b.op('ReduceSum', [scores], { keepdims: int(0) }), b.scalar(0.01))), [PLACES, 4]), which], { axis: int(0) }); // prettier-ignore
  // Some exports use the first box to scale all boxes.
  const first = b.op('Gather', [own, b.tensor(i64([fault ? PLACES + 1 : 0]))], { axis: int(0) });
  const back = b.add(own, b.mul(first, b.scalar(0.001)));
  const sure = b.op('Gather', [b.reshape(scores, [PLACES]), which], { axis: int(0) });
  const outputs = { boxes: back, scores: sure, labels: b.op('Identity', [which]) };
  for (const [name, v] of Object.entries(outputs)) {
    v.name = name;
    v.type = { elemType: name === 'labels' ? DType.INT64 : DType.FLOAT };
    m.graph.outputs.push(v);
  }
  return m;
}

/**
 * Images with bright spots in 1, 2 and 3 corners: scores of 0.9 there, 0.1 elsewhere; with a gain
 * of 0.5 none is above one half.
 */
const spots = [[0], [27 + 9], [0, 7, 63]];
export const spotted = {
  length: spots.length,
  labels: null,
  main: 'x',
  batch: (indices: readonly number[]) => {
    const data = new Float32Array(64).fill(0.1);
    for (const at of spots[indices[0]!]!) data[at] = 0.9;
    return Promise.resolve({ x: { dtype: DType.FLOAT, dims: [1, 1, 8, 8], data } });
  },
} as unknown as Dataset;
