/**
 * Compensation inside attention. When dimensions of queries and keys are removed, their contribution to the products is
 * predicted from the remaining dimensions and folded into the query projection: with Q_P = Q_S B_Q + c_Q and K_P = K_S
 * B_K (+ a constant that softmax cancels), Q K' = (Q_S (I + B_Q B_K') + c_Q B_K') K_S' per head, a linear map of the
 * queries alone. (CORP, 2025, solves for the same matrix between Q_S and K_S and splits it over both projections.)
 */
import { rowsAt, type Executor, type HostTensor } from '../executor.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { readsOf } from '../ir/reads.ts';
import type { Value } from '../ir/value.ts';
import { int } from '../ir/attribute.ts';
import { matmul, matmulNT, solveRidge, submatrix, trace, transpose } from '../linalg.ts';
import { keepsOrder, readsSizes, traitsOf } from '../ops/registry.ts';
import type { Surgery } from '../structures/apply.ts';
import { channelsIn } from './channels.ts';
import { channelAxis, isLinear, readWeights, regressionOf, writeWeights, type Regression } from './regression.ts';
import { ActivationCache } from './activation-cache.ts';

/** Samples that are sufficient for one head: each has all its tokens. */
const SAMPLES = 128;

interface Original {
  readonly model: Model;
  readonly facts: Facts;
}

/** One product of queries and keys that loses dimensions. */
interface Product {
  readonly queries: Value;
  readonly keys: Value;
  /** Output of the original's query projection, bias included. */
  readonly projection: Value;
  readonly kept: readonly number[];
}

/** Moments of one head's queries or keys over all tokens. */
interface HeadMoments {
  readonly gram: Float64Array;
  readonly sum: Float64Array;
  rows: number;
}

/** Folds for the query projections of the pruned model. Apply each once its projection's own weights are final. */
export async function queryFolds(
  executor: Executor,
  original: Original,
  surgery: Surgery,
  batches: readonly Readonly<Record<string, HostTensor>>[],
  options: { readonly threads: number; readonly ridge?: number },
): Promise<Map<Node, () => void>> {
  const folds = new Map<Node, () => void>();
  const products = productsIn(original, surgery);
  if (products.length === 0) return folds;
  const { facts } = original;
  const heads = [];
  for (const p of products) {
    const map = await channelsIn(executor, original, p.projection, axisOf(p, facts), p.queries);
    const shapes = [p.queries, p.keys].map((v) => facts.get(v)!.shape.slice(0, -2).join());
    if (map && shapes[0] === shapes[1]) heads.push({ ...p, ...map });
  }
  if (heads.length === 0) return folds;
  const samples = samplesOf(original, batches);
  if (samples.length === 0) return folds;
  const moments = await momentsOf(executor, original, heads, samples, options.threads);
  for (const [k, h] of heads.entries()) {
    const own = surgery.values.get(linearOf(h.projection)!.output())?.producer;
    const regression = own && regressionOf(own);
    if (!regression || typeof regression === 'string') continue;
    const rows = surgery.kept(h.projection, axisOf(h, facts)) ?? Array.from({ length: regression.rows }, (_, i) => i);
    const at = new Map(rows.map((channel, i) => [channel, i]));
    const lists = new Map(h.channels.map((list, l) => [list.join(), l]));
    folds.set(own, () => {
      const weights = readWeights(regression);
      for (const l of lists.values()) {
        const places = h.kept.map((d) => at.get(h.channels[l]![d]!));
        if (places.some((i) => i === undefined)) continue; // the head is removed
        const fit = fitHead(
          moments[k]!.queries[l]!,
          moments[k]!.keys[l]!,
          h.kept,
          options.ridge ?? 1e-3,
          regression.affine,
        );
        foldRows(weights, regression, places as number[], fit, h.scale);
      }
      writeWeights(regression, weights);
    });
  }
  return folds;
}

/** Axis of the channels of a product's query projection. */
function axisOf({ projection }: Product, facts: Facts): number {
  const r = regressionOf(linearOf(projection)!) as Regression;
  return channelAxis(r, facts.get(projection)!.shape.length);
}

