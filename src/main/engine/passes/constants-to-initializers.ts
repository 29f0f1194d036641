import { DType, MemoryTensor, f32, i64, type Attribute, type Graph, type Tensor } from '../ir/index.ts';
import { isMissing } from '../onnx/index.ts';
import { givenOut } from '../ir/reads.ts';
import type { Pass } from './pass.ts';

/**
 * Turns Constant nodes into initializers, in subgraphs too. Constants that are graph outputs, and sparse ones, stay.
 */
export const constantsToInitializers: Pass = {
  name: 'constants-to-initializers',
  run(model) {
    const given = givenOut(model.graph);
    const convert = (g: Graph): boolean => {
      let modified = false;
      for (const n of g.nodes()) {
        for (const sub of n.subgraphs()) modified = convert(sub) || modified;
        if (n.key !== 'Constant' || given.has(n.output())) continue;
        const tensor = tensorOf(n.attributes);
        // Before IR version 4, an initializer had to be a graph input as well, so the node is the better form there.
        if (!tensor || isMissing(tensor) || model.irVersion < 4) continue;
        const v = n.output();
        g.remove(n, true);
        v.producer = null;
        v.index = 0;
        v.graph = g;
        v.initializer = tensor;
        v.type = { elemType: tensor.dtype, shape: [...tensor.dims] };
        g.initializers.add(v);
        modified = true;
      }
      return modified;
    };
    return { model, modified: convert(model.graph) };
  },
};

/** The tensor of a Constant node, from whichever attribute holds it. */
export function tensorOf(attributes: ReadonlyMap<string, Attribute>): Tensor | null {
  for (const [name, a] of attributes) {
    switch (a.kind) {
      case 'tensor':
        if (name === 'value') return a.value;
        break;
      case 'float':
        if (name === 'value_float') return f32([a.value], []);
        break;
      case 'floats':
        if (name === 'value_floats') return f32(a.value, [a.value.length]);
        break;
      case 'int':
        if (name === 'value_int') return i64([a.value], []);
        break;
      case 'ints':
        if (name === 'value_ints') return i64(a.value);
        break;
      case 'string':
        if (name === 'value_string') return new MemoryTensor(DType.STRING, [], new Uint8Array(0), [a.value]);
        break;
      case 'strings':
        if (name === 'value_strings')
          return new MemoryTensor(DType.STRING, [a.value.length], new Uint8Array(0), a.value);
        break;
      default:
    }
  }
  return null;
}
