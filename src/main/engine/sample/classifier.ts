/**
 * The sample network: a small residual classifier with batch normalization, untrained. The layout is that of the CIFAR
 * networks of He et al. 2016 ("Deep residual learning for image recognition", section 4.2), but with strided 1x1
 * convolutions as shortcuts where the width changes, no biases before a normalization, and a strided first stage.
 */
import { float, int, ints } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import { Graph } from '../ir/graph.ts';
import { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { seededRandom, type Random } from '../random.ts';

export interface ClassifierOptions {
  /** Width and height of the input. */
  readonly size: number;
  readonly classes: number;
  /** Channels of the first convolution, which keeps the resolution. */
  readonly stem: number;
  /** Channels per stage; every stage halves the resolution. */
  readonly widths: readonly number[];
  /** Residual blocks per stage. */
  readonly blocks: number;
  readonly seed: number;
}

/** Input `image` [N, 3, size, size], float32, normalised; output `logits` [N, classes]. Opset 17. */
export function buildClassifier(options: ClassifierOptions): Model {
  const graph = new Graph();
  graph.name = 'scenes-resnet';
  const build = new Builder(graph, seededRandom(options.seed));
  const image = graph.addInput('image', { elemType: DType.FLOAT, shape: ['N', 3, options.size, options.size] });

  let x = build.relu('stem', build.norm('stem', options.stem, build.conv('stem', image, 3, options.stem)));
  let channels = options.stem;
  options.widths.forEach((width, stage) => {
    for (let block = 0; block < options.blocks; block++) {
      const stride = block === 0 ? 2 : 1;
      x = build.block(`stage${stage + 1}.block${block + 1}`, x, channels, width, stride);
      channels = width;
    }
  });

  const [pooled] = graph.emit('GlobalAveragePool', [x], { name: 'head.pool' });
  const [features] = graph.emit('Flatten', [pooled!], { name: 'head.flatten', attributes: [['axis', int(1)]] });
  const [logits] = graph.emit(
    'Gemm',
    [
      features!,
      build.weight('head.weight', [options.classes, channels], channels),
      build.constant('head.bias', options.classes, 0),
    ],
    { name: 'head', attributes: [['transB', int(1)]], outputName: 'logits' },
  );
  logits!.type = { elemType: DType.FLOAT, shape: ['N', options.classes] };
  graph.outputs.push(logits!);

  const model = new Model(graph);
  model.irVersion = 8;
  model.opsets.set('', 17);
  model.producerName = 'secateur-sample';
  return model;
}

class Builder {
  readonly graph: Graph;
  readonly random: Random;

  constructor(graph: Graph, random: Random) {
    this.graph = graph;
    this.random = random;
  }

  /** Normal with variance 2 / fan-in (He et al. 2015), which keeps the scale through rectified layers. */
  weight(name: string, dims: readonly number[], fanIn: number): Value {
    const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
    const scale = Math.sqrt(2 / fanIn);
    for (let i = 0; i < data.length; i++) data[i] = this.random.normal() * scale;
    return this.graph.addInitializer(name, f32(data, dims));
  }

  constant(name: string, n: number, value: number): Value {
    return this.graph.addInitializer(name, f32(new Float32Array(n).fill(value), [n]));
  }

  conv(name: string, x: Value, from: number, to: number, kernel = 3, stride = 1): Value {
    const pad = (kernel - 1) / 2;
    const weight = this.weight(`${name}.conv.weight`, [to, from, kernel, kernel], from * kernel * kernel);
    return this.graph.emit('Conv', [x, weight], {
      name: `${name}.conv`,
      attributes: [
        ['kernel_shape', ints([kernel, kernel])],
        ['strides', ints([stride, stride])],
        ['pads', ints([pad, pad, pad, pad])],
      ],
    })[0]!;
  }

  norm(name: string, channels: number, x: Value): Value {
    const part = (suffix: string, value: number): Value => this.constant(`${name}.norm.${suffix}`, channels, value);
    return this.graph.emit(
      'BatchNormalization',
      [x, part('scale', 1), part('bias', 0), part('mean', 0), part('var', 1)],
      {
        name: `${name}.norm`,
        attributes: [
          ['epsilon', float(1e-5)],
          ['momentum', float(0.9)],
        ],
      },
    )[0]!;
  }

  relu(name: string, x: Value): Value {
    return this.graph.emit('Relu', [x], { name: `${name}.relu` })[0]!;
  }

  /** Two 3x3 convolutions and a shortcut, which is the identity unless the width or the resolution changes. */
  block(name: string, x: Value, from: number, to: number, stride: number): Value {
    const first = this.relu(`${name}.1`, this.norm(`${name}.1`, to, this.conv(`${name}.1`, x, from, to, 3, stride)));
    const second = this.norm(`${name}.2`, to, this.conv(`${name}.2`, first, to, to));
    const shortcut =
      from === to && stride === 1
        ? x
        : this.norm(`${name}.shortcut`, to, this.conv(`${name}.shortcut`, x, from, to, 1, stride));
    const [sum] = this.graph.emit('Add', [second, shortcut], { name: `${name}.add` });
    return this.relu(name, sum!);
  }
}
