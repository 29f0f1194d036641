/**
 * Output change of any plan in closed form, from one backward pass per probe. Near the original, the divergence of the
 * outputs is the quadratic form of their Fisher information. Its mean over random cotangents v with that covariance is
 * 1/2 E[(v' J d)^2], where d is the change of the cut at the contractions (group Fisher pruning, Liu et al. 2021). Here
 * d is the change that compensation leaves: the removed activations minus their best linear prediction from the
 * remaining ones. Costs of structures are assumed to be additive. Running every plan is more accurate but costs a
 * forward pass per plan, which is too slow for large models.
 */
import { GraphBuilder } from '../autodiff/builder.ts';
import { buildBackward, importDomains } from '../autodiff/walker.ts';
import type { Executor, HostTensor } from '../executor.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import type { Value } from '../ir/value.ts';
import { cholesky, choleskySolveT, submatrix } from '../linalg.ts';
import type { Meanings } from '../heads/contract.ts';
import { HEADS } from '../heads/registry.ts';
import { meaningsOf } from '../quality/meaning.ts';
import { seededRandom } from '../random.ts';
import type { Group, ResidualBlock } from '../structures/axes/types.ts';
import type { Structure, Subject } from '../structures/contract.ts';
import { axesOf, bypassesOf } from '../structures/find.ts';

export interface CurvatureOptions {
  readonly threads: number;
  readonly seed: number;
  /**
   * The compensation applied after the cut: 'least-squares' predicts from the remaining channels, 'bias' restores
   * means, 'none' nothing.
   */
  readonly compensation: 'least-squares' | 'bias' | 'none';
  /** 0..1 */
  readonly onProgress?: (done: number) => void;
}

/** Wider activations are predicted by their means alone, because their moments would exceed the memory. */
const MAX_WIDTH = 512;
/** Relative to the mean of the diagonal. */
const RIDGE = 1e-3;
/** Minimum rows per column for fitting a prediction; fewer would overfit. */
const ENOUGH = 1.5;

/** Sums at an activation that one or more contractions read, per probe. */
interface Place {
  readonly width: number;
  /** Products of the activation with its cotangent: [width, width], or [width] (the diagonal). */
  readonly products: Float32Array[];
  /** The cotangent, [width]. */
  readonly cotangents: Float32Array[];
  /** Covariance and mean of the activation; the covariance is absent where `products` are diagonals. */
  readonly covariance: Float64Array | null;
  readonly mean: Float64Array;
  rows: number;
}

interface Use {
  readonly place: Place;
  /** Indices along the activation's axis per unit. */
  readonly indices: readonly (readonly number[])[];
}

/** True where the curvature gives the cost of removing units. */
export const hasClosedForm = ({ axes, bypass }: Structure): boolean => axes !== undefined || bypass !== undefined;

export class Curvature {
  readonly #uses: ReadonlyMap<string, readonly Use[]>;
  readonly #blocks: ReadonlyMap<ResidualBlock, number>;
  readonly #batch: number;
  readonly #options: CurvatureOptions;

  private constructor(
    uses: ReadonlyMap<string, readonly Use[]>,
    blocks: ReadonlyMap<ResidualBlock, number>,
    batch: number,
    options: CurvatureOptions,
  ) {
    this.#uses = uses;
    this.#blocks = blocks;
    this.#batch = batch;
    this.#options = options;
  }

