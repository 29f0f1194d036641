/**
 * Low-rank adapters (Hu et al. 2021, "LoRA: Low-rank adaptation of large language models", arXiv:2106.09685): beside a
 * product x W stands s (x A) B with s = alpha / rank. W is fixed, A and B are trained, and at the end W + s A B replaces
 * W.
 */
import { GraphBuilder } from '../autodiff/builder.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { f32, toFloat32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { traitsOf } from '../ops/registry.ts';
import { seededRandom } from '../random.ts';

export interface AdapterOptions {
  readonly rank: number;
  readonly alpha: number;
  readonly seed: number;
}

export interface Adapter {
  /** Name of the weight. */
  readonly weight: string;
  /** [inputs, rank] and [rank, outputs]; B begins as zeros, so that the model is unchanged. */
  readonly a: Value;
  readonly b: Value;
  readonly scale: number;
  /** Whether the weight is stored output by output. */
  readonly rowMajor: boolean;
}

/** Inputs and outputs of a product with a weight; null where the node is not one. */
function productOf(
  node: Node,
  index: number,
  dims: readonly number[],
): { inputs: number; outputs: number; rowMajor: boolean } | null {
  const { linear } = traitsOf(node);
  if (!linear || linear.slides || index !== 1 || dims.length !== 2) return null;
  const matrix = linear.matrix(node, dims);
  if (typeof matrix === 'string' || matrix.groups !== 1) return null;
  return { inputs: matrix.columns, outputs: matrix.rows, rowMajor: matrix.rowMajor };
}

/** Float32 matrices that only products with activations read, in the order of the graph. */
export const matricesIn = (model: Model): Value[] =>
  [...model.graph.initializers].filter((v) => {
    const t = v.initializer;
    const uses = v.uses();
    if (t?.dtype !== DType.FLOAT || uses.length === 0 || v.isGraphOutput) return false;
    return uses.every(({ node, index }) => !node.input(0)?.isInitializer && productOf(node, index, t.dims) !== null);
  });

/**
 * Changes the model in place: every product with one of the weights gets its adapter.
 * @param weights of `matricesIn`
 */
export function addAdapters(model: Model, weights: readonly Value[], { rank, alpha, seed }: AdapterOptions): Adapter[] {
  const { graph } = model;
  const builder = new GraphBuilder(graph, model.opset);
  const random = seededRandom(seed);
  return weights.map((weight): Adapter => {
    const uses = weight.uses();
    const { inputs, outputs, rowMajor } = productOf(uses[0]!.node, 1, weight.initializer!.dims)!;
    const small = Math.min(rank, inputs, outputs);
    const data = Float32Array.from({ length: inputs * small }, () => random.normal() / Math.sqrt(inputs));
    const a = graph.addInitializer(graph.freshName(`${weight.name}.lora_a`), f32(data, [inputs, small]));
    const zeros = new Float32Array(small * outputs);
    const b = graph.addInitializer(graph.freshName(`${weight.name}.lora_b`), f32(zeros, [small, outputs]));
    const scale = alpha / rank;
    for (const { node } of uses) {
      builder.before = node.next;
      const y = node.output();
      const readers = y.uses();
      const added = builder.mul(builder.matmul(builder.matmul(node.input(0)!, a), b), builder.scalar(scale));
      const sum = builder.add(y, added);
      for (const reader of readers) reader.node.setInput(reader.index, sum);
      const at = graph.outputs.indexOf(y);
      if (at >= 0) {
        graph.outputs[at] = sum;
        [y.name, sum.name] = [sum.name, y.name];
        sum.type = y.type;
      }
    }
    return { weight: weight.name, a, b, scale, rowMajor };
  });
}

/**
 * W + s A B for every adapter, by the name of the weight.
 * @param model that holds the weights
 * @param trained values of A and B by name; those of the model where one is missing
 */
export function mergedWeights(
  model: Model,
  adapters: readonly Adapter[],
  trained: ReadonlyMap<string, Float32Array>,
): Map<string, Float32Array> {
  const weights = new Map([...model.graph.initializers].map((v) => [v.name, v]));
  return new Map(
    adapters.map(({ weight, a, b, scale, rowMajor }) => {
      const [left, right] = [a, b].map((v) => trained.get(v.name) ?? toFloat32(v.initializer!)) as [Float32Array, Float32Array]; // prettier-ignore
      const [inputs, rank] = a.initializer!.dims as [number, number];
      const outputs = b.initializer!.dims[1]!;
      const data = toFloat32(weights.get(weight)!.initializer!).slice();
      for (let i = 0; i < inputs; i++)
        for (let r = 0; r < rank; r++) {
          const x = scale * left[i * rank + r]!;
          for (let o = 0; o < outputs; o++)
            data[rowMajor ? o * inputs + i : i * outputs + o]! += x * right[r * outputs + o]!;
        }
      return [weight, data];
    }),
  );
}