/** Products of two activations before a softmax whose inner axis was cut, with linear queries. */
function productsIn({ model, facts }: Original, surgery: Surgery): Product[] {
  const out: Product[] = [];
  for (const n of model.graph.nodes()) {
    const [queries, keys] = n.key === 'MatMul' ? n.inputs : [];
    if (!queries || !keys || queries.isInitializer || keys.isInitializer || !surgery.values.has(n.output())) continue;
    const rank = facts.get(queries)?.shape.length ?? 0;
    const kept = rank > 2 ? surgery.kept(queries, rank - 1) : null;
    if (!kept || !reachesSoftmax(n.output())) continue;
    const projection = projectionBehind(queries, facts);
    if (projection) out.push({ queries, keys, projection, kept });
  }
  return out;
}

/** True where a softmax reads the value, possibly scaled, masked or reshaped. */
function reachesSoftmax(v: Value, depth = 8): boolean {
  const scales = (n: Node): boolean => traitsOf(n).elementwise !== undefined || keepsOrder(n);
  return (
    depth > 0 && v.consumers().some((n) => n.key === 'Softmax' || (scales(n) && reachesSoftmax(n.output(), depth - 1)))
  );
}

/** True for nodes that read a part of a value, or its sizes: the other readers then read other channels. */
const takesPart = (n: Node): boolean => traitsOf(n).movement === 'part' || readsSizes(n);

/**
 * The output, bias included, of the only linear operator that the value is rearranged from. Null where another node
 * reads the same queries (as with decomposed relative positions), because a fold for one reader would be wrong for the
 * other.
 */
function projectionBehind(v: Value, facts: Facts): Value | null {
  for (let at: Value = v, steps = 0; steps < 32; steps++) {
    const readers = at.consumers();
    if (readers.length > 1 && !readers.every(takesPart)) return null;
    if (linearOf(at)) return at;
    if (!at.producer) return null;
    const moving: Value[] = [...readsOf(at.producer)].filter((x) => !x.isInitializer && !facts.get(x)?.constant);
    if (moving.length !== 1) return null;
    at = moving[0]!;
  }
  return null;
}

/** The linear operator whose output, bias included, is this value. */
function linearOf(v: Value): Node | null {
  const n = v.producer;
  if (!n) return null;
  const behind = n.key === 'Add' ? n.inputs.map((x) => x?.producer).find((p) => p && isLinear(p)) : n;
  if (!behind || !isLinear(behind)) return null;
  const r = regressionOf(behind);
  return typeof r !== 'string' && r.groups === 1 && r.out === v ? behind : null;
}

/** A few samples, at the batch size of the facts. */
function samplesOf({ model, facts }: Original, batches: readonly Readonly<Record<string, HostTensor>>[]) {
  const inputs = model.graph.inputs.filter((v) => !v.isInitializer);
  const out: Record<string, HostTensor>[] = [];
  for (const feeds of batches) {
    // Inputs of the facts' own size have no batch axis, or the batch is of that size already.
    const rows = inputs.filter((v) => feeds[v.name]!.dims[0] !== facts.get(v)?.shape[0]);
    const size = facts.get((rows[0] ?? inputs[0])!)?.shape[0] ?? 1;
    const last = rows[0] ? feeds[rows[0].name]!.dims[0]! : size;
    for (let at = 0; at + size <= last && out.length * size < SAMPLES; at += size)
      out.push({ ...feeds, ...Object.fromEntries(rows.map((v) => [v.name, rowsAt(feeds[v.name]!, at, size)])) });
  }
  return out;
}

