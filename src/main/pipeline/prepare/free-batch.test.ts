import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { int } from '../../engine/ir/attribute.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import { i64 } from '../../engine/ir/tensor.ts';
import { twoInputs } from '../../../../test/support/two-inputs.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';
import { keyed } from '../../../../test/support/keyed.ts';
import type { StageContext } from '../context.ts';
import { declareAs, freeBatch as freed } from './free-batch.ts';

const freeBatch = async (model: Model, name: string, ctx: Pick<StageContext, 'executor' | 'memo'>): Promise<Model> =>
  (await freed.run({ model: keyed(model, name), runtime: keyed('runtime') }, ctx)).value;

/**
 * The chain as many exporters write it: batch 1 everywhere, Reshape to [1, -1] instead of Flatten.
 */
function fixed(): Model {
  const model = residualChain({ blocks: 1 });
  const { graph } = model;
  for (const v of [...graph.inputs, ...graph.outputs])
    if (v.type?.shape) v.type = { ...v.type, shape: [1, ...v.type.shape.slice(1)] };
  const flatten = [...graph.nodes()].find((n) => n.opType === 'Flatten')!;
  const target = graph.addInitializer('target', i64([1, -1]));
  const [reshaped] = graph.emit('Reshape', [flatten.input(0)!, target], { before: flatten });
  flatten.output().replaceAllUsesWith(reshaped!);
  graph.remove(flatten);
  return model;
}

function context() {
  const figures = new Map<string, number>();
  let runs = 0;
  return {
    ctx: {
      executor: {
        open: (...args: Parameters<typeof plainExecutor.open>) => {
          runs++;
          return plainExecutor.open(...args);
        },
      },
      memo: () => ({
        get: (k: string) => figures.get(k),
        put: (k: string, v: number) => void figures.set(k, v),
      }),
    },
    opened: () => runs,
  };
}

it('is freed for all inputs of a model', async () => {
  const model = twoInputs(8, 1);
  const free = await freeBatch(model, 'two', context().ctx);
  expect(free.graph.inputs.map((v) => v.type!.shape![0])).toEqual(['batch', 'batch', 'batch']);
  const session = await plainExecutor.open(free);
  const out = await session.run(randomFeeds(free, { batch: 3 }));
  expect(out['y']!.dims).toEqual([3, 4]);
  await session.release();
});

describe('a batch size that an exporter fixed', () => {
  it('is freed where samples do not depend on each other, and declared again for what is shipped', async () => {
    const model = fixed();
    const { ctx, opened } = context();
    const free = await freeBatch(model, 'a', ctx);
    expect(free).not.toBe(model);
    expect(free.graph.inputs[0]!.type!.shape).toEqual(['batch', 3, 8, 8]);
    const session = await plainExecutor.open(free);
    const x = { dtype: DType.FLOAT, dims: [5, 3, 8, 8], data: new Float32Array(5 * 192).fill(0.5) };
    expect((await session.run({ x }))['y']!.dims).toEqual([5, 4]);
    await session.release();

    declareAs(free, model);
    expect(free.graph.inputs[0]!.type!.shape).toEqual([1, 3, 8, 8]);
    expect(free.graph.outputs[0]!.type!.shape).toEqual([1, 4]);
    const before = opened();
    await freeBatch(model, 'a', ctx);
    expect(opened()).toBe(before);
  });

  it('stays where the model mixes what lies along that axis', async () => {
    const model = fixed();
    const { graph } = model;
    const y = graph.outputs[0]!;
    const [mixed] = graph.emit('CumSum', [y, graph.addInitializer('axis', i64([0], []))], { outputName: 'z' });
    mixed!.type = y.type;
    graph.outputs[0] = mixed!;
    expect(await freeBatch(model, 'b', context().ctx)).toBe(model);
  });

  it('stays where the outputs are not one per sample', async () => {
    const model = fixed();
    const { graph } = model;
    const y = graph.outputs[0]!;
    const [flat] = graph.emit('Concat', [y, y], { attributes: [['axis', int(0)]] });
    flat!.type = { elemType: DType.FLOAT, shape: [2, 4] };
    graph.outputs[0] = flat!;
    expect(await freeBatch(model, 'c', context().ctx)).toBe(model);
  });

  it('is left alone where it is dynamic already', async () => {
    const model = residualChain({ blocks: 1 });
    const { ctx, opened } = context();
    expect(await freeBatch(model, 'd', ctx)).toBe(model);
    expect(opened()).toBe(0);
  });
});
