import { describe, expect, it } from 'vitest';
import { int } from './attribute.ts';
import { dataDependent, inputDependence, randomOutputs } from './dependence.ts';
import { DType } from './dtype.ts';
import { Graph } from './graph.ts';
import { Model } from './model.ts';
import { f32, i64, scalarF32 } from './tensor.ts';

const setup = () => {
  const graph = new Graph();
  const model = new Model(graph);
  model.opsets.set('', 17);
  return { graph, model, x: graph.addInput('x', { elemType: DType.FLOAT, shape: ['n', 'm'] }) };
};

describe('dependence', () => {
  it('does not lead through inputs that are read for their shape or type alone', () => {
    const { graph, model, x } = setup();
    const one = graph.addInitializer('one', scalarF32(1));
    const values = [
      graph.emit('Shape', [x])[0]!,
      graph.emit('EyeLike', [x])[0]!,
      graph.emit('CastLike', [one, x])[0]!,
      graph.emit('RandomNormalLike', [x])[0]!,
    ];
    const depends = dataDependent(model);
    // Only values that shapes do not determine count as random.
    expect(values.map((v) => depends.has(v))).toEqual([false, false, false, true]);
    expect(values.map((v) => inputDependence(model).has(v))).toEqual([false, false, false, false]);
    const [cast] = graph.emit('CastLike', [x, one]);
    expect(inputDependence(model).get(cast!)).toBe(1n);
  });

  it('tells drawn numbers from drawn sizes', () => {
    const { graph, model } = setup();
    const [drawn] = graph.emit('RandomUniform', []);
    const [count] = graph.emit('Cast', [drawn!], { attributes: [['to', int(DType.INT64)]] });
    const zero = graph.addInitializer('zero', i64([0], []));
    const one = graph.addInitializer('step', i64([1], []));
    const names = ['drawn', 'range', 'filled', 'places', 'chosen', 'scaled'];
    const table = graph.addInitializer('table', f32([1, 2], [2]));
    const values = [
      drawn!,
      graph.emit('Range', [zero, count!, one])[0]!,
      graph.emit('ConstantOfShape', [count!])[0]!,
      graph.emit('NonZero', [drawn!])[0]!,
      graph.emit('Gather', [table, count!])[0]!,
      graph.emit('Mul', [drawn!, table])[0]!,
    ];
    values.forEach((v, i) => {
      v.name = names[i]!;
      graph.outputs.push(v);
    });
    const random = randomOutputs(model);
    expect([...random.names].sort()).toEqual([...names].sort());
    expect([...random.unsized].sort()).toEqual(['filled', 'places', 'range']);
  });
});
