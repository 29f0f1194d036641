import { describe, expect, it } from 'vitest';
import { DType } from '../ir/dtype.ts';
import { Graph } from '../ir/graph.ts';
import { f32 } from '../ir/tensor.ts';
import { otherAddend, sumOf } from './regression.ts';

const setup = () => {
  const graph = new Graph();
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: [1, 2] });
  const shortcut = graph.addInput('shortcut', { elemType: DType.FLOAT, shape: [1, 2] });
  const [y] = graph.emit('MatMul', [x, graph.addInitializer('w', f32([1, 0, 0, 1], [2, 2]))]);
  return { graph, shortcut, y: y! };
};

describe('residual sums', () => {
  it.each(['Add', 'Sum'])('are found behind %s', (op) => {
    const { graph, shortcut, y } = setup();
    const [sum] = graph.emit(op, [shortcut, y]);
    expect(sumOf(y)).toBe(sum);
    expect(otherAddend(sum!.producer!, y)).toBe(shortcut);
  });

  it('have two addends, and neither is a constant', () => {
    const { graph, shortcut, y } = setup();
    graph.emit('Sum', [shortcut, y, shortcut]);
    expect(sumOf(y)).toBe(y);
    const other = setup();
    other.graph.emit('Add', [other.y, other.graph.addInitializer('b', f32([1, 2], [2]))]);
    expect(sumOf(other.y)).toBe(other.y);
  });
});
