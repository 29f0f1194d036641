/** Reads the coupled tensors of a group unit by unit. Sums are float64; tensors are read once, in memory order. */
import { toFloat32 } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { tensorOf } from '../../structures/axes/constants.ts';
import type { Group, GroupMember } from '../../structures/axes/types.ts';

export interface WeightMember extends GroupMember {
  readonly tensor: Tensor;
}

/** Members with tensor data. */
export function weightMembers(group: Group): WeightMember[] {
  return group.members.flatMap((m) => {
    const tensor = tensorOf(m.value);
    return tensor ? [{ ...m, tensor }] : [];
  });
}

/** Weight matrices and kernels that produce units or sum over them: the weights that magnitude criteria use. */
export const matrixMembers = (group: Group): WeightMember[] =>
  weightMembers(group).filter((m) => m.role !== 'through' && m.tensor.dims.length > 1);

export const sourceMembers = (group: Group): WeightMember[] => matrixMembers(group).filter((m) => m.role === 'source');

// Several groups or criteria usually ask for the same tensor in a row.
const converted = new WeakMap<Tensor, Float32Array>();
/** Data as float32. Do not write to it. */
export function floats(t: Tensor): Float32Array {
  let data = converted.get(t);
  if (!data) converted.set(t, (data = toFloat32(t)));
  return data;
}

/** Extents before, at and after an axis. */
function strides(dims: readonly number[], axis: number): [number, number, number] {
  let outer = 1,
    inner = 1;
  for (let i = 0; i < axis; i++) outer *= dims[i]!;
  for (let i = axis + 1; i < dims.length; i++) inner *= dims[i]!;
  return [outer, dims[axis]!, inner];
}

/** For every index along the axis, the sum of `term(position in memory)` over all elements with that index. */
export function axisSums(dims: readonly number[], axis: number, term: (at: number) => number): Float64Array {
  const [outer, extent, inner] = strides(dims, axis),
    sums = new Float64Array(extent);
  for (let o = 0, at = 0; o < outer; o++)
    for (let i = 0; i < extent; i++) {
      let s = 0;
      for (let k = 0; k < inner; k++) s += term(at++);
      sums[i]! += s;
    }
  return sums;
}

/** Adds the sums of each unit's indices to `into`. */
export function addUnits(into: Float64Array, indices: GroupMember['indices'], sums: ArrayLike<number>): void {
  indices.forEach((of, u) => {
    for (const i of of) into[u]! += sums[i]!;
  });
}

/** Per unit: the sum of `term(weight)` over all elements of the given members. */
export function unitSums(units: number, members: readonly WeightMember[], term: (w: number) => number): Float64Array {
  const out = new Float64Array(units);
  for (const m of members) {
    const w = floats(m.tensor);
    addUnits(
      out,
      m.indices,
      axisSums(m.tensor.dims, m.axis, (at) => term(w[at]!)),
    );
  }
  return out;
}

/** The matrix [extent x rest], with the axis in front, as float64. */
export function axisRows(t: Tensor, axis: number): { rows: Float64Array; width: number } {
  const [outer, extent, inner] = strides(t.dims, axis),
    data = floats(t),
    width = outer * inner;
  const rows = new Float64Array(extent * width);
  for (let o = 0, at = 0; o < outer; o++)
    for (let i = 0; i < extent; i++) {
      const to = i * width + o * inner;
      for (let k = 0; k < inner; k++) rows[to + k] = data[at++]!;
    }
  return { rows, width };
}