  /**
   * @param facts at the size of the batches
   * @throws SecateurError 'gradient-unsupported' when an operator between a contraction and the outputs has no
   *   gradient
   */
  static async collect(
    executor: Executor,
    p: Subject & { readonly meanings?: Meanings | undefined },
    probes: readonly Readonly<Record<string, HostTensor>>[],
    options: CurvatureOptions,
  ): Promise<Curvature> {
    const axes = axesOf(p.structures);
    const bypasses = bypassesOf(p.structures);
    const built = buildProbe(p, bypasses, options.compensation === 'least-squares');
    const random = seededRandom(options.seed);
    const places = built.places.map(({ width, full }): Place => ({
      width,
      products: [],
      cotangents: [],
      covariance: full ? new Float64Array(width * width) : null,
      mean: new Float64Array(width),
      rows: 0,
    }));
    const squares = bypasses.map(() => 0);
    const session = await executor.open(built.model, { threads: options.threads });
    try {
      for (const [i, feeds] of probes.entries()) {
        const noise = built.noise.map(({ name, dims, kind }) => {
          const n = dims.reduce((a, b) => a * b, 1);
          const draw = kind === 'gumbel' ? () => -Math.log(-Math.log(random.next() || 1e-12)) : () => random.normal();
          return [name, { dtype: DType.FLOAT, dims, data: Float32Array.from({ length: n }, draw) }] as const;
        });
        const given = { ...feeds, ...Object.fromEntries(noise) };
        const out = await session.run(Object.fromEntries(session.inputNames.map((n) => [n, given[n]!])));
        const data = (name: string): Float32Array => out[name]!.data as Float32Array;
        for (const [k, place] of places.entries()) {
          const names = built.places[k]!;
          place.products.push(data(names.products).slice());
          place.cotangents.push(data(names.cotangents).slice());
          data(names.sum).forEach((x, c) => (place.mean[c]! += x));
          if (place.covariance) data(names.gram!).forEach((x, c) => (place.covariance![c]! += x));
          place.rows += names.rows;
        }
        built.blocks.forEach((name, b) => (squares[b]! += data(name)[0]! ** 2 / probes.length));
        options.onProgress?.((i + 1) / probes.length);
      }
    } finally {
      await session.release();
    }
    for (const { mean, covariance, rows, width } of places) {
      mean.forEach((x, c) => (mean[c] = x / rows));
      if (!covariance) continue;
      for (let a = 0; a < width; a++)
        for (let b = 0; b < width; b++)
          covariance[a * width + b] = covariance[a * width + b]! / rows - mean[a]! * mean[b]!;
    }
    const uses = new Map(
      axes.map((g) => [
        g.id,
        g.members.flatMap((m) =>
          built.places.flatMap((at, i) =>
            at.value === m.value && at.axis === m.axis ? [{ place: places[i]!, indices: m.indices }] : [],
          ),
        ),
      ]),
    );
    const blocks = new Map(bypasses.map((b, i) => [b, squares[i]! / (2 * built.batch)]));
    return new Curvature(uses, blocks, built.batch, options);
  }

  /**
   * The cost of removing units of one structure, in the unit of a measured output change: KL(original || pruned) of
   * classes and the relative squared error of other outputs.
   */
  cost(s: Structure, removed: readonly number[]): number {
    if (removed.length === 0) return 0;
    if (s.axes) return this.#axesCost(s.axes, removed);
    if (s.bypass) return this.#blocks.get(s.bypass) ?? 0;
    throw new Error(`${s.kind.name} have no closed form: ask hasClosedForm first`);
  }

  #axesCost(axes: Group, units: readonly number[]): number {
    const uses = this.#uses.get(axes.id) ?? [];
    const probes = uses[0]?.place.products.length ?? 0;
    const moved = new Float64Array(probes);
    let inflation = 1;
    for (const { place, indices } of uses) {
      const removed = units.flatMap((u) => indices[u]!).sort((a, b) => a - b);
      inflation = Math.max(inflation, this.#addMoved(place, removed, moved));
    }
    const mean = moved.reduce((a, t) => a + t * t, 0) / Math.max(1, probes);
    return (inflation * mean) / (2 * this.#batch);
  }

  /**
   * Adds v' J d per probe.
   * @returns estimated ratio of the prediction error on new samples to that on the fitted ones
   */
  #addMoved(place: Place, removed: readonly number[], into: Float64Array): number {
    const { width, mean, covariance, products, cotangents, rows } = place;
    const restored = this.#options.compensation !== 'none';
    const gone = new Set(removed);
    const kept = Array.from({ length: width }, (_, c) => c).filter((c) => !gone.has(c));
    const shared = covariance && kept.length * ENOUGH < rows ? predictor(covariance, width, removed, kept) : null;
    const k = kept.length;
    for (let n = 0; n < products.length; n++) {
      const [h, c] = [products[n]!, cotangents[n]!];
      let sum = 0;
      for (const [i, r] of removed.entries()) {
        sum += covariance ? h[r * width + r]! : h[r]!;
        if (!restored) continue;
        let constant = mean[r]!;
        if (shared)
          for (let j = 0; j < k; j++) {
            const a = shared[i * k + j]!;
            sum -= a * h[r * width + kept[j]!]!;
            constant -= a * mean[kept[j]!]!;
          }
        sum -= constant * c[r]!;
      }
      into[n]! += sum;
    }
    return shared ? (rows + k) / (rows - k) : 1;
  }
}

