import type { HostTensor } from '../../src/main/engine/executor.ts';
import { DType, elementCount } from '../../src/main/engine/ir/dtype.ts';
import type { TensorFacts } from '../../src/main/engine/ir/facts.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { Node } from '../../src/main/engine/ir/node.ts';
import { toNumbers } from '../../src/main/engine/ir/tensor.ts';
import { Value } from '../../src/main/engine/ir/value.ts';
import type { Example, OperatorDef } from '../../src/main/engine/ops/contract.ts';

/** Seeded uniform numbers in [0, 1): mulberry32. */
export function random(seed: number): () => number {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface ExampleModel {
  readonly model: Model;
  readonly node: Node;
  readonly outputs: readonly Value[];
  /**
   * Float inputs with their data. They are all fed at run time, including weights, so that they can
   * be varied.
   */
  readonly floats: readonly { readonly value: Value; readonly host: HostTensor }[];
  readonly facts: Map<Value, TensorFacts>;
}

/**
 * One node of an operator's example as a model; constants are initializers, everything else is fed.
 */
export function exampleModel(def: OperatorDef, example: Example, seed = 1): ExampleModel {
  const rand = random(seed);
  const model = new Model();
  const opset = example.opset ?? 17;
  model.opsets.set('', opset);
  if (def.domain) model.opsets.set(def.domain, 1);
  model.irVersion = opset >= 21 ? 10 : 8;
  const facts = new Map<Value, TensorFacts>();
  const floats: { value: Value; host: HostTensor }[] = [];
  const inputs = example.inputs.map((input, i) => {
    if (!input) return null;
    if (input.kind === 'c') {
      const v = model.graph.addInitializer(`c${i}`, input.tensor);
      const small = input.tensor.dtype !== DType.STRING && elementCount(input.tensor.dims) <= 4096;
      facts.set(v, {
        dtype: input.tensor.dtype,
        shape: input.tensor.dims,
        ...(small ? { constant: toNumbers(input.tensor) } : {}),
      });
      return v;
    }
    const [low, high] = input.range ?? [-1, 1];
    const v = model.graph.addInput(`in${i}`, { elemType: DType.FLOAT, shape: input.shape });
    const data = Float32Array.from({ length: elementCount(input.shape) }, () => low + (high - low) * rand());
    floats.push({ value: v, host: { dtype: DType.FLOAT, dims: input.shape, data } });
    facts.set(v, { dtype: DType.FLOAT, shape: input.shape });
    return v;
  });
  const outputs = Array.from({ length: example.outputs ?? 1 }, (_, i) => new Value(`out${i}`));
  const node = new Node(def.opType, inputs, outputs, {
    name: def.opType,
    ...(def.domain ? { domain: def.domain } : {}),
    ...(example.attributes ? { attributes: example.attributes } : {}),
  });
  model.graph.append(node);
  model.graph.outputs.push(...outputs);
  return { model, node, outputs, floats, facts };
}
