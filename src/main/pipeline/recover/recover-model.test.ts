import { describe, expect, it } from 'vitest';
import { DType } from '../../engine/ir/dtype.ts';
import { Graph } from '../../engine/ir/graph.ts';
import { Model } from '../../engine/ir/model.ts';
import { f32, scalarF32 } from '../../engine/ir/tensor.ts';
import { trainable } from './recover-model.ts';

describe('trainable weights', () => {
  it('are those of linear and normalizing operators and added vectors, wherever they stand', () => {
    const graph = new Graph();
    const model = new Model(graph);
    model.opsets.set('', 23);
    const constant = (name: string, n: number) => graph.addInitializer(name, f32(new Float32Array(n), [n]));
    const matrix = (name: string) => graph.addInitializer(name, f32(new Float32Array(16), [4, 4]));
    let [v] = [graph.addInput('x', { elemType: DType.FLOAT, shape: [4, 4] })];
    const step = (op: string, inputs: Parameters<Graph['emit']>[1]): void => {
      v = graph.emit(op, inputs)[0]!;
    };
    step('RMSNormalization', [v, constant('rms', 4)]);
    step('MatMul', [matrix('left'), v]);
    step('Gemm', [matrix('gemm_left'), v, constant('bias', 4)]);
    step('BatchNormalization', [v, ...['scale', 'shift', 'mean', 'variance'].map((name) => constant(name, 4))]);
    step('Add', [v, constant('added', 4)]);
    step('Add', [v, graph.addInitializer('epsilon', scalarF32(1e-5))]);
    step('Mul', [v, constant('factor', 4)]);
    graph.outputs.push(v);
    expect(trainable(model).map((w) => w.name)).toEqual(['rms', 'left', 'gemm_left', 'bias', 'scale', 'shift', 'added']); // prettier-ignore
  });
});
