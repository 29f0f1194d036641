/** Building blocks that the graphs of the vision-language sample share, in the forms that exporters write. */
import { GraphBuilder } from '../../autodiff/builder.ts';
import { float, int, ints } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import { Graph } from '../../ir/graph.ts';
import { Model } from '../../ir/model.ts';
import { f32 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import type { Weights } from './sizes.ts';

export const EPSILON = 1e-5;

/** A graph under construction that reads named weights. */
export class Net {
  readonly model: Model;
  readonly b: GraphBuilder;
  readonly #weights: Weights;
  readonly #added = new Map<string, Value>();

  /** Operator set 18, and com.microsoft. */
  constructor(name: string, weights: Weights) {
    this.model = new Model(new Graph());
    this.model.graph.name = name;
    this.model.opsets.set('', 18);
    this.model.producerName = 'secateur-sample';
    this.b = new GraphBuilder(this.model.graph, 18);
    this.#weights = weights;
  }

  input(name: string, elemType: number, shape: readonly (number | string)[]): Value {
    return this.model.graph.addInput(name, { elemType, shape: [...shape] });
  }

  /** Makes `v` an output of this name; its producer must not be shared with another output. */
  output(name: string, v: Value, shape: readonly (number | string)[]): void {
    v.name = name;
    v.type = { elemType: DType.FLOAT, shape: [...shape] };
    this.model.graph.outputs.push(v);
  }

  weight(name: string): Value {
    const known = this.#added.get(name);
    if (known) return known;
    const tensor = this.#weights.get(name);
    if (!tensor) throw new Error(`the sample has no weight ${name}`);
    const v = this.model.graph.addInitializer(name, tensor);
    this.#added.set(name, v);
    return v;
  }

  /** A node whose name is the path of its module, as exporters write it. */
  named(name: string, opType: string, inputs: readonly (Value | null)[]): Value {
    return this.model.graph.emit(opType, inputs, { name, outputName: `${name}/output_0` })[0]!;
  }

  matmul(name: string, x: Value): Value {
    return this.named(`/${name.replaceAll('.', '/')}/MatMul`, 'MatMul', [x, this.weight(`${name}.weight`)]);
  }
  linear(name: string, x: Value): Value {
    return this.named(`/${name.replaceAll('.', '/')}/Add`, 'Add', [this.matmul(name, x), this.weight(`${name}.bias`)]);
  }

  layerNorm(name: string, x: Value): Value {
    const parameters = [this.weight(`${name}.weight`), this.weight(`${name}.bias`)];
    return this.b.op('LayerNormalization', [x, ...parameters], { axis: int(-1), epsilon: float(EPSILON) });
  }

  /** Root mean square normalization of the last axis, in single operators. */
  rmsNorm(name: string, x: Value): Value {
    const { b } = this;
    const square = b.op('Pow', [x, b.scalar(2)]);
    const root = b.sqrt(b.add(b.reduceMean(square, [-1], true), b.scalar(EPSILON)));
    return b.mul(b.mul(x, b.op('Reciprocal', [root])), this.weight(`${name}.weight`));
  }
  /** The same as one operator of the runtime. */
  fusedRmsNorm(name: string, x: Value): Value {
    const attributes = { axis: int(-1), epsilon: float(EPSILON), stash_type: int(1) };
    return this.b.op('SimplifiedLayerNormalization', [x, this.weight(`${name}.weight`)], attributes);
  }

  gelu(x: Value): Value {
    const { b } = this;
    const erf = b.op('Erf', [b.div(x, b.scalar(Math.SQRT2))]);
    return b.mul(b.mul(x, b.add(erf, b.scalar(1))), b.scalar(0.5));
  }

  /** down(silu(gate x) * up x) */
  gatedMlp(name: string, x: Value): Value {
    const { b } = this;
    const gate = this.matmul(`${name}.gate_proj`, x);
    const active = b.mul(b.mul(gate, b.op('Sigmoid', [gate])), this.matmul(`${name}.up_proj`, x));
    return this.matmul(`${name}.down_proj`, active);
  }

  /** [B, S, heads * size] as [B, heads, S, size]. */
  splitHeads(x: Value, heads: number, size: number): Value {
    return this.b.transpose(this.b.reshape(x, [0, 0, heads, size]), [0, 2, 1, 3]);
  }
  joinHeads(x: Value, width: number): Value {
    return this.b.reshape(this.b.transpose(x, [0, 2, 1, 3]), [0, 0, width]);
  }

  conv(name: string, x: Value): Value {
    return this.b.op('Conv', [x, this.weight(`${name}.weight`), this.weight(`${name}.bias`)], {
      kernel_shape: ints([3, 3]),
      strides: ints([2, 2]),
      pads: ints([1, 1, 1, 1]),
    });
  }
}

/** Frequencies of the rotary positions, one per pair of a head of `size` (Su et al. 2021, arXiv:2104.09864). */
export const rotaryFrequencies = (size: number, theta: number): Float32Array =>
  Float32Array.from({ length: size / 2 }, (_, i) => theta ** ((-2 * i) / size));

/** Cosines and sines of positions, each [positions, size / 2]. */
export function rotaryTables(
  positions: readonly number[],
  size: number,
  theta: number,
): { cos: Float32Array; sin: Float32Array } {
  // prettier-ignore
  const frequencies = rotaryFrequencies(size, theta);
  const angles = positions.flatMap((p) => Array.from(frequencies, (f) => Math.fround(p * f)));
  return { cos: Float32Array.from(angles, Math.cos), sin: Float32Array.from(angles, Math.sin) };
}

export const constantOf = (net: Net, name: string, data: Float32Array, dims: readonly number[]): Value =>
  net.b.tensor(f32(data, dims), name);
