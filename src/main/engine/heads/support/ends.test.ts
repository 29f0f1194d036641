import { describe, expect, it } from 'vitest';
import { int } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import { Graph } from '../../ir/graph.ts';
import type { Value } from '../../ir/value.ts';
import { f32, i64 } from '../../ir/tensor.ts';
import { graphEnd } from './ends.ts';

const setup = () => {
  const graph = new Graph();
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: [1, 4, 8] });
  const scale = graph.addInitializer('scale', f32(new Float32Array(8), [8]));
  const at = graph.addInitializer('at', i64([0], []));
  const one = (op: string, inputs: (Value | null)[], axis?: number): Value =>
    graph.emit(op, inputs, axis === undefined ? {} : { attributes: [['axis', int(axis)]] })[0]!;
  return { graph, x, scale, at, one };
};

describe('the end of a graph', () => {
  it.each(['LayerNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization', 'GroupNormalization'])(
    'is normalized behind %s, also where one place is taken',
    (op) => {
      const { x, scale, at, one } = setup();
      const normalized = one(op, [x, scale]);
      expect(graphEnd(normalized)).toMatchObject({ end: 'normalized', operator: op });
      expect(graphEnd(one('Gather', [normalized, at], 1))).toMatchObject({ end: 'normalized', operator: op });
    },
  );

  it('is not looked for behind what is picked by data', () => {
    const { graph, x, one } = setup();
    const chosen = graph.addInput('chosen', { elemType: DType.INT64, shape: ['n'] });
    expect(graphEnd(one('Gather', [one('Sigmoid', [x]), chosen]))).toMatchObject({ end: 'other', operator: 'Gather' });
  });

  it('tells the axis of a softmax where nothing has moved it since', () => {
    const { x, one } = setup();
    const scores = one('Softmax', [x], 1);
    expect(graphEnd(one('Cast', [scores]))).toMatchObject({ end: 'softmax', axis: 1 });
    expect(graphEnd(one('Flatten', [scores]))).toMatchObject({ end: 'softmax', axis: null });
    expect(graphEnd(one('Resize', [scores]))).toMatchObject({ end: 'softmax', axis: 1, resized: true });
  });

  it('is linear behind operators on integers, too', () => {
    const { x, scale, one } = setup();
    expect(graphEnd(one('DequantizeLinear', [one('QLinearMatMul', [x]), scale])).end).toBe('linear');
  });
});
