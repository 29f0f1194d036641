/**
 * Sizes for dynamic axes and seeded data for inputs without data: sufficient to run a model for shapes and for timing.
 */
import type { HostTensor } from '../engine/executor.ts';
import { DType, elementCount, isFloat } from '../engine/ir/dtype.ts';
import { attrInt } from '../engine/ir/attribute.ts';
import type { Model } from '../engine/ir/model.ts';
import { numberToHalf, type NumericArray } from '../engine/ir/tensor.ts';
import type { Value } from '../engine/ir/value.ts';
import { imageNoteOf, marked } from '../engine/families/image-tokens.ts';
import { namedInput } from '../engine/families/named-inputs.ts';
import { seededRandom } from '../engine/random.ts';
import { axisNames, batchAxes, evaluateAxis, fedInputs, guessAxis, LIKELY, operandsOf } from './axes.ts';
import { keepsOrder, traitsOf } from '../engine/ops/registry.ts';
import type { Node } from '../engine/ir/node.ts';

export { fedInputs };

export interface InputShape {
  readonly name: string;
  readonly dtype: number;
  readonly dims: readonly number[];
  /** Names of dynamic axes, null where the size is fixed. An unnamed axis is called `<input>.<axis>`. */
  readonly dynamic: readonly (string | null)[];
}

export interface DimChoice {
  /** Size of the batch axes; default 1. */
  readonly batch?: number;
  /** Sizes by axis name; they win over everything else. */
  readonly dims?: Readonly<Record<string, number>>;
}

/**
 * Concrete shapes of all inputs, by precedence: declared sizes, `choice.dims`, sizes settled for the model, sizes that
 * follow from other axes (`past + sequence`), the batch, a guess. Axes with the same name get the same size.
 * @param attempt which of the likely sizes to guess
 */
export function inputShapes(model: Model, choice: DimChoice = {}, attempt: number = 0): InputShape[] {
  const sizes = sizesOf(model, choice, attempt);
  return fedInputs(model).map((v) => {
    const declared = v.type?.shape ?? [];
    const dynamic = axisNames(v);
    const dims = declared.map((d, axis) => (typeof d === 'number' ? d : sizes.get(dynamic[axis]!)!));
    return { name: v.name, dtype: v.type?.elemType ?? DType.FLOAT, dims, dynamic };
  });
}

function sizesOf(model: Model, { batch = 1, dims = {} }: DimChoice, attempt: number): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>([...model.sizes, ...Object.entries(dims)]);
  const batches = batchAxes(model);
  const open: { v: Value; axis: number; name: string }[] = [];
  for (const v of fedInputs(model))
    axisNames(v).forEach((name, axis) => {
      if (name !== null && !sizes.has(name)) open.push({ v, axis, name });
    });
  for (const { name } of open) if (batches.has(name)) sizes.set(name, batch);
  const derived = open.filter(({ name }) => operandsOf(name).length > 0);
  for (const { v, axis, name } of open)
    if (!sizes.has(name) && !derived.some((d) => d.name === name)) sizes.set(name, likely(v, axis, attempt));
  // Some exporters declare a whole cache and its new part without a formula.
  const named = (r: RegExp): string[] =>
    [...sizes.keys()].filter((n) => r.test(n) && !/[-+*]|total|_from_layer_/i.test(n));
  const [past, fresh] = [named(/past/i), named(/^(?!.*past).*(seq|^s$)/i)];
  for (const { name } of open)
    if (/total/i.test(name) && past.length === 1 && fresh.length === 1)
      sizes.set(name, sizes.get(past[0]!)! + sizes.get(fresh[0]!)!);
  for (const { v, axis, name } of derived) {
    // An operand that is no axis by itself has no other hint of its kind.
    for (const part of operandsOf(name))
      if (!sizes.has(part)) sizes.set(part, batches.has(part) ? batch : LIKELY.length[0]!);
    sizes.set(name, evaluateAxis(name, sizes) ?? likely(v, axis, attempt));
  }
  return sizes;
}

function likely(v: Value, axis: number, attempt: number): number {
  const { kind, size } = guessAxis(v, axis);
  if (kind === 'channels') return size!;
  return LIKELY[kind][Math.min(attempt, LIKELY[kind].length - 1)]!;
}

/** Floats are uniform in -1..1; integers and booleans are 1, which is valid as id, index and mask. */
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

/** True for nodes that pass on every element of their input, so that ids reach the table that they index unchanged. */
const handsOn = (n: Node): boolean => {
  const { movement } = traitsOf(n);
  return keepsOrder(n) || movement === 'permuted' || movement === 'repeated';
};

/** Rows of the smallest table that an integer input indexes; null where none is found. */
export function idLimit(v: Value, depth = 0): number | null {
  let least: number | null = null;
  for (const n of v.consumers()) {
    const table = n.opType === 'Gather' && n.input(1) === v ? n.input(0) : null;
    const axis = attrInt(n.attributes.get('axis'), 0);
    const rows = table?.initializer?.dims.at(axis) ?? (handsOn(n) && n.input(0) === v && depth < 6 ? idLimit(n.output(), depth + 1) : null); // prettier-ignore
    if (rows) least = Math.min(least ?? Infinity, rows);
  }
  return least;
}

/**
 * Feeds for a model: positions, masks and timesteps by name; ids within the table that they index; other floats random
 * in -1..1, other integers 1. Image tokens are marked where the model drops some of them inside.
 */
export function randomFeeds(
  model: Model,
  choice: DimChoice = {},
  seed = 1,
  attempt: number = 0,
): Record<string, HostTensor> {
  const out: Record<string, HostTensor> = {};
  const inputs = fedInputs(model);
  const shapes = inputShapes(model, choice, attempt);
  for (const [i, s] of shapes.entries()) out[s.name] = inputValue(model, inputs[i]!, s, shapes, seed + i);
  return out;
}

/**
 * The value of one input of a run.
 * @param all shapes of all inputs of the run
 */
export function inputValue(
  model: Model,
  v: Value,
  s: InputShape,
  all: readonly InputShape[],
  seed: number,
): HostTensor {
  const value = namedInput(s, all) ?? randomInput(v, s.dtype, s.dims, seed);
  const note = imageNoteOf(model);
  return note?.input === s.name ? marked(note, value, all) : value;
}

function randomInput(v: Value, dtype: number, dims: readonly number[], seed: number): HostTensor {
  const made = randomTensor(dtype, dims, seed);
  const rows = isFloat(dtype) || dtype === DType.BOOL ? null : idLimit(v);
  if (rows === null) return made;
  const random = seededRandom(seed);
  for (let k = 0; k < made.data.length; k++) {
    const id = Math.floor(random.next() * rows);
    (made.data as unknown as (number | bigint)[])[k] = made.data instanceof BigInt64Array || made.data instanceof BigUint64Array ? BigInt(id) : id; // prettier-ignore
  }
  return made;
}