/** Coefficients that predict the removed channels from the kept ones, [removed, kept]; null where there are none. */
function predictor(
  covariance: Float64Array,
  width: number,
  removed: readonly number[],
  kept: readonly number[],
): Float64Array | null {
  const k = kept.length;
  const gram = submatrix(covariance, width, kept, kept);
  let mean = 0;
  for (let a = 0; a < k; a++) mean += gram[a * k + a]! / k;
  if (!(mean > 0)) return null;
  for (let a = 0; a < k; a++) gram[a * k + a]! += RIDGE * mean;
  const factor = cholesky(gram, k);
  return factor && choleskySolveT(factor, submatrix(covariance, width, removed, kept), k, removed.length);
}

interface ProbeModel {
  readonly model: Model;
  /** Number of samples of one probe. */
  readonly batch: number;
  readonly noise: readonly { name: string; dims: readonly number[]; kind: 'gumbel' | 'normal' }[];
  readonly places: readonly {
    readonly value: Value;
    readonly axis: number;
    readonly width: number;
    readonly full: boolean;
    readonly rows: number;
    /** Names of outputs. */
    readonly products: string;
    readonly cotangents: string;
    readonly sum: string;
    readonly gram: string | null;
  }[];
  /** Names of outputs, scalars. */
  readonly blocks: readonly string[];
}

/**
 * The model with taps at the inputs of contractions, random cotangents at its outputs, and the backward pass between
 * them.
 */
