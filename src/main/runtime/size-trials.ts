/**
 * Chooses other sizes of a model's dynamic axes to try. One axis is changed at a time. Axes that do not run at another
 * size alone are changed together with axes of the same size, because two inputs may name equal axes differently. After
 * that, they are changed together with an axis whose size is the sum of theirs and another one: the mask of a decoder
 * is as long as its cache plus the new tokens.
 */
import type { HostTensor } from '../engine/executor.ts';
import type { Model } from '../engine/ir/model.ts';
import { fedInputs, inputShapes, inputValue, type InputShape } from './random-inputs.ts';

/** From this size on, half is tried before double, because it costs less. */
const LARGE = 512;

/** Sizes by axis name. */
export type Sizes = Readonly<Record<string, number>>;

/** The named axes of a run and their sizes, without sums of other axes (`past + sequence`). */
export function namedSizes(inputs: readonly InputShape[]): Map<string, number> {
  const all = new Map<string, number>();
  for (const s of inputs) s.dynamic.forEach((name, axis) => name !== null && all.set(name, s.dims[axis]!));
  const isSum = (name: string): boolean =>
    name.includes('+') && name.split('+').every((p) => /^\s*\d+\s*$/.test(p) || all.has(p.trim()));
  return new Map([...all].filter(([name]) => !isSum(name)));
}

/** Other sizes to try in turn. Doubling keeps multiples; adding one covers axes with an upper limit. */
export function otherSizes(size: number): number[] {
  const half = Math.max(1, size >> 1);
  const order = size >= LARGE ? [half, size * 2, size + 1] : [size * 2, size + 1, half];
  return [...new Set(order)].filter((n) => n !== size);
}

export interface SizeTrial<T> {
  /** The changed axes with their new sizes. */
  readonly changed: Sizes;
  readonly result: T;
}

export interface SizeTrials<T> {
  readonly trials: readonly SizeTrial<T>[];
  /** Axes that run at one size only. */
  readonly stuck: readonly string[];
}

/**
 * @param attempt runs the model with axes at other sizes; null when it does not run
 * @param others the sizes to try for an axis
 */
export async function trySizes<T>(
  now: ReadonlyMap<string, number>,
  attempt: (changed: Sizes) => Promise<T | null>,
  others: (size: number) => readonly number[] = otherSizes,
): Promise<SizeTrials<T>> {
  const trials: SizeTrial<T>[] = [];
  /** Changes all of these axes by the same amount as the first one. */
  const first = async (names: readonly string[]): Promise<boolean> => {
    const size = now.get(names[0]!)!;
    for (const other of others(size)) {
      const changed = Object.fromEntries(names.map((n) => [n, now.get(n)! + other - size]));
      const result = await attempt(changed);
      if (result === null) continue;
      trials.push({ changed, result });
      return true;
    }
    return false;
  };
  const alone: string[] = [];
  for (const name of now.keys()) if (!(await first([name]))) alone.push(name);
  const bySize = new Map<number, string[]>();
  for (const name of alone) {
    const size = now.get(name)!;
    bySize.set(size, [...(bySize.get(size) ?? []), name]);
  }
  const left: string[] = [];
  for (const names of bySize.values()) if (names.length < 2 || !(await first(names))) left.push(...names);
  const moved = new Set<string>();
  for (const [addend, sum] of sumsOf(left, now)) {
    if (moved.has(addend) || !(await first([addend, sum]))) continue;
    moved.add(addend).add(sum);
  }
  return { trials, stuck: left.filter((n) => !moved.has(n)) };
}

/** Pairs of an axis and one whose size is the sum of it and a third axis. */
const sumsOf = (names: readonly string[], sizes: ReadonlyMap<string, number>): [string, string][] =>
  names.flatMap((sum) =>
    names
      .filter((addend) => {
        const rest = sizes.get(sum)! - sizes.get(addend)!;
        return addend !== sum && names.some((n) => n !== sum && n !== addend && sizes.get(n) === rest);
      })
      .map((addend): [string, string] => [addend, sum]),
  );

/** Random inputs with some axes at other sizes. Tensors whose shape does not change are taken from `feeds`. */
export function feedsAt(
  model: Model,
  feeds: Readonly<Record<string, HostTensor>>,
  now: ReadonlyMap<string, number>,
  changed: Sizes,
): Record<string, HostTensor> {
  const out: Record<string, HostTensor> = {};
  const shapes = inputShapes(model, { dims: { ...Object.fromEntries(now), ...changed } });
  const inputs = fedInputs(model);
  for (const [i, s] of shapes.entries()) {
    const before = feeds[s.name]!;
    const same = s.dims.join() === before.dims.join();
    out[s.name] = same ? before : inputValue(model, inputs[i]!, { ...s, dtype: before.dtype }, shapes, i + 1);
  }
  return out;
}
