// A network with any number of operators: residual blocks of small convolutions in sequence.
import { ints } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { random } from './example-model.ts';

/** At least `nodes` operators; each block has four: Conv, Relu, Conv, Add. */
export function longChain(nodes: number, width = 4): Model {
  const model = new Model();
  model.opsets.set('', 17);
  const { graph } = model;
  const b = new GraphBuilder(graph, 17);
  const rand = random(3);
  const weights = (name: string, dims: number[]): Value => {
    const n = dims.reduce((x, y) => x * y, 1);
    return graph.addInitializer(
      name,
      f32(
        Float32Array.from({ length: n }, () => 0.2 * (rand() - 0.5)),
        dims,
      ),
    );
  };
  const conv = (from: Value, name: string): Value =>
    b.op('Conv', [from, weights(`${name}.weight`, [width, width, 3, 3])], { pads: ints([1, 1, 1, 1]) });
  let at: Value = graph.addInput('x', { elemType: DType.FLOAT, shape: ['N', width, 8, 8] });
  for (let block = 0; 4 * block < nodes; block++)
    at = b.add(at, conv(b.relu(conv(at, `block${block}.a`)), `block${block}.b`));
  at.name = 'y';
  at.type = { elemType: DType.FLOAT, shape: ['N', width, 8, 8] };
  graph.outputs.push(at);
  return model;
}