function buildProbe(
  p: Subject & { readonly meanings?: Meanings | undefined },
  bypasses: readonly ResidualBlock[],
  wide: boolean,
): ProbeModel {
  const { model, values, nodes } = cloneModel(p.model);
  const { graph } = model;
  const shapes = new Map([...values].map(([from, to]) => [to, p.facts.get(from)]));
  const first = p.model.graph.outputs[0]!;
  const batch = p.facts.get(first)?.shape[0] ?? 1;

  // Readers other than contractions get an untapped value, because a sum keeps its other addends when units are
  // removed.
  const used = new Set(axesOf(p.structures).flatMap((g) => g.members.map((m) => `${m.value.name}:${m.axis}`)));
  const taps = new Map<Value, Value>();
  const tap = (
    value: Value,
    readers: readonly (typeof nodes extends ReadonlyMap<infer N, infer _> ? N : never)[],
  ): Value => {
    const own = values.get(value)!;
    let t = taps.get(value);
    if (!t) {
      const before = nodes.get(readers[0]!)!;
      t = graph.emit('Identity', [own], { before, outputName: `${value.name}_tap` })[0]!;
      taps.set(value, t);
      shapes.set(t, p.facts.get(value));
    }
    for (const r of readers) {
      const node = nodes.get(r)!;
      node.inputs.forEach((v, i) => {
        if (v === own && node.output() !== t) node.setInput(i, t);
      });
    }
    return t;
  };
  const order = new Map([...p.model.graph.nodes()].map((n, i) => [n, i]));
  const sinks = p.analysis.sinks
    .filter(
      (s) => !s.activation.isInitializer && p.facts.has(s.activation) && used.has(`${s.activation.name}:${s.axis}`),
    )
    .sort((a, b) => order.get(a.node)! - order.get(b.node)!);
  const axes = new Map<string, { value: Value; axis: number }>();
  for (const s of sinks) {
    tap(s.activation, [s.node]);
    axes.set(`${s.activation.name}:${s.axis}`, { value: s.activation, axis: s.axis });
  }
  const branches = bypasses.map((b) => {
    const own = values.get(b.branch)!;
    const before = nodes.get(b.add)!;
    const t = graph.emit('Identity', [own], { before })[0]!;
    shapes.set(t, p.facts.get(b.branch));
    before.inputs.forEach((v, i) => {
      if (v === own) before.setInput(i, t);
    });
    return t;
  });

  const b = new GraphBuilder(graph, model.opset);
  const noise: { name: string; dims: readonly number[]; kind: 'gumbel' | 'normal' }[] = [];
  const cotangents = new Map<Value, Value>();
  const meanings = meaningsOf(p);
  const originals = [...p.model.graph.outputs];
  graph.outputs.length = 0;
  for (const original of originals) {
    const out = values.get(original)!;
    const fact = p.facts.get(original);
    if (fact?.dtype !== DType.FLOAT || out.isInitializer) continue;
    const meaning = meanings.get(original.name);
    const head = HEADS.comparedBy(meaning);
    const input = graph.addInput(graph.freshName('noise'), { elemType: DType.FLOAT, shape: fact.shape });
    noise.push({ name: input.name, dims: fact.shape, kind: head.noise(meaning) });
    const probabilities = original.producer?.key === 'Softmax';
    cotangents.set(out, head.cotangent(b, { meaning, out, noise: input, shape: fact.shape, batch, probabilities }));
  }
  const wrt = [...new Set([...taps.values(), ...branches])];
  const grads = buildBackward(b, { cotangents, wrt, facts: (v) => shapes.get(v) });
  const give = (v: Value): string => {
    const out = b.op('Identity', [v]);
    out.name = graph.freshName('probe');
    out.type = { elemType: DType.FLOAT };
    graph.outputs.push(out);
    return out.name;
  };
  const places = [...axes.values()].flatMap(({ value, axis }) => {
    const t = taps.get(value)!;
    const grad = grads.get(t);
    if (!grad) return [];
    const { shape } = p.facts.get(value)!;
    const width = shape[axis]!;
    const rows = shape.reduce((x, y) => x * y, 1) / width;
    const perm = [axis, ...shape.keys()].filter((x, i) => i === 0 || x !== axis);
    const matrix = (v: Value): Value =>
      b.reshape(perm.every((x, i) => x === i) ? v : b.transpose(v, perm), [width, rows]);
    const [x, d] = [matrix(t), matrix(grad)];
    const full = wide && width <= MAX_WIDTH;
    const turned = full ? b.transpose(x, [1, 0]) : null;
    return [
      {
        value,
        axis,
        width,
        rows,
        full,
        products: give(turned ? b.matmul(d, turned) : b.reduceSum(b.mul(d, x), [1], false)),
        cotangents: give(b.reduceSum(d, [1], false)),
        sum: give(b.reduceSum(x, [1], false)),
        gram: turned && give(b.matmul(x, turned)),
      },
    ];
  });
  const blocks = bypasses.map((block, i) => {
    const { shape } = p.facts.get(block.branch)!;
    const grad = grads.get(branches[i]!);
    if (!grad) return give(b.reshape(b.scalar(0), [1]));
    // Minus its mean per channel, which the preceding bias restores.
    const spatial = shape.map((_, k) => k).filter((k) => k !== 1);
    const rest = shape.length > 1 ? b.sub(branches[i]!, b.reduceMean(branches[i]!, spatial, true)) : branches[i]!;
    const axesAll = shape.map((_, k) => k);
    return give(b.reshape(b.reduceSum(b.mul(grad, rest), axesAll, false), [1]));
  });
  importDomains(model);
  return { model, batch, noise, places, blocks };
}
