import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { plainExecutor, threadedExecutor } from '../../../test/support/executor.ts';
import { ROOT } from '../../../test/support/files.ts';
import { GraphBuilder } from '../engine/autodiff/builder.ts';
import { threadsWork } from '../engine/autodiff/shared-step.ts';
import type { HostTensor } from '../engine/executor.ts';
import { DType } from '../engine/ir/dtype.ts';
import { Model } from '../engine/ir/model.ts';
import type { Value } from '../engine/ir/value.ts';
import { createExecutor } from './executor.ts';

/** A model with named outputs and inputs of two numbers each. */
function model(inputs: string[], make: (b: GraphBuilder, ...x: Value[]) => Record<string, Value>): Model {
  const m = new Model();
  m.opsets.set('', 17);
  const fed = inputs.map((name) => m.graph.addInput(name, { elemType: DType.FLOAT, shape: [2] }));
  for (const [name, v] of Object.entries(make(new GraphBuilder(m.graph, 17), ...fed))) {
    v.name = name;
    v.type = { elemType: DType.FLOAT };
    m.graph.outputs.push(v);
  }
  return m;
}
const two = (...data: number[]): HostTensor => ({ dtype: DType.FLOAT, dims: [2], data: Float32Array.from(data) });

describe('a session on a thread', () => {
  const double = model(['x'], (b, x) => ({ twice: b.add(x, x), square: b.mul(x, x) }));
  const sum = model(['twice', 'y'], (b, t, y) => ({ sum: b.add(t, y), difference: b.sub(t, y) }));

  it('runs like any other, one model after the other', async () => {
    const session = await threadedExecutor.openThread([double, sum], { threads: 1 });
    expect(session.inputNames).toEqual(['x', 'y']);
    expect(session.outputNames).toEqual(['sum', 'difference']);
    expect(session.outputDtypes.get('sum')).toBe(DType.FLOAT);
    const y = two(10, 20);
    const out = await session.run({ x: two(1, 2), y });
    expect(Object.keys(out)).toEqual(['sum', 'difference']);
    expect([...(out['sum']!.data as Float32Array)]).toEqual([12, 24]);
    // The caller's inputs are unchanged.
    expect([...(y.data as Float32Array)]).toEqual([10, 20]);
    expect(Object.keys(await session.run({ x: two(1, 2), y }, ['difference']))).toEqual(['difference']);
    await session.release();
    const plain = await plainExecutor.open(double);
    const alone = await threadedExecutor.openThread([double]);
    expect(await alone.run({ x: two(3, 4) })).toEqual(await plain.run({ x: two(3, 4) }));
    await alone.release();
  });

  it('takes views as what they show, and answers in the order it was asked', async () => {
    const session = await threadedExecutor.openThread([double]);
    const all = Float32Array.from({ length: 8 }, (_, i) => i);
    const asked = [0, 2, 4].map((at) =>
      session.run({ x: { dtype: DType.FLOAT, dims: [2], data: all.subarray(at, at + 2) } }, ['twice']),
    );
    const got = (await Promise.all(asked)).map((o) => [...(o['twice']!.data as Float32Array)]);
    expect(got).toEqual([[0, 2], [4, 6], [8, 10]]); // prettier-ignore
    await session.release();
  });

  it('fails with the error that a session of its own process has, and goes on', async () => {
    const session = await threadedExecutor.openThread([double]);
    const wrong = { dtype: DType.FLOAT, dims: [3], data: new Float32Array(3) };
    await expect(session.run({ x: wrong })).rejects.toMatchObject({ code: 'runtime-rejected' });
    expect([...((await session.run({ x: two(1, 1) }))['twice']!.data as Float32Array)]).toEqual([2, 2]);
    await session.release();
    const unknown = model(['x'], (b, x) => ({ y: b.op('NoSuchOperator', [x]) }));
    await expect(threadedExecutor.openThread([unknown])).rejects.toMatchObject({ code: 'runtime-rejected' });
  });

  it('is not there where the thread cannot be started', async () => {
    const { openThread } = createExecutor(join(ROOT, 'no-such-file.ts'));
    await expect(openThread!([double])).rejects.toMatchObject({ code: 'runtime-rejected' });
    expect(await threadsWork({ ...plainExecutor, openThread: openThread! })).toBe(false);
    expect(await threadsWork(threadedExecutor)).toBe(true);
    expect(await threadsWork(plainExecutor)).toBe(false);
  });

  it('has ended after its release', async () => {
    const session = await threadedExecutor.openThread([double]);
    await session.release();
    await session.release();
    await expect(session.run({ x: two(1, 2) })).rejects.toMatchObject({ code: 'runtime-rejected' });
  });
});
