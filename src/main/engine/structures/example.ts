/**
 * Small networks with structures of a kind. Generic tests find, mask and cut them (test/contract/structures.test.ts).
 */
import { GraphBuilder } from '../autodiff/builder.ts';
import { importDomains } from '../autodiff/walker.ts';
import { int, ints, type Attribute } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { seededRandom } from '../random.ts';

export interface KindExample {
  readonly name: string;
  readonly build: () => Model;
  /** Units of each structure of the kind, in the order of detection. */
  readonly units: readonly number[];
}

const OPSET = 17;

/** Builds a network with random weights. Linear layers are named layer1, layer2, ... */
export class ExampleNet {
  readonly #model = new Model();
  readonly #random = seededRandom(7);
  readonly b: GraphBuilder;
  #layers = 0;

  constructor() {
    this.#model.opsets.set('', OPSET);
    this.b = new GraphBuilder(this.#model.graph, OPSET);
  }

  /** Float input of these sizes. */
  input(...shape: number[]): Value {
    const { graph } = this.#model;
    return graph.addInput(graph.freshName('x'), { elemType: DType.FLOAT, shape });
  }

  /** 3x3 convolution from `c` to `m` channels. */
  conv(x: Value, c: number, m: number): Value {
    return this.#layer('Conv', [x, this.#weight(m, c, 3, 3), this.#weight(m)], { pads: ints([1, 1, 1, 1]) });
  }

  /** Product with a weight from `k` to `n` features. */
  linear(x: Value, k: number, n: number): Value {
    return this.#layer('MatMul', [x, this.#weight(k, n)]);
  }

  /** Mean over all positions of `c` channels, then three classes. */
  classes(x: Value, c: number): Value {
    return this.linear(this.b.op('Flatten', [this.b.op('GlobalAveragePool', [x])], { axis: int(1) }), c, 3);
  }

  /** The model whose only output is `y`. */
  model(y: Value): Model {
    y.type = { elemType: DType.FLOAT };
    this.#model.graph.outputs.push(y);
    importDomains(this.#model);
    return this.#model;
  }

  #layer(opType: string, inputs: Value[], attributes: Record<string, Attribute> = {}): Value {
    const name = `layer${++this.#layers}`;
    return this.#model.graph.emit(opType, inputs, { name, attributes: Object.entries(attributes) })[0]!;
  }

  #weight(...dims: number[]): Value {
    const count = dims.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: count }, () => this.#random.next() - 0.4);
    return this.b.tensor(f32(data, dims), 'w');
  }
}
