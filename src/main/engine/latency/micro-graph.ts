/**
 * Graphs that time units at many widths in one session. Every case is a branch:
 *    seed -> producer -> the unit's own nodes at the wanted shapes -> pooled to one number,
 * and each branch's seed depends on the number of the one before. The runtime therefore executes them one after
 * another, and an input is in the cache when it is read, as in the real model. The producer of a blocked input is a 1x1
 * convolution: it writes the runtime's blocked layout, so the layout changes that a width causes are timed too.
 * Reference cases lie between: disturbances of the machine slow them as well, and times are taken relative to theirs.
 */
import { DType } from '../ir/dtype.ts';
import { attrInt, int } from '../ir/attribute.ts';
import { bodyOf } from '../ir/bodies.ts';
import { copyNode } from '../ir/clone.ts';
import type { Facts } from '../ir/facts.ts';
import { Graph } from '../ir/graph.ts';
import { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { MemoryTensor, i64, numberToHalf, type Tensor } from '../ir/tensor.ts';
import { bitsOf, elementCount } from '../ir/dtype.ts';
import { Value } from '../ir/value.ts';
import { traitsOf } from '../ops/registry.ts';
import type { UnitSpec } from './signature.ts';

/** Number of cases per reference case. */
const REFERENCE_EVERY = 8;

export interface MicroGraph {
  readonly model: Model;
  /** Number of reference cases; they are numbered after the specs. */
  readonly references: number;
  /** Inputs to feed: name, dtype, dims. */
  readonly inputs: readonly { name: string; dtype: number; dims: readonly number[] }[];
}

/** Prefix of all names that belong to case k. */
const casePrefix = (k: number): string => `case${k}.`;

/** @param like gives the operator-set versions */
export function microGraph(specs: readonly UnitSpec[], facts: Facts, like: Model): MicroGraph {
  const graph = new Graph();
  const model = new Model(graph);
  model.irVersion = like.irVersion;
  for (const [d, v] of like.opsets) model.opsets.set(d, v);
  model.functions.push(...like.functions);
  const feeds = new Map<string, Value>();
  const feed = (dtype: number, dims: readonly number[]): Value => {
    const name = `feed_${dtype}_${dims.join('x')}`;
    let v = feeds.get(name);
    if (!v) feeds.set(name, (v = graph.addInput(name, { elemType: dtype, shape: [...dims] })));
    return v;
  };
  const one = (
    opType: string,
    inputs: (Value | null)[],
    name: string,
    attributes: [string, ReturnType<typeof int>][] = [],
  ) => graph.emit(opType, inputs, { name, outputName: name, attributes })[0]!;

  let chain: Value | null = null;
  let references = 0;
  /** The reference case: a 3x3 convolution in the blocked layout and a plain addition, identical in every session. */
  const reference = (): void => {
    const k = specs.length + references++;
    const w1 = graph.addInitializer(`pre${k}_w`, noise(DType.FLOAT, [32, 1, 1, 1]));
    const w2 = graph.addInitializer(`${casePrefix(k)}w`, noise(DType.FLOAT, [32, 32, 3, 3]));
    const seed = feed(DType.FLOAT, [1, 1, 18, 18]);
    const x = one('Conv', [chain ? one('Add', [seed, chain], `pre${k}_seed`) : seed, w1], `pre${k}`);
    const y = one('Conv', [x, w2], `${casePrefix(k)}0`);
    const big = one(
      'Add',
      [feed(DType.FLOAT, [1, 32, 16, 16]), one('ReduceMean', [y], `post${k}_y`, KEEP)],
      `${casePrefix(k)}1`,
    );
    chain = one('Sigmoid', [one('ReduceMean', [big], `post${k}_mean`, KEEP)], `post${k}`);
  };
  specs.forEach((spec, k) => {
    if (k % REFERENCE_EVERY === 0) reference();
    const prefix = casePrefix(k);
    const map = new Map<Value, Value>();
    const numbers: Value[] = [];
    spec.unit.inputs.forEach((v, i) => {
      const dims = spec.shape(v);
      const dtype = facts.get(v)?.dtype ?? DType.FLOAT;
      const at = `pre${k}_${i}`;
      if (dtype !== DType.FLOAT) {
        map.set(v, feed(dtype, dims));
        return;
      }
      const blocked = spec.unit.blockedInputs.has(v) && dims.length === 4;
      const seed = feed(dtype, blocked ? [dims[0]!, 1, dims[2]!, dims[3]!] : dims);
      const chained = chain ? one('Add', [seed, chain], `${at}_seed`) : seed;
      if (!blocked) {
        map.set(v, chained);
        return;
      }
      const w = graph.addInitializer(`${at}_w`, noise(DType.FLOAT, [dims[1]!, 1, 1, 1]));
      const x = one('Conv', [chained, w], at);
      map.set(v, x);
      // A second reader prevents the runtime from fusing the unit's addition into this convolution.
      if (spec.unit.inputs.length > 1)
        numbers.push(one('ReduceMean', [one('GlobalAveragePool', [x], `${at}_pool`)], `${at}_mean`, KEEP));
    });
    for (const v of spec.unit.constants) {
      const dims = spec.shape(v);
      const constant = facts.get(v)?.constant;
      const own = v.initializer;
      const dtype = facts.get(v)?.dtype ?? own?.dtype ?? DType.FLOAT;
      const tensor =
        constant && dtype === DType.INT64 && constant.length === elementCount(dims)
          ? i64(constant.map(asInt64), dims)
          : own && sameDims(own.dims, dims) && own.byteLength <= 4096
            ? own
            : constant && dtype === DType.FLOAT && constant.length === elementCount(dims)
              ? new MemoryTensor(dtype, dims, new Uint8Array(Float32Array.from(constant).buffer))
              : noise(dtype, dims);
      map.set(v, graph.addInitializer(`${prefix}w${map.size}`, tensor));
    }
    spec.unit.nodes.forEach((n, i) => {
      graph.append(rename(copyNode(n, map, new Map()), spec, n, `${prefix}${i}`));
      for (const v of bodyOf(n)?.values() ?? []) narrow(v, map.get(v)!, spec);
    });
    for (const v of spec.unit.outputs) {
      if ((facts.get(v)?.dtype ?? 0) !== DType.FLOAT) {
        graph.outputs.push(map.get(v)!);
        continue;
      }
      const y = map.get(v)!;
      const pooled =
        facts.get(v)!.shape.length === 4 ? one('GlobalAveragePool', [y], graph.freshName(`post${k}_pool`)) : y;
      numbers.push(one('ReduceMean', [pooled], graph.freshName(`post${k}_mean`), KEEP));
    }
    // A sigmoid keeps the chain between 0 and 1 for any random weights.
    if (numbers.length)
      chain = one(
        'Sigmoid',
        [numbers.reduce((a, b) => one('Add', [a, b], graph.freshName(`post${k}_sum`)))],
        `post${k}`,
      );
  });
  reference();
  graph.outputs.push(chain!);
  return {
    model,
    references,
    inputs: [...feeds].map(([name, v]) => ({ name, dtype: v.type!.elemType, dims: v.type!.shape as number[] })),
  };
}

/** Facts hold numbers; "to the end" (2^63 - 1) is not representable as a double. */
const asInt64 = (x: number): bigint => {
  const limit = 2n ** 63n - 1n;
  const b = BigInt(Math.trunc(x));
  return b > limit ? limit : b < -limit ? -limit : b;
};

const KEEP: [string, ReturnType<typeof int>][] = [['keepdims', int(0)]];
const sameDims = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i]);

