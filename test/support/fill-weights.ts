/**
 * Fills models that are stored without weights. Their tensors have a shape and a type but no data,
 * and their doc_string says `random mean=M std=S min=A max=B`. Filled with seeded normal numbers,
 * such a model has the structure, cost and speed of the trained model.
 */
import { SecateurError } from '../../src/shared/contract/errors.ts';
import {
  DType,
  elementCount,
  numberToHalf,
  tensorAttr,
  MemoryTensor,
  type Graph,
  type Model,
  type Tensor,
} from '../../src/main/engine/ir/index.ts';
import { f32, toFloat32 } from '../../src/main/engine/ir/tensor.ts';
import { isMissing, type EncodedTensor } from '../../src/main/engine/onnx/encoded-tensor.ts';
import { seededRandom } from '../../src/main/engine/random.ts';

/**
 * Fills initializers and Constant nodes without data, including those of subgraphs. Works in place;
 * returns the number of tensors filled.
 * @throws SecateurError 'model-invalid' when a tensor without data does not describe its numbers
 */
export function fillMissing(model: Model, seed: number): number {
  const random = seededRandom(seed);
  return fillGraph(model.graph, () => random.normal());
}

function fillGraph(g: Graph, next: () => number): number {
  let count = 0;
  for (const v of g.initializers)
    if (v.initializer && isMissing(v.initializer)) {
      v.initializer = filled(v.initializer, v.docString, next);
      count++;
    }
  for (const n of g.nodes()) {
    for (const [name, a] of n.attributes)
      if (a.kind === 'tensor' && isMissing(a.value)) {
        n.attributes.set(name, tensorAttr(filled(a.value, a.value.docString || n.docString, next)));
        count++;
      }
    for (const sub of n.subgraphs()) count += fillGraph(sub, next);
  }
  return count;
}

const STATISTICS = /random mean=(\S+) std=(\S+) min=(\S+) max=(\S+)/;

function filled(t: EncodedTensor, docString: string, next: () => number): Tensor {
  const found = STATISTICS.exec(docString || t.docString);
  const numbers = found?.slice(1).map(Number);
  if (!numbers || numbers.some(Number.isNaN))
    throw new SecateurError('model-invalid', {
      reason: `tensor ${t.name} [${t.dims.join(', ')}] has no data and does not say what to fill it with`,
    });
  const [mean, std, min, max] = numbers as [number, number, number, number];
  const one = (): number => (std === 0 ? mean : Math.min(max, Math.max(min, mean + std * next())));
  const data = fillArray(t, elementCount(t.dims), one);
  return new MemoryTensor(t.dtype, t.dims, new Uint8Array(data.buffer));
}

function fillArray(t: EncodedTensor, n: number, one: () => number): Float32Array | Float64Array | Uint16Array {
  if (t.dtype === DType.FLOAT) return new Float32Array(n).map(one);
  if (t.dtype === DType.DOUBLE) return new Float64Array(n).map(one);
  if (t.dtype === DType.FLOAT16) return new Uint16Array(n).map(() => numberToHalf(one()));
  throw new SecateurError('model-invalid', { reason: `tensor ${t.name} has no data, and its type is no float` });
}

/**
 * Replaces matrices whose entries are all equal (heads and scales at the start of training) by
 * normal numbers, in place.
 * @returns the number of such matrices
 */
export function disturbZeros(model: Model, seed: number, deviation: number): number {
  const random = seededRandom(seed);
  let count = 0;
  eachMatrix(model, (data) => {
    if (data.length < 2 || data.some((x) => x !== data[0])) return data;
    count++;
    return data.map(() => deviation * random.normal());
  });
  return count;
}

/** Multiplies every matrix by `gain`, so that signals do not fade with depth. In place. */
export const scaleMatrices = (model: Model, gain: number): void =>
  eachMatrix(model, (data) => data.map((x) => gain * x));

/** Float32 initializers of two axes or more. */
function eachMatrix(model: Model, change: (data: Float32Array) => Float32Array): void {
  for (const v of model.graph.initializers) {
    const t = v.initializer;
    if (t?.dtype === DType.FLOAT && t.dims.length > 1) v.initializer = f32(change(toFloat32(t)), t.dims);
  }
}
