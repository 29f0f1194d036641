/** Sizes for dynamic axes and seeded data for inputs nobody gave: enough to run a model for shapes and for time. */
import type { HostTensor } from '../engine/executor.ts';
import { DType, elementCount } from '../engine/ir/dtype.ts';
import type { Model } from '../engine/ir/model.ts';
import { numberToHalf, type NumericArray } from '../engine/ir/tensor.ts';
import type { Value } from '../engine/ir/value.ts';
import { seededRandom } from '../engine/random.ts';

export interface InputShape {
  readonly name: string;
  readonly dtype: number;
  readonly dims: readonly number[];
  /** Names of dynamic axes, null where the size is fixed. Unnamed axes are called `<input>.<axis>`. */
  readonly dynamic: readonly (string | null)[];
}

export interface DimChoice {
  /** Size of the first axis where it is dynamic; default 1. */
  readonly batch?: number;
  /** Sizes by axis name; they win over everything else. */
  readonly dims?: Readonly<Record<string, number>>;
}

/** Graph inputs that a run must feed: those that are not also initializers. */
export const fedInputs = (model: Model): Value[] => model.graph.inputs.filter((v) => !v.isInitializer);

/** Concrete shapes of all inputs. Axes with the same name get the same size; `a + b` is understood. */
export function inputShapes(model: Model, choice: DimChoice = {}): InputShape[] {
  const sizes = new Map<string, number>(Object.entries(choice.dims ?? {}));
  return fedInputs(model).map((v) => {
    const declared = v.type?.shape ?? [];
    const dynamic = declared.map((d, axis) => (typeof d === 'number' ? null : d || `${v.name}.${axis}`));
    const dims = declared.map((d, axis) => {
      if (typeof d === 'number') return d;
      const name = dynamic[axis]!;
      const known = sizes.get(name) ?? sumOf(name, sizes);
      if (known !== undefined) return known;
      const size = defaultSize(v, axis, declared.length, name, choice.batch ?? 1);
      sizes.set(name, size);
      return size;
    });
    return { name: v.name, dtype: v.type?.elemType ?? DType.FLOAT, dims, dynamic };
  });
}

/** `past_sequence + sequence` when both parts are known. */
function sumOf(name: string, sizes: ReadonlyMap<string, number>): number | undefined {
  if (!name.includes('+')) return undefined;
  let sum = 0;
  for (const part of name.split('+').map((p) => p.trim())) {
    const n = /^\d+$/.test(part) ? Number(part) : sizes.get(part);
    if (n === undefined) return undefined;
    sum += n;
  }
  return sum;
}

function defaultSize(v: Value, axis: number, rank: number, name: string, batch: number): number {
  if (axis === 0 || /^(n|b|batch.*)$/i.test(name)) return batch;
  const conv = v.consumers().find((n) => n.opType === 'Conv' && n.input(0) === v);
  if (conv && axis === 1) {
    const channels = conv.input(1)?.initializer?.dims[1];
    const group = conv.attributes.get('group');
    if (channels) return channels * (group?.kind === 'int' ? Number(group.value) : 1);
  }
  if (rank === 4) return axis === 1 ? 3 : /chan/i.test(name) ? 3 : 224;
  if (/height|width|^h$|^w$/i.test(name)) return 224;
  return 16;
}

/** Floats uniform in -1..1; integers and booleans are 1: valid as ids, indices and masks alike. */
export function randomTensor(dtype: number, dims: readonly number[], seed = 1): HostTensor {
  const n = elementCount(dims);
  const random = seededRandom(seed);
  const make = (): NumericArray => {
    switch (dtype) {
      case DType.FLOAT:
        return Float32Array.from({ length: n }, () => random.next() * 2 - 1);
      case DType.DOUBLE:
        return Float64Array.from({ length: n }, () => random.next() * 2 - 1);
      case DType.FLOAT16:
        return Uint16Array.from({ length: n }, () => numberToHalf(random.next() * 2 - 1));
      case DType.INT64:
        return new BigInt64Array(n).fill(1n);
      case DType.UINT64:
        return new BigUint64Array(n).fill(1n);
      case DType.INT32:
        return new Int32Array(n).fill(1);
      case DType.UINT32:
        return new Uint32Array(n).fill(1);
      case DType.INT16:
        return new Int16Array(n).fill(1);
      case DType.UINT16:
        return new Uint16Array(n).fill(1);
      case DType.INT8:
        return new Int8Array(n).fill(1);
      default:
        return new Uint8Array(n).fill(1);
    }
  };
  return { dtype, dims, data: make() };
}

/** Random feeds for a model. */
export function randomFeeds(model: Model, choice: DimChoice = {}, seed = 1): Record<string, HostTensor> {
  const out: Record<string, HostTensor> = {};
  for (const [i, s] of inputShapes(model, choice).entries()) out[s.name] = randomTensor(s.dtype, s.dims, seed + i);
  return out;
}
