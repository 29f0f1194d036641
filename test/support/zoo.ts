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
import { EncodedTensor, isMissing } from '../../src/main/engine/onnx/index.ts';

/**
 * Gives every tensor that came without data seeded normal numbers of the statistics its documentation names
 * (`random mean=M std=S min=A max=B`), in initializers and Constant nodes, subgraphs too. In place; returns the model.
 */
export function fillZoo(model: Model, seed: number): Model {
  fillGraph(model.graph, normals(seed));
  return model;
}

function fillGraph(g: Graph, next: () => number): void {
  for (const v of g.initializers)
    if (v.initializer && isMissing(v.initializer)) v.initializer = filled(v.initializer, v.docString, next);
  for (const n of g.nodes()) {
    for (const [name, a] of n.attributes)
      if (a.kind === 'tensor' && isMissing(a.value))
        n.attributes.set(name, tensorAttr(filled(a.value, a.value.docString || n.docString, next)));
    for (const sub of n.subgraphs()) fillGraph(sub, next);
  }
}

const STATISTICS = /random mean=(\S+) std=(\S+) min=(\S+) max=(\S+)/;

function filled(t: EncodedTensor, docString: string, next: () => number): Tensor {
  const found = STATISTICS.exec(docString || t.docString);
  if (!found) throw new Error(`tensor ${t.name} [${t.dims}] has no data and does not say how to fill it: ${docString}`);
  const [mean, std, min, max] = found.slice(1).map(Number) as [number, number, number, number];
  const n = elementCount(t.dims);
  const one = (): number => (std === 0 ? mean : Math.min(max, Math.max(min, mean + std * next())));
  const data = fillArray(t.dtype, n, one);
  return new MemoryTensor(t.dtype, t.dims, new Uint8Array(data.buffer));
}

function fillArray(dtype: number, n: number, one: () => number): Float32Array | Float64Array | Uint16Array {
  if (dtype === DType.FLOAT) return new Float32Array(n).map(one);
  if (dtype === DType.DOUBLE) return new Float64Array(n).map(one);
  if (dtype === DType.FLOAT16) return new Uint16Array(n).map(() => numberToHalf(one()));
  throw new Error(`no fill for type ${dtype}`);
}

/** Standard normal numbers from a seed: mulberry32 and Box-Muller. */
export function normals(seed: number): () => number {
  let s = seed >>> 0;
  const uniform = (): number => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = s;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  let spare: number | null = null;
  return () => {
    if (spare !== null) {
      const x = spare;
      spare = null;
      return x;
    }
    const r = Math.sqrt(-2 * Math.log(1 - uniform())),
      a = 2 * Math.PI * uniform();
    spare = r * Math.sin(a);
    return r * Math.cos(a);
  };
}
