/** Detectors whose graph does not run without boxes: a cut model that finds none is judged, it does not end the job. */
import { expect, it } from 'vitest';
import { plainExecutor } from '../../../test/support/executor.ts';
import type { Dataset } from '../data/dataset.ts';
import { GraphBuilder } from '../engine/autodiff/builder.ts';
import { int, ints } from '../engine/ir/attribute.ts';
import { DType, Model, f32, i64 } from '../engine/ir/index.ts';
import { compareModels } from './evaluate.ts';

const PLACES = 4;

/**
 * x [1, 1, 8, 8] scores four boxes by its corners, times `gain`: those above one half are suppressed, gathered and given
 * out. What takes the first of them fails when there are none. `fault` breaks the model for good.
 */
function detector(gain: number, fault = false): Model {
  const m = new Model();
  m.opsets.set('', 17);
  const b = new GraphBuilder(m.graph, 17);
  const x = m.graph.addInput('x', { elemType: DType.FLOAT, shape: [1, 1, 8, 8] });
  const pooled = b.op('MaxPool', [x], { kernel_shape: ints([4, 4]), strides: ints([4, 4]) });
  const scores = b.mul(b.reshape(pooled, [1, 1, PLACES]), b.scalar(gain));
  const boxes = b.tensor(f32([0, 0, 4, 4, 0, 4, 4, 8, 4, 0, 8, 4, 4, 4, 8, 8], [1, PLACES, 4]));
  const chosen = b.op('NonMaxSuppression', [boxes, scores, b.tensor(i64([9])), b.tensor(f32([0.5], [1])), b.tensor(f32([0.5], [1]))]); // prettier-ignore
  chosen.name = 'chosen';
  const which = b.op('Squeeze', [b.slice(chosen, [2], [3], [1], [1]), b.tensor(i64([1]))]);
  const own = b.op('Gather', [b.reshape(b.add(boxes, b.mul(b.op('ReduceSum', [scores], { keepdims: int(0) }), b.scalar(0.01))), [PLACES, 4]), which], { axis: int(0) }); // prettier-ignore
  // Some exports take the first box for the scale of all.
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

/** Bright spots in 1, 2 and 3 corners: scores of 0.9 there, 0.1 elsewhere; with a gain of 0.5 none is above one half. */
const spots = [[0], [27 + 9], [0, 7, 63]];
const dataset = {
  length: spots.length,
  labels: null,
  batch: (indices: readonly number[]) => {
    const data = new Float32Array(64).fill(0.1);
    for (const at of spots[indices[0]!]!) data[at] = 0.9;
    return Promise.resolve({ dtype: DType.FLOAT, dims: [1, 1, 8, 8], data });
  },
} as unknown as Dataset;

it('counts samples without boxes, and compares numbers with the choices of the original', async () => {
  const got = await compareModels(detector(1), detector(0.5), { executor: plainExecutor, dataset });
  expect(got.original).toMatchObject({ samples: 3, agreement: 1 });
  expect(got.pruned).toMatchObject({ samples: 3, agreement: 0 });
  expect(got.notes).toEqual([expect.stringContaining('does not run on 3 of 3 samples')]);
  // Boxes and scores of the same places are near; those of none would be at 0 dB.
  expect(got.pruned.snrDb).toBeGreaterThan(3);
});

it('says nothing where the cut model runs, and lets other faults through', async () => {
  const same = await compareModels(detector(1), detector(0.9), { executor: plainExecutor, dataset });
  expect(same.pruned.agreement).toBe(1);
  expect(same.notes).toEqual([]);
  const broken = compareModels(detector(1), detector(1, true), { executor: plainExecutor, dataset });
  await expect(broken).rejects.toMatchObject({ code: 'runtime-rejected' });
});
