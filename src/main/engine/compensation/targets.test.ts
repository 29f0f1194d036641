import { describe, expect, it } from 'vitest';
import { DType } from '../ir/dtype.ts';
import { Graph } from '../ir/graph.ts';
import { f32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { Surgery } from '../structures/apply.ts';
import type { ResidualBlock } from '../structures/axes/types.ts';
import { Targets } from './targets.ts';

describe('targets in front of a dropped block', () => {
  it.each(['Relu', 'Clip', 'Sigmoid'])('behind a sum that %s reads', (activation) => {
    const graph = new Graph();
    const x = graph.addInput('x', { elemType: DType.FLOAT, shape: [1, 2] });
    const w = graph.addInitializer('w', f32([1, 0, 0, 1], [2, 2]));
    const one = (op: string, inputs: Value[]): Value => graph.emit(op, inputs)[0]!;
    const y = one('MatMul', [x, w]);
    const sum = one('Add', [x, y]);
    const shortcut = one(activation, [sum]);
    const branch = one('MatMul', [shortcut, w]);
    const later = one('Add', [shortcut, branch]);
    const block: ResidualBlock = {
      id: 'block',
      add: later.producer!,
      shortcut,
      branch,
      nodes: [branch.producer!],
    };
    // A surgery that keeps all values in place and drops the block.
    const surgery = {
      values: new Map([x, y, sum, shortcut].map((v) => [v, v])),
      kept: () => null,
      bypassed: [block],
    } as unknown as Surgery;
    const readout = new Targets(surgery).readout(y, () => 1)!;
    expect(readout.base).toBe(x);
    // Relu and Clip are idempotent, so the sum can be fitted to the block's output. A Sigmoid is not.
    expect(readout.target).toBe(activation === 'Sigmoid' ? sum : later);
    expect(readout.activation).toBe(activation === 'Relu' ? 'relu' : null);
  });
});
