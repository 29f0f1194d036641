/**
 * Every graph that the engine emits is valid, for models whose Split outputs are used at different
 * depths.
 */
import { describe, expect, it } from 'vitest';
import type { Executor, HostTensor } from '../../src/main/engine/executor.ts';
import { int } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { verifyModel } from '../../src/main/engine/ir/verify.ts';
import { collectLayers } from '../../src/main/engine/compensation/layers.ts';
import { lookAtAll } from '../../src/main/engine/compensation/dense.ts';
import { compensate } from '../../src/main/engine/compensation/sequential.ts';
import { applyPlan } from '../../src/main/engine/structures/apply.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { plainExecutor } from '../support/executor.ts';
import { oracle, prepare, randomPlan } from '../support/prune.ts';
import { Net } from '../support/topologies.ts';

/** Refuses invalid graphs before the runtime sees them, because some of them crash the process. */
const verifying: Executor = {
  open: (model, options) => {
    verifyModel(model);
    return plainExecutor.open(model, options);
  },
};

/** C2f: both halves go to the Concat, and one also through convolutions with an addition. */
function c2f(): Net {
  const n = new Net();
  const x = n.relu(n.conv(n.input('N', 3, 8, 8), 3, 12));
  const [a, b] = n.ops('Split', [x], { axis: int(1) }, 2) as [typeof x, typeof x];
  const c = n.add(b, n.relu(n.conv(n.relu(n.conv(b, 6, 6)), 6, 6)));
  n.out(n.head(n.relu(n.conv(n.op('Concat', [a, b, c], { axis: int(1) }), 18, 10, 1)), 10));
  return n;
}

/** Res2Net: each part is added to the result of the previous part. */
function res2net(): Net {
  const n = new Net();
  const x = n.relu(n.conv(n.input('N', 3, 8, 8), 3, 12, 1));
  const [a, b, c] = n.ops('Split', [x], { axis: int(1) }, 3) as [typeof x, typeof x, typeof x];
  const p = n.relu(n.conv(b, 4, 4));
  const q = n.relu(n.conv(n.add(c, p), 4, 4));
  n.out(n.head(n.relu(n.conv(n.op('Concat', [a, p, q], { axis: int(1) }), 12, 10, 1)), 10));
  return n;
}

const batches = (count: number): Record<string, HostTensor>[] =>
  Array.from({ length: count }, (_, i) => {
    const random = seededRandom(i + 1);
    const data = Float32Array.from({ length: 16 * 3 * 64 }, () => random.normal());
    return { x: { dtype: DType.FLOAT, dims: [16, 3, 8, 8], data } };
  });

describe.each([
  ['C2f', c2f],
  ['Res2Net', res2net],
])('parts that go on at different depths: %s', (_, build) => {
  it('compensation runs no graph with an output left out', async () => {
    const p = await prepare(build().model);
    const plan = randomPlan(p, 1, 0.4);
    expect((await oracle(p, plan)).error).toBeLessThan(1e-4);
    const surgery = applyPlan(p, plan);
    const fits = await compensate(verifying, p, surgery, batches(4), { threads: 1, kind: 'least-squares' });
    expect(fits.length).toBeGreaterThan(2);
    expect(await lookAtAll(verifying, p, batches(1), 1, 1e9)).not.toBeNull();
    expect((await collectLayers(verifying, p, batches(4), 1)).size).toBeGreaterThan(2);
  });
});
