/** Values for inputs whose names determine their content: positions, masks, timesteps, switches. */
import type { HostTensor } from '../executor.ts';
import { DType, elementCount } from '../ir/dtype.ts';
import { numberToHalf, type NumericArray } from '../ir/tensor.ts';

export interface InputDims {
  readonly name: string;
  readonly dtype: number;
  readonly dims: readonly number[];
}

/** The middle of the thousand steps that denoisers are trained with. */
const TIMESTEP = 500;

interface NamedRule {
  readonly name: RegExp;
  /** Description of the values. */
  readonly about: string;
  /**
   * The value at an index of the tensor.
   * @param all inputs of the same run
   */
  readonly at: (input: InputDims, all: readonly InputDims[]) => (i: number) => number;
}

const RULES: readonly NamedRule[] = [
  {
    name: /position_ids$/i,
    about: 'positions that count on behind the cache',
    at: ({ dims }, all) => {
      const [last, past] = [dims.at(-1) ?? 1, pastLength(all)];
      return (i) => past + (i % last);
    },
  },
  { name: /mask/i, about: 'ones', at: () => () => 1 },
  { name: /^(timesteps?|sigma)$/i, about: `the timestep ${TIMESTEP}`, at: () => () => TIMESTEP },
  {
    name: /^use_cache_branch$/i,
    about: 'whether there is a cache',
    at: (_, all) => () => Number(pastLength(all) > 0),
  },
  { name: /grid_thw$/i, about: 'a grid as square as the patches allow', at: (_, all) => gridOf(all) },
];

const ruleOf = (name: string): NamedRule | undefined => RULES.find((r) => r.name.test(name));

/**
 * The value of an input, null where its name does not determine one.
 * @param all inputs of the same run: positions start after the cache
 */
export function namedInput(input: InputDims, all: readonly InputDims[]): HostTensor | null {
  const rule = ruleOf(input.name);
  if (!rule) return null;
  return filled(input.dtype, input.dims, rule.at(input, all));
}

/** A tensor whose element i is `at(i)`, in the element type's own form. */
export const filled = (dtype: number, dims: readonly number[], at: (i: number) => number): HostTensor => ({
  dtype,
  dims,
  data: dataOf(dtype, dims, at),
});

/** Description of the values that an input gets by its name; null where the name does not determine them. */
export const aboutNamedInput = (name: string): string | null => ruleOf(name)?.about ?? null;

/** Time, rows and columns of patches. The number of rows is even where possible. */
function gridOf(all: readonly InputDims[]): (i: number) => number {
  const patches = all.find((p) => /pixel_values/i.test(p.name))?.dims[0] ?? 4;
  let rows = Math.max(1, Math.floor(Math.sqrt(patches)));
  while (rows > 1 && (patches % rows !== 0 || rows % 2 !== 0)) rows--;
  return (i) => [1, rows, patches / rows][i % 3]!;
}

/** True for an input that holds keys or values of earlier tokens, [batch, heads, tokens, width]. */
export const isCache = ({ name, dims }: Pick<InputDims, 'name' | 'dims'>): boolean =>
  /^past_|^past\./i.test(name) && dims.length === 4;

/** The token axis of a cache. */
export const CACHE_AXIS = 2;

/** Number of cached tokens in a run. */
export const pastLength = (all: readonly InputDims[]): number => all.find(isCache)?.dims[CACHE_AXIS] ?? 0;

function dataOf(dtype: number, dims: readonly number[], at: (i: number) => number): NumericArray {
  const numbers = Array.from({ length: elementCount(dims) }, (_, i) => at(i));
  switch (dtype) {
    case DType.INT64:
      return BigInt64Array.from(numbers, (x) => BigInt(x));
    case DType.INT32:
      return Int32Array.from(numbers);
    case DType.FLOAT16:
      return Uint16Array.from(numbers, numberToHalf);
    case DType.DOUBLE:
      return Float64Array.from(numbers);
    case DType.BOOL:
    case DType.UINT8:
      return Uint8Array.from(numbers);
    default:
      return Float32Array.from(numbers);
  }
}
