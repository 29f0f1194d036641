import { DType, Model, f32, float, i64, int, ints, str, type Value } from '../../src/main/engine/ir/index.ts';

/**
 * A convolutional network with targets for the passes: batch norms after Conv (grouped, without a
 * bias), after ConvTranspose (grouped) and after Gemm (scaled bias), Identity, inference Dropout,
 * dead nodes, a shared weight. `next` returns numbers in [0, 1). Input x [N, 4, 6, 6], outputs y
 * [N, 5] and z [N, 6, 7, 7].
 */
export function smallNetwork(next: () => number): Model {
  const model = new Model();
  model.opsets.set('', 17);
  model.producerName = 'test';
  const g = model.graph;
  g.name = 'small';
  const weights = (name: string, dims: number[], low = -1, high = 1): Value => {
    const n = dims.reduce((a, b) => a * b, 1);
    return g.addInitializer(
      name,
      f32(
        Array.from({ length: n }, () => low + (high - low) * next()),
        dims,
      ),
    );
  };
  const batchNorm = (x: Value, channels: number, name: string): Value =>
    g.emit(
      'BatchNormalization',
      [
        x,
        weights(`${name}_scale`, [channels]),
        weights(`${name}_beta`, [channels]),
        weights(`${name}_mean`, [channels]),
        weights(`${name}_var`, [channels], 0.5, 2),
      ],
      { name, attributes: [['epsilon', float(1e-3)]] },
    )[0]!;
  const x = g.addInput('x', { elemType: DType.FLOAT, shape: ['N', 4, 6, 6] });
  const shared = weights('shared', [8, 2, 3, 3]);
  const conv = (from: Value, name: string, bias?: Value): Value =>
    g.emit('Conv', [from, shared, ...(bias ? [bias] : [])], {
      name,
      attributes: [
        ['group', int(2)],
        ['pads', ints([1, 1, 1, 1])],
      ],
    })[0]!;
  const a = batchNorm(conv(x, 'conv1'), 8, 'bn1');
  const b = batchNorm(conv(x, 'conv2', weights('conv2_bias', [8])), 8, 'bn2');
  const identity = g.emit('Identity', [g.emit('Add', [a, b])[0]!])[0]!;
  g.emit('Sigmoid', [identity], { name: 'dead' });
  const dropped = g.emit('Dropout', [identity])[0]!;
  const up = g.emit('ConvTranspose', [dropped, weights('up', [8, 3, 2, 2]), weights('up_bias', [6])], {
    attributes: [['group', int(2)]],
  })[0]!;
  const z = g.emit('Identity', [batchNorm(up, 6, 'bn3')], { outputName: 'z' })[0]!;
  const shape = g.emit('Constant', [], { attributes: [['value', { kind: 'tensor', value: i64([0, -1]) }]] })[0]!;
  const flat = g.emit('Reshape', [g.emit('GlobalAveragePool', [identity])[0]!, shape])[0]!;
  const gemm = g.emit('Gemm', [flat, weights('fc', [5, 8]), weights('fc_bias', [5])], {
    attributes: [
      ['transB', int(1)],
      ['alpha', float(0.5)],
      ['beta', float(2)],
    ],
  })[0]!;
  const y = batchNorm(gemm, 5, 'bn4');
  y.name = 'y';
  for (const v of [y, z]) v.type = { elemType: DType.FLOAT };
  g.emit('Constant', [], { attributes: [['value_string', str('unused')]] });
  g.outputs.push(y, z);
  return model;
}
