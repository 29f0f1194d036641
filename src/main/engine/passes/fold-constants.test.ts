import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { difference, runOnce } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { ints } from '../ir/attribute.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import { f32 } from '../ir/tensor.ts';
import { Model } from '../ir/model.ts';
import { inlineFunctions } from '../../runtime/inline.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';
import { foldConstants } from './fold-constants.ts';

/** x [N, 3] times a matrix that is transposed and scaled at run time, plus a row of ones from Expand. */
function detour(): Model {
  const model = new Model();
  model.opsets.set('', 17);
  const { graph } = model;
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: ['N', 3] });
  const w = graph.addInitializer('w', f32([1, 2, 3, 4, 5, 6], [2, 3]));
  const [t] = graph.emit('Transpose', [w], { attributes: [['perm', ints([1, 0])]] });
  const [scaled] = graph.emit('Mul', [t!, graph.addInitializer('two', f32([2], []))]);
  const [y] = graph.emit('MatMul', [x, scaled!], { outputName: 'y' });
  y!.type = { elemType: DType.FLOAT };
  graph.outputs.push(y!);
  return model;
}

const kinds = (m: Model): string[] => [...m.graph.nodes()].map((n) => n.opType);

describe('constants', () => {
  it('are computed once, and nothing else changes', async () => {
    const model = detour();
    const feeds = randomFeeds(model, { batch: 2 });
    const before = await runOnce(model, feeds);
    expect(await foldConstants(model, plainExecutor)).toBe(1);
    expect(kinds(model)).toEqual(['MatMul']);
    expect(difference(before, await runOnce(model, feeds))).toBe(0);
    expect(await foldConstants(model, plainExecutor)).toBe(0);
  });

  it('stay computed where the result is far larger than its parts', async () => {
    const model = detour();
    const { graph } = model;
    const ones = (name: string, dims: number[]) =>
      graph.addInitializer(name, f32(new Float32Array(1000).fill(1), dims));
    const [table] = graph.emit('MatMul', [ones('column', [1000, 1]), ones('row', [1, 1000])]);
    // The Add reads the graph input, so the table itself would have to be stored.
    const [z] = graph.emit('Add', [table!, graph.emit('ReduceSum', [graph.outputs[0]!])[0]!], { outputName: 'z' });
    z!.type = { elemType: DType.FLOAT };
    graph.outputs[0] = z!;
    await foldConstants(model, plainExecutor);
    expect(kinds(model)).toEqual(['MatMul', 'MatMul', 'ReduceSum', 'Add']);
  });

  it('are not looked for where there are none', async () => {
    const model = residualChain({ blocks: 1 });
    const copy = cloneModel(model).model;
    expect(await foldConstants(copy, plainExecutor)).toBe(0);
    expect(kinds(copy)).toEqual(kinds(model));
  });
});

describe('functions of the model', () => {
  it('are replaced by their bodies', async () => {
    const model = residualChain({ blocks: 1 });
    const feeds = randomFeeds(model, { batch: 2 });
    const before = await runOnce(model, feeds);
    // FunctionProto: name 1, input 4, output 5, node 7 (input 1, output 2, operator 4), operator sets 9, domain 10.
    const text = (field: number, s: string): number[] => [(field << 3) | 2, s.length, ...Buffer.from(s)];
    const nested = (field: number, bytes: number[]): number[] => [(field << 3) | 2, bytes.length, ...bytes];
    const encoded = Uint8Array.from([
      ...text(1, 'Activate'),
      ...text(4, 'v'),
      ...text(5, 'w'),
      ...nested(7, [...text(1, 'v'), ...text(2, 'w'), ...text(4, 'Relu')]),
      ...nested(9, [...text(1, ''), 2 << 3, 17]),
      ...text(10, 'own'),
    ]);
    model.functions.push({ domain: 'own', name: 'Activate', overload: '', encoded });
    model.opsets.set('own', 1);
    for (const n of [...model.graph.nodes()])
      if (n.opType === 'Relu') {
        const [y] = model.graph.emit('Activate', [n.input(0)!], { domain: 'own', before: n });
        n.output().replaceAllUsesWith(y!);
        model.graph.remove(n);
      }
    expect(kinds(model)).toContain('Activate');
    const inlined = await inlineFunctions(model);
    expect(kinds(inlined)).not.toContain('Activate');
    expect(kinds(inlined).filter((k) => k === 'Relu')).toHaveLength(3);
    expect(difference(before, await runOnce(inlined, feeds))).toBeLessThan(1e-6);
    expect(await inlineFunctions(inlined)).toBe(inlined);
  });
});