/** Renames values by case, drops declared types (the shapes differ), and adapts the group count of convolutions. */
function rename(copy: Node, spec: UnitSpec, original: Node, name: string): Node {
  copy.name = name;
  copy.outputs.forEach((o, i) => {
    if (!o.name) return;
    o.name = `${name}_out${i}`;
    o.type = null;
  });
  const { linear } = traitsOf(original);
  const [x, w] = [original.input(0), original.input(1)];
  if (linear?.groups && x && w && attrInt(original.attributes.get('group'), 1) > 1)
    copy.attributes.set('group', int(linear.groups(original, spec.shape(x)[1]!, spec.shape(w))));
  return copy;
}

/** Adapts the values in a body: weights get the wanted shapes, and declared shapes, which differ, are dropped. */
function narrow(v: Value, copy: Value, spec: UnitSpec): void {
  const own = copy.initializer;
  const dims = own ? spec.shape(v) : [];
  if (own && dims.length === own.dims.length && !sameDims(own.dims, dims)) copy.initializer = noise(own.dtype, dims);
  if (copy.type) copy.type = { elemType: copy.type.elemType };
}

let pattern = new Float32Array(0);
/**
 * Positive numbers near 0.05: no denormals, no negative variances. Contents do not change the time of dense kernels.
 */
function noise(dtype: number, dims: readonly number[]): Tensor {
  const n = elementCount(dims);
  if (dtype === DType.FLOAT) {
    if (pattern.length < n)
      pattern = Float32Array.from({ length: n }, (_, i) => 0.03 + 0.04 * ((i * 0.6180339887) % 1));
    return new MemoryTensor(dtype, dims, new Uint8Array(pattern.buffer, 0, n * 4));
  }
  if (dtype === DType.FLOAT16)
    return new MemoryTensor(dtype, dims, new Uint8Array(new Uint16Array(n).fill(numberToHalf(0.05)).buffer));
  return new MemoryTensor(dtype, dims, new Uint8Array(Math.ceil((n * (bitsOf(dtype) ?? 8)) / 8)));
}

/**
 * Sums kernel times per case: the unit's kernels, and the layout changes whose result one of them reads. NaN for a case
 * without any kernel.
 * @param fused the runtime's dump of the optimized micro-graph
 * @param times by node name of `fused`
 */
export function timesPerCase(cases: number, fused: Model, times: ReadonlyMap<string, number>): number[] {
  const caseOf = (n: Node): number => {
    const text = [n.name, ...n.outputs.map((o) => o.name)].map((s) => /^case(\d+)\./.exec(s)?.[1]).find((s) => s);
    return text === undefined ? -1 : Number(text);
  };
  const out = new Array<number>(cases).fill(NaN);
  const add = (k: number, node: Node): void => {
    const t = times.get(node.name);
    if (t !== undefined) out[k] = (Number.isNaN(out[k]) ? 0 : out[k]!) + t;
  };
  for (const node of fused.graph.nodes()) {
    if (!isReorder(node)) {
      const k = caseOf(node);
      if (k >= 0 && k < cases) add(k, node);
      continue;
    }
    // One layout change can serve several readers of the same case, but never several cases.
    for (const reader of node.output().consumers()) {
      const k = isReorder(reader) ? -1 : caseOf(reader);
      if (k < 0 || k >= cases) continue;
      add(k, node);
      break;
    }
  }
  return out;
}

const isReorder = (n: Node): boolean => n.opType === 'ReorderInput' || n.opType === 'ReorderOutput';