/** Moments per product and leading slice. Slices with the same channels share theirs. */
async function momentsOf(
  executor: Executor,
  original: Original,
  heads: readonly (Product & { readonly channels: readonly (readonly number[])[] })[],
  batches: readonly Readonly<Record<string, HostTensor>>[],
  threads: number,
): Promise<{ queries: HeadMoments[]; keys: HeadMoments[] }[]> {
  const size = (h: Product): number => original.facts.get(h.queries)!.shape.at(-1)!;
  const out = heads.map((h) => {
    const d = size(h);
    const made = (): HeadMoments[] => {
      const byList = new Map<string, HeadMoments>();
      return h.channels.map((list) => {
        const key = list.join();
        const m = byList.get(key) ?? { gram: new Float64Array(d * d), sum: new Float64Array(d), rows: 0 };
        byList.set(key, m);
        return m;
      });
    };
    return { queries: made(), keys: made() };
  });
  const add = (into: readonly HeadMoments[], gram: HostTensor, sum: HostTensor, tokens: number): void => {
    const d = sum.dims[1]!;
    for (const [l, m] of into.entries()) {
      for (let i = 0; i < d * d; i++) m.gram[i]! += gram.data[l * d * d + i] as number;
      for (let i = 0; i < d; i++) m.sum[i]! += sum.data[l * d + i] as number;
      m.rows += tokens;
    }
  };
  await new ActivationCache(executor, original.model, batches, threads).look({
    hold: [],
    use: heads.flatMap((h) => [h.queries, h.keys]),
    emit: (b, at) =>
      Object.fromEntries(
        heads.flatMap((h, k) =>
          (
            [
              ['q', h.queries],
              ['k', h.keys],
            ] as const
          ).flatMap(([name, v]) => {
            const shape = original.facts.get(v)!.shape;
            const flat = b.reshape(at(v), [elementCount(shape.slice(0, -2)), shape.at(-2)!, shape.at(-1)!]);
            const how = name === 'q' ? 'transA' : 'transB';
            return [
              [`${name}gram${k}`, b.op('FusedMatMul', [flat, flat], { [how]: int(1) }, 'com.microsoft')],
              [`${name}sum${k}`, b.reduceSum(flat, [name === 'q' ? 1 : 2], false)],
            ];
          }),
        ),
      ),
    each: (got) => {
      for (const [k, h] of heads.entries()) {
        add(out[k]!.queries, got[`qgram${k}`]!, got[`qsum${k}`]!, original.facts.get(h.queries)!.shape.at(-2)!);
        add(out[k]!.keys, got[`kgram${k}`]!, got[`ksum${k}`]!, original.facts.get(h.keys)!.shape.at(-1)!);
      }
    },
  });
  return out;
}

/** q' = q map + shift, over the remaining dimensions. */
interface HeadFit {
  readonly map: Float64Array;
  readonly shift: Float64Array;
}

function fitHead(q: HeadMoments, k: HeadMoments, kept: readonly number[], ridge: number, affine: boolean): HeadFit {
  const d = q.sum.length;
  const stays = new Set(kept);
  const gone = Array.from({ length: d }, (_, i) => i).filter((i) => !stays.has(i));
  const [s, p] = [kept.length, gone.length];
  const predict = ({ gram, sum, rows }: HeadMoments) => {
    const mean = sum.map((x) => (affine ? x / rows : 0));
    const cov = gram.map((x, i) => x / rows - mean[Math.floor(i / d)]! * mean[i % d]!);
    const css = submatrix(cov, d, kept, kept);
    // [s x p]
    const b = solveRidge(css, submatrix(cov, d, kept, gone), s, p, (ridge * trace(css, s)) / s);
    const constant = gone.map((g, j) => kept.reduce((c, x, i) => c - b[i * p + j]! * mean[x]!, mean[g]!));
    return { b, constant: Float64Array.from(constant) };
  };
  const [bq, bk] = [predict(q), predict(k)];
  const map = matmulNT(bq.b, bk.b, s, s, p);
  for (let i = 0; i < s; i++) map[i * s + i]! += 1;
  return { map, shift: matmul(bq.constant, transpose(bk.b, s, p), 1, s, p) };
}

/** Applies the map to rows (outputs) of a projection. `scale` lies between the projection and the product. */
function foldRows(weights: Float64Array, r: Regression, places: readonly number[], fit: HeadFit, scale: number): void {
  const n = r.columns + 1;
  const rows = places.map((i) => weights.slice(i * n, (i + 1) * n));
  const s = places.length;
  for (const [i, place] of places.entries()) {
    const row = new Float64Array(n);
    for (let j = 0; j < s; j++) for (let a = 0; a < n; a++) row[a]! += fit.map[j * s + i]! * rows[j]![a]!;
    row[n - 1]! += fit.shift[i]! / scale;
    weights.set(row, place * n);
  }
}
