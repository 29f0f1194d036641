/**
 * One cut: which tokens stay at the input of a layer, computed inside the graph. The pruned decoder and the masked one
 * compute it from the same operators. B = 1; S is the number of tokens that the layer would get.
 */
import { SecateurError } from '../../../../../shared/contract/errors.ts';
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { int, tensorAttr } from '../../../ir/attribute.ts';
import { DType } from '../../../ir/dtype.ts';
import { f32, i64, MemoryTensor } from '../../../ir/tensor.ts';
import type { Value } from '../../../ir/value.ts';
import type { CriterionContext } from './criteria/criterion.ts';
import { decoderCriterion } from './criteria/registry.ts';
import { HIDDEN } from './hidden.ts';
import { lengthOf } from './length.ts';
import { earlyScores, rotatedScores, unrotatedScores } from './scores.ts';
import type { Decoder, DecoderLayer } from './types.ts';

export interface TokenCut {
  /** The layer whose input loses tokens, from 1. */
  readonly layer: number;
  /** A share of all image tokens of the run, rounded down, or a number of them. */
  readonly keep: { readonly ratio: number } | { readonly count: number };
  /** Name of a criterion. */
  readonly criterion: string;
  /** Columns of the image's grid of tokens, for criteria that keep a grid. */
  readonly columns?: number;
  /** For criteria that draw random numbers; default 0. */
  readonly seed?: number;
}

/** Tokens on their way through the layers. */
export interface Stream {
  /** Bool [1, S]: image tokens that are left. */
  readonly image: Value;
  /** int64 [1, S]: index of each image token among all image tokens of the run. */
  readonly ordinal: Value;
  /** int64 [1]: image tokens of the run before any cut. */
  readonly total: Value;
  /** int64 [1, S]: positions of the tokens; null where the decoder needs none. */
  readonly positions: Value | null;
  /** int64 [1, S]: places of the tokens in the run. */
  readonly place: Value;
  /** Bool [1, S]: tokens that earlier cuts would have left; null where they have removed the others. */
  readonly visible: Value | null;
}

const bool = (x: boolean): MemoryTensor => new MemoryTensor(DType.BOOL, [1], Uint8Array.of(x ? 1 : 0));

/** The stream at the input of the decoder. @param image bool [1, S] @param positions int64 [1, S] */
export function startStream(b: GraphBuilder, image: Value, positions: Value | null): Stream {
  const isImage = b.cast(image, DType.INT64);
  const one = b.tensor(i64([1], []));
  const count = b.op('CumSum', [isImage, one]);
  // Counts the tokens themselves, so that it has their shape.
  const all = b.op('CumSum', [b.cast(b.op('Or', [image, b.op('Not', [image])]), DType.INT64), one]);
  return {
    image,
    ordinal: b.op('Max', [b.sub(count, b.ints([1])), b.ints([0])]),
    total: b.reduceSum(isImage, [1], false),
    positions,
    place: b.sub(all, b.ints([1])),
    visible: null,
  };
}

/** @throws SecateurError 'plan-invalid' where cuts do not fit the decoder */
export function checkCuts({ layers }: Decoder, cuts: readonly TokenCut[]): void {
  const refuse = (reason: string): never => {
    throw new SecateurError('plan-invalid', { reason });
  };
  cuts.forEach((cut, i) => {
    const layer = layers[cut.layer];
    if (!layer) refuse(`the decoder has no layer ${cut.layer}`);
    if (layer!.blocked !== null) refuse(`tokens cannot be dropped before layer ${cut.layer}: ${layer!.blocked}`);
    if (i > 0 && cut.layer <= cuts[i - 1]!.layer) refuse('cuts must be in the order of layers, one for each');
    if (!decoderCriterion(cut.criterion)) refuse(`there is no criterion ${cut.criterion}`);
    const kept = 'ratio' in cut.keep ? cut.keep.ratio : cut.keep.count;
    if (!(kept >= 0) || ('ratio' in cut.keep ? kept > 1 : !Number.isInteger(kept)))
      refuse(`${kept} is neither a share nor a number of tokens`);
  });
}

/**
 * The cuts that a criterion recommends, at its shares of the layers, where tokens can be dropped. Empty for an unknown
 * criterion.
 */
export function recommendedCuts({ layers }: Decoder, criterion: string): TokenCut[] {
  const free = layers.filter((l) => l.blocked === null).map((l) => l.index);
  const cuts = new Map<number, TokenCut>();
  for (const { depth, keep } of decoderCriterion(criterion)?.recommended ?? []) {
    const wanted = depth * layers.length;
    const layer = free.reduce((best, k) => (Math.abs(k - wanted) < Math.abs(best - wanted) ? k : best), free[0] ?? 0);
    // Two shares that fall on one layer: the later one keeps fewer tokens.
    if (layer > 0) cuts.set(layer, { layer, keep: { ratio: keep }, criterion });
  }
  return [...cuts.values()].sort((a, b) => a.layer - b.layer);
}

