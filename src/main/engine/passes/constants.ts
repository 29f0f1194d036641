import {
  DType,
  MemoryTensor,
  isFloat,
  numberToHalf,
  toFloat32,
  typedArray,
  type Graph,
  type Model,
  type Node,
  type Tensor,
  type Value,
} from '../ir/index.ts';

/** The tensor of an initializer that callers cannot override, else null. */
export function constantOf(model: Model, v: Value | null): Tensor | null {
  if (!v?.initializer) return null;
  // From IR version 4 on, an initializer that is also an input is a default that callers may replace.
  return v.isGraphInput && model.irVersion >= 4 ? null : v.initializer;
}

/** Elements of a float tensor as float64, or null for other types. A copy. */
export function toFloat64(t: Tensor): Float64Array | null {
  if (!isFloat(t.dtype)) return null;
  if (t.dtype === DType.DOUBLE) return Float64Array.from(typedArray(t) as Float64Array);
  return Float64Array.from(toFloat32(t));
}

/** Rounds float64 numbers once, to nearest even, into a tensor of any float type. */
export function fromFloat64(dtype: number, dims: readonly number[], data: Float64Array): Tensor {
  switch (dtype) {
    case DType.FLOAT:
      return bytesOf(dtype, dims, Float32Array.from(data));
    case DType.DOUBLE:
      return bytesOf(dtype, dims, data);
    case DType.FLOAT16:
      return bytesOf(dtype, dims, Uint16Array.from(data, numberToHalf));
    case DType.BFLOAT16: {
      const bits = new Uint32Array(Float32Array.from(data).buffer);
      const half = Uint16Array.from(bits, (b) =>
        (b & 0x7fffffff) > 0x7f800000 ? (b >>> 16) | 64 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16,
      );
      return bytesOf(dtype, dims, half);
    }
    default:
      throw new RangeError(`type ${dtype} is no float type`);
  }
}

const bytesOf = (dtype: number, dims: readonly number[], a: Float32Array | Float64Array | Uint16Array): Tensor =>
  new MemoryTensor(dtype, dims, new Uint8Array(a.buffer, a.byteOffset, a.byteLength));

/**
 * Gives one input of a node new constant data: in place when nothing else reads the initializer, else in a new one. A
 * missing input is added.
 */
export function setConstantInput(graph: Graph, node: Node, index: number, tensor: Tensor, suffix: string): Value {
  const v = node.input(index);
  if (v?.initializer && v.graph === graph && v.uses().length === 1 && !v.isGraphOutput) {
    v.initializer = tensor;
    v.type = { elemType: tensor.dtype, shape: [...tensor.dims] };
    v.docString = '';
    return v;
  }
  const fresh = graph.addInitializer(graph.freshName(v?.name || `${node.output().name}_${suffix}`), tensor);
  node.setInput(index, fresh);
  return fresh;
}
