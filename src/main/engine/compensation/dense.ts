/**
 * Values of the original model that regressions need: samples at some positions, and means over all. They are computed
 * in one pass for all operators, which later budgets of the same model can reuse, or one operator after another where
 * one pass would exceed the memory limit.
 */
import type { GraphBuilder } from '../autodiff/builder.ts';
import type { Executor, HostTensor } from '../executor.ts';
import { DType, elementCount } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import type { Value } from '../ir/value.ts';
import { thin } from '../statistics/grams.ts';
import { channelAxis, isLinear, regressionOf, sumOf } from './regression.ts';
import { positionsOf, thinning } from './rows.ts';
import { ActivationCache } from './activation-cache.ts';
import { traitsOf } from '../ops/registry.ts';

type Batches = readonly Readonly<Record<string, HostTensor>>[];
interface Original {
  readonly model: Model;
  readonly facts: Facts;
}

export interface Looked {
  /** Axis of the channels. Positions are thinned where it is 1. */
  readonly axis: number;
  /** Values at the sampled positions, per batch. */
  readonly tensors: readonly HostTensor[];
  /** Positions are thinned as `thinning` gives for the whole value. */
  readonly every: number;
  /** Means over all axes but the channels. */
  readonly mean: Float64Array;
}

export class Dense {
  readonly #stream: ActivationCache;
  readonly #original: Original;
  readonly #known: ReadonlyMap<string, Looked>;

  /** @param known results of `lookAtAll` for the same batches, by value name */
  constructor(
    executor: Executor,
    original: Original,
    batches: Batches,
    threads: number,
    known?: ReadonlyMap<string, Looked>,
  ) {
    this.#stream = new ActivationCache(executor, original.model, batches, threads);
    this.#original = original;
    this.#known = known ?? new Map();
  }

  /**
   * Null for a value that is not float32.
   * @param axis of its channels
   */
  async look(v: Value, axis: number): Promise<Looked | null> {
    const known = this.#known.get(v.name);
    if (known?.axis === axis) return known;
    if (this.#original.facts.get(v)?.dtype !== DType.FLOAT) return null;
    const [whole] = await this.#stream.get(v);
    const { dims } = whole![0]!;
    const every = axis === 1 ? thinning(dims) : 1;
    const looks = emptyLooks(dims[axis]!);
    await this.#stream.look({ hold: [v], emit: (b, at) => emitLook(b, at(v), dims, axis, every), each: looks.add });
    return { axis, every, ...looks.take(whole!.length) };
  }

  /** Drops values that are not needed to compute those after `v`. */
  passed(v: Value): void {
    if (v.producer && !this.#known.has(v.name)) this.#stream.passed(v.producer);
  }
}

/** @param dims of the whole value */
function emitLook(b: GraphBuilder, v: Value, dims: readonly number[], axis: number, every: number) {
  return {
    looked: axis === 1 ? thin(b, v, dims, dims.length - 2, every) : v,
    mean: channelMeans(b, v, dims.length, axis),
  };
}

/** Means of a value over all axes but its channels. */
export function channelMeans(b: GraphBuilder, v: Value, rank: number, axis: number): Value {
  // Pooling averages in place; a reduction would transpose first.
  const pooled = axis === 1 && rank > 2 ? b.op('GlobalAveragePool', [v]) : v;
  const rest = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis);
  return b.reduceMean(pooled, rest, false);
}

function emptyLooks(channels: number) {
  const tensors: HostTensor[] = [];
  const mean = new Float64Array(channels);
  return {
    add: ({ looked, mean: m }: Readonly<Record<string, HostTensor>>): void => {
      tensors.push(looked!);
      for (let c = 0; c < channels; c++) mean[c]! += (m!.data as Float32Array)[c]!;
    },
    take: (batches: number) => ({ tensors, mean: mean.map((x) => x / batches) }),
  };
}

/** True where the facts' shapes, except for the batch, match the batches. */
export function shapesHold({ model, facts }: Original, batches: Batches): boolean {
  const fed = model.graph.inputs.filter((v) => !v.isInitializer);
  return fed.every((v) => {
    const [want, have] = [facts.get(v)?.shape, batches[0]?.[v.name]?.dims];
    return want && want.length === have?.length && want.every((d, i) => i === 0 || d === have[i]);
  });
}

/**
 * Computes all values that linear operators may be fitted to, in one pass.
 * @param maxBytes limit for all values; returns null above it, and for batches whose sizes differ from the facts
 */
export async function lookAtAll(
  executor: Executor,
  original: Original,
  batches: Batches,
  threads: number,
  maxBytes: number,
): Promise<Map<string, Looked> | null> {
  const { model, facts } = original;
  const [first] = batches;
  if (!first || !shapesHold(original, batches)) return null;
  const inputs = model.graph.inputs.filter((v) => !v.isInitializer);
  const samples = (f: Readonly<Record<string, HostTensor>>): number => f[inputs[0]!.name]!.dims[0]!;
  const axes = new Map<Value, number>();
  for (const node of model.graph.nodes()) {
    if (!isLinear(node)) continue;
    const r = regressionOf(node);
    const v = sumOf(typeof r === 'string' ? node.output() : r.out);
    const fact = facts.get(v);
    if (fact?.dtype === DType.FLOAT && fact.shape.length > 1 && fact.shape[0]! > 0)
      axes.set(v, channelAxis({ axis: traitsOf(node).linear!.channelAxis }, fact.shape.length));
  }
  const perSample = (v: Value, axis: number): number => {
    const { shape } = facts.get(v)!;
    return axis === 1 ? shape[1]! * positionsOf(shape) : elementCount(shape) / shape[0]!;
  };
  const total = [...axes].reduce((n, [v, axis]) => n + perSample(v, axis), 0);
  if (axes.size === 0 || 4 * total * batches.reduce((n, f) => n + samples(f), 0) > maxBytes) return null;
  const made = [...axes].map(([v, axis]) => {
    const { shape } = facts.get(v)!;
    return { v, axis, shape, every: axis === 1 ? thinning(shape) : 1, looks: emptyLooks(shape[axis]!) };
  });
  const parts = (i: number) => ({ looked: `looked_${i}`, mean: `mean_${i}` });
  await new ActivationCache(executor, model, batches, threads).look({
    hold: [],
    use: [...axes.keys()],
    emit: (b, at) =>
      Object.fromEntries(
        made.flatMap(({ v, axis, shape, every }, i) => {
          const { looked, mean } = emitLook(b, at(v), shape, axis, every);
          return [
            [parts(i).looked, looked],
            [parts(i).mean, mean],
          ];
        }),
      ),
    each: (out) => {
      for (const [i, { looks }] of made.entries())
        looks.add({ looked: out[parts(i).looked]!, mean: out[parts(i).mean]! });
    },
  });
  return new Map(made.map(({ v, axis, every, looks }) => [v.name, { axis, every, ...looks.take(batches.length) }]));
}