type Given = readonly [
  b: GraphBuilder,
  layers: readonly DecoderLayer[],
  cut: TokenCut,
  /** 0 for the first cut. */
  stage: number,
  stream: Stream,
];

/** Bool [1, S]: the tokens that stay. Tokens that are no image always do. */
export function keptTokens(...given: Given): Value {
  const [b, , , , { image }] = given;
  const { best, always } = ranked(...given);
  const none = b.op('ConstantOfShape', [b.op('Shape', [image])], { value: tensorAttr(bool(false)) });
  return marked(b, always ?? none, best);
}

/** Names of places that stay begin with this. */
export const KEPT_PLACES = 'kept_places';

/** int64 [n]: places of the tokens that stay, ascending. Each operator also runs at every step of the answer. */
export function keptPlaces(...given: Given): Value {
  const [b] = given;
  const places = placesOf(b, ranked(...given));
  places.name = b.graph.freshName(KEPT_PLACES);
  return places;
}

function placesOf(b: GraphBuilder, { best, always }: ReturnType<typeof ranked>): Value {
  if (always) return b.op('Gather', [b.op('NonZero', [marked(b, always, best)]), b.tensor(i64([1], []))]);
  const ascending = b.ops('TopK', [best, lengthOf(b, best, 1)], 2, { axis: int(1), largest: int(0) })[0]!;
  return b.squeeze(ascending, [0]);
}

/** Bool [1, S]: the mask with more places marked. @param places int64 [1, k] */
function marked(b: GraphBuilder, mask: Value, places: Value): Value {
  const marks = b.op('ConstantOfShape', [b.op('Shape', [places])], { value: tensorAttr(bool(true)) });
  return b.op('ScatterElements', [mask, places, marks], { axis: int(1) });
}

/**
 * The tokens that rank best, among them all that are no image.
 * @returns best int64 [1, k], in any order; always bool [1, S], image tokens that stay besides
 */
function ranked(...[b, layers, cut, stage, stream]: Given): { best: Value; always: Value | null } {
  const { image } = stream;
  const left = b.reduceSum(b.cast(image, DType.INT64), [1], false);
  const take = b.op('Min', [left, taken(b, cut.keep, stream.total)]);
  const { scores, always } = decoderCriterion(cut.criterion)!.emit(
    contextOf(b, layers, cut, stream, left, take),
    stage,
  );
  // Other tokens come first, so without an image every token stays, and the number is never 0.
  const order = b.where(image, b.cast(scores, DType.FLOAT), b.tensor(f32([Infinity], [])));
  const k = b.add(b.sub(lengthOf(b, image, 1), left), take);
  const best = b.ops('TopK', [order, k], 2, { axis: int(-1) })[1]!;
  return { best, always: always ? b.op('And', [always, image]) : null };
}

/** int64 [1]. The product is taken in double precision, so that it rounds as JavaScript does. */
function taken(b: GraphBuilder, keep: TokenCut['keep'], total: Value): Value {
  if ('count' in keep) return b.ints([keep.count]);
  const ratio = b.tensor(new MemoryTensor(DType.DOUBLE, [], new Uint8Array(Float64Array.of(keep.ratio).buffer)));
  return b.cast(b.mul(b.cast(total, DType.DOUBLE), ratio), DType.INT64);
}

function contextOf(
  b: GraphBuilder,
  layers: readonly DecoderLayer[],
  cut: TokenCut,
  { image, ordinal, positions, visible }: Stream,
  left: Value,
  take: Value,
): CriterionContext {
  const [before, behind] = [layers[cut.layer - 1]!, layers[cut.layer]!];
  const hide = (scores: Value, { attention: { past } }: DecoderLayer): Value =>
    visible ? b.add(scores, keyBias(b, visible, lengthOf(b, past[0], 2))) : scores;
  return {
    b,
    image,
    left,
    take,
    ordinal,
    columns: cut.columns ?? null,
    seed: cut.seed ?? 0,
    unrotated: () => unrotatedScores(b, before),
    rotated: (where) =>
      where === 'before'
        ? hide(rotatedScores(b, before.attention, positions), before)
        : hide(earlyScores(b, behind, positions), behind),
  };
}

/**
 * Float [1, 1, 1, P + S]: 0 for keys that are visible or come from the cache, a large negative number for the others.
 * @param visible bool [1, S] @param cached int64 [1]: P
 */
export function keyBias(b: GraphBuilder, visible: Value, cached: Value): Value {
  const hidden = b.where(b.unsqueeze(visible, [1, 2]), b.scalar(0), b.scalar(HIDDEN));
  return b.op('Pad', [hidden, b.concat([b.ints([0, 0, 0]), cached, b.ints([0, 0, 0, 0])], 0)]);
}
