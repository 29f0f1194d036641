/** Checks that the runtime can open and run a session on an execution provider of this machine. */
import { DType } from '../engine/ir/dtype.ts';
import { Model } from '../engine/ir/model.ts';
import { f32 } from '../engine/ir/tensor.ts';
import type { StageContext } from '../pipeline/context.ts';

/** True when a tiny matrix product is correct. Throws `runtime-rejected` when no session opens. */
export async function runProvider(
  { provider }: { readonly provider: string },
  ctx: Pick<StageContext, 'executor'>,
): Promise<boolean> {
  const session = await ctx.executor.open(product(), { provider, threads: 1 });
  try {
    const x = { dtype: DType.FLOAT, dims: [1, 4], data: Float32Array.of(1, 2, 3, 4) };
    const y = (await session.run({ x }))['y']?.data[0];
    return Math.abs(Number(y) - 10) < 0.1;
  } finally {
    await session.release();
  }
}

/** x [1, 4] times ones [4, 8]: all of its 8 results are the sum of x. */
function product(): Model {
  const model = new Model();
  model.irVersion = 8;
  model.opsets.set('', 17);
  const x = model.graph.addInput('x', { elemType: DType.FLOAT, shape: [1, 4] });
  const w = model.graph.addInitializer('w', f32(new Float32Array(32).fill(1), [4, 8]));
  const [y] = model.graph.emit('MatMul', [x, w], { outputName: 'y' });
  model.graph.outputs.push(y!);
  return model;
}
