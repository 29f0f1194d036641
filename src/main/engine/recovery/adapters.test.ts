import { describe, expect, it } from 'vitest';
import { createExecutor } from '../../runtime/executor.ts';
import { GraphBuilder } from '../autodiff/builder.ts';
import { writeParameters } from '../autodiff/trainer.ts';
import { int } from '../ir/attribute.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';
import { seededRandom } from '../random.ts';
import { addAdapters, matricesIn, mergedWeights } from './adapters.ts';

const random = seededRandom(3);
const normal = (n: number): Float32Array => Float32Array.from({ length: n }, () => random.normal());

/** x [4, 6] through three products: one by MatMul, one by a Gemm with a transposed weight, and the first again. */
function network(): Model {
  const model = new Model();
  model.opsets.set('', 17);
  const b = new GraphBuilder(model.graph, 17);
  const weight = (name: string, ...dims: number[]) => model.graph.addInitializer(name, f32(normal(dims[0]! * (dims[1] ?? 1)), dims)); // prettier-ignore
  const x = model.graph.addInput('x', { elemType: DType.FLOAT, shape: [4, 6] });
  const [w, t] = [weight('w', 6, 6), weight('t', 5, 6)];
  const y = b.relu(b.matmul(b.relu(b.matmul(x, w)), w));
  const out = b.op('Gemm', [y, t, weight('bias', 5)], { transB: int(1) });
  out.name = 'y';
  out.type = { elemType: DType.FLOAT };
  model.graph.outputs.push(out);
  return model;
}

async function run(model: Model, x: Float32Array): Promise<Float32Array> {
  const session = await createExecutor().open(model);
  const { y } = await session.run({ x: { dtype: DType.FLOAT, dims: [4, 6], data: x } });
  await session.release();
  return y!.data as Float32Array;
}
const gap = (a: Float32Array, b: Float32Array): number => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));

describe('adapters', () => {
  it('are found for matrices that only products read', () => {
    expect(matricesIn(network()).map((v) => v.name)).toEqual(['w', 't']);
  });

  it('change nothing before training, and merged compute what they compute beside the weights', async () => {
    const model = network();
    const x = normal(24);
    const { model: wide, values } = cloneModel(model);
    const own = matricesIn(model).map((v) => values.get(v)!);
    const adapters = addAdapters(wide, own, { rank: 2, alpha: 3, seed: 1 });
    const plain = await run(model, x);
    expect(await run(wide, x)).toEqual(plain);

    const trained = new Map(
      adapters.flatMap(({ a, b }) => [a, b]).map((v) => [v.name, normal(v.initializer!.dims[0]! * v.initializer!.dims[1]!)]), // prettier-ignore
    );
    writeParameters(wide, trained);
    const { model: merged } = cloneModel(model);
    writeParameters(merged, mergedWeights(model, adapters, trained));
    const beside = await run(wide, x);
    expect(gap(beside, plain)).toBeGreaterThan(1);
    expect(gap(await run(merged, x), beside) / Math.max(...beside.map(Math.abs))).toBeLessThan(1e-5);
  });
});
