/**
 * Per-channel statistics and Gram matrices of activations: `buildStatisticsModel` emits a graph that computes the sums of
 * one batch in the runtime, `StatisticsAccumulator` combines batches in float64.
 */
import type { HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import type { Value } from '../ir/value.ts';
import { GraphBuilder } from '../autodiff/builder.ts';
import { importDomains } from '../autodiff/walker.ts';
import { extractSubgraph } from '../passes/extract.ts';
import { channelGram } from './grams.ts';

export interface StatisticsRequest {
  readonly value: Value;
  /** The channel axis. All others are summed over. */
  readonly axis: number;
  /** Shape from the facts: rank, channels and spatial sizes are used; the batch may differ. */
  readonly shape: readonly number[];
  /** 'moments' (sum and sum of squares) always; 'abs' adds the sum of |x|, 'gram' X'X [C, C]. */
  readonly kinds: readonly ('moments' | 'abs' | 'gram')[];
}

/** Output names of one request in the emitted model. */
interface Names {
  readonly channels: number;
  readonly count: string;
  readonly sum: string;
  readonly squares?: string;
  readonly abs?: string;
  readonly gram?: string;
}

export interface StatisticsModel {
  /** Takes the inputs of the original model. */
  readonly model: Model;
  readonly names: readonly Names[];
}

/**
 * The part of `model` that computes the requested values, with their sums as outputs. The original is not changed.
 * Unused graph inputs are left out: feed the inputs that `model.graph.inputs` of the result lists.
 */
export function buildStatisticsModel(model: Model, requests: readonly StatisticsRequest[]): StatisticsModel {
  const wanted = [...new Set(requests.map((r) => r.value))];
  const inputs = model.graph.inputs.filter((v) => !v.isInitializer);
  const part = extractSubgraph(model, inputs, wanted);
  const copies = new Map(wanted.map((v, i) => [v, part.graph.outputs[i]!]));
  part.graph.outputs.length = 0;
  const b = new GraphBuilder(part.graph, part.opset);
  const names = requests.map((r, i) => emit(b, copies.get(r.value)!, r, `statistics${i}`));
  for (let i = part.graph.inputs.length - 1; i >= 0; i--)
    if (!part.graph.inputs[i]!.isUsed) part.graph.inputs.splice(i, 1);
  importDomains(part);
  return { model: part, names };
}

function emit(b: GraphBuilder, x: Value, { axis, shape, kinds }: StatisticsRequest, prefix: string): Names {
  const output = (v: Value, name: string, elemType: number = DType.FLOAT): string => {
    v.name = b.graph.freshName(`${prefix}_${name}`);
    v.type = { elemType };
    b.graph.outputs.push(v);
    return v.name;
  };
  const channels = shape[axis]!;
  const abs = kinds.includes('abs') ? { abs: output(total(b, b.op('Abs', [x]), shape, axis), 'abs') } : {};
  const count = output(b.op('Size', [x]), 'count', DType.INT64);
  if (kinds.includes('gram')) {
    const g = channelGram(b, x, shape, axis);
    return { channels, count, ...abs, sum: output(g.sum, 'sum'), gram: output(g.gram, 'gram') };
  }
  return {
    channels,
    count,
    ...abs,
    sum: output(total(b, x, shape, axis), 'sum'),
    squares: output(total(b, b.mul(x, x), shape, axis), 'squares'),
  };
}

/** Sum over all axes but one, starting with those after it: the runtime is fastest on trailing axes. */
function total(b: GraphBuilder, v: Value, shape: readonly number[], axis: number): Value {
  const behind = [...shape.keys()].filter((i) => i > axis),
    before = [...shape.keys()].filter((i) => i < axis);
  const inner = behind.length ? b.reduceSum(v, behind, false) : v;
  // A vector is copied by an Identity: outputs must be separate values.
  return before.length ? b.reduceSum(inner, before, false) : behind.length ? inner : b.op('Identity', [inner]);
}

/** Statistics of one channel axis, over all samples and positions seen. */
export interface ChannelStatistics {
  /** Samples times positions. */
  readonly count: number;
  readonly mean: Float64Array;
  /** Mean of squares. */
  readonly meanSquare: Float64Array;
  /** Population variance. */
  readonly variance: Float64Array;
  /** Mean of |x|, when asked for. */
  readonly meanAbs?: Float64Array;
  /** X'X / count, [C x C], when asked for. */
  readonly gram?: Float64Array;
}

/** Mean-centred covariance (divided by count) of statistics with a Gram. @internal */
export function covariance(s: ChannelStatistics): Float64Array {
  if (!s.gram) throw new Error('these statistics hold no Gram matrix');
  const n = s.mean.length,
    c = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) c[i * n + j] = s.gram[i * n + j]! - s.mean[i]! * s.mean[j]!;
  return c;
}

class Sums {
  count = 0;
  readonly sum: Float64Array;
  readonly squares: Float64Array;
  abs: Float64Array | null = null;
  gram: Float64Array | null = null;

  constructor(channels: number) {
    this.sum = new Float64Array(channels);
    this.squares = new Float64Array(channels);
  }
}

const addTo = (into: Float64Array, from: HostTensor): void => {
  const data = from.data as Float32Array;
  for (let i = 0; i < into.length; i++) into[i]! += data[i]!;
};

/** Adds up the outputs of a statistics model, batch by batch. */
export class StatisticsAccumulator {
  readonly #names: readonly Names[];
  readonly #sums: readonly Sums[];

  constructor(built: StatisticsModel) {
    this.#names = built.names;
    this.#sums = built.names.map((n) => new Sums(n.channels));
  }

  /** One batch's outputs, as returned by `ExecSession.run`. */
  add(outputs: Readonly<Record<string, HostTensor>>): void {
    this.#names.forEach((names, i) => {
      const s = this.#sums[i]!,
        c = names.channels;
      s.count += Number(outputs[names.count]!.data[0]) / c;
      addTo(s.sum, outputs[names.sum]!);
      if (names.squares) addTo(s.squares, outputs[names.squares]!);
      if (names.abs) addTo((s.abs ??= new Float64Array(c)), outputs[names.abs]!);
      if (names.gram) addTo((s.gram ??= new Float64Array(c * c)), outputs[names.gram]!);
    });
  }

  /** Statistics of request `i`. */
  result(i: number): ChannelStatistics {
    const s = this.#sums[i]!,
      c = s.sum.length;
    const share = (a: Float64Array): Float64Array => a.map((x) => x / Math.max(1, s.count));
    const mean = share(s.sum);
    const gram = s.gram && share(s.gram);
    const meanSquare = gram ? Float64Array.from(mean, (_, j) => gram[j * c + j]!) : share(s.squares);
    return {
      count: s.count,
      mean,
      meanSquare,
      variance: meanSquare.map((q, j) => Math.max(0, q - mean[j]! ** 2)),
      ...(s.abs && { meanAbs: share(s.abs) }),
      ...(gram && { gram }),
    };
  }
}
