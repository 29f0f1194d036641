// A residual network of a few kilobytes: x [N, 3, 8, 8] -> y [N, 4].
import { ints } from '../../../src/main/engine/ir/attribute.ts';
import { DType } from '../../../src/main/engine/ir/dtype.ts';
import { Model } from '../../../src/main/engine/ir/model.ts';
import { f32 } from '../../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../../src/main/engine/ir/value.ts';
import { GraphBuilder } from '../../../src/main/engine/autodiff/builder.ts';
import { random } from '../example-model.ts';

export function residualExample(width = 8): Model {
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
        Float32Array.from({ length: n }, () => rand() - 0.5),
        dims,
      ),
    );
  };
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: ['N', 3, 8, 8] });
  const conv = (from: Value, name: string, inputs: number, outputs: number): Value =>
    b.op('Conv', [from, weights(`${name}.weight`, [outputs, inputs, 3, 3]), weights(`${name}.bias`, [outputs])], {
      pads: ints([1, 1, 1, 1]),
    });
  const stem = b.relu(conv(x, 'stem', 3, width));
  const branch = conv(b.relu(conv(stem, 'a', width, width)), 'b', width, width);
  const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [b.relu(b.add(stem, branch))])]);
  const y = b.op('Gemm', [pooled, weights('fc.weight', [width, 4]), weights('fc.bias', [4])]);
  y.name = 'y';
  y.type = { elemType: DType.FLOAT, shape: ['N', 4] };
  graph.outputs.push(y);
  return model;
}
