/**
 * Selection of tokens at the output of a vision encoder or its projector: the encoder computes all tokens, and the
 * runner, the embedding or the decoder behind it receives fewer.
 */
import { GraphBuilder } from '../../autodiff/builder.ts';
import { cloneModel } from '../../ir/clone.ts';
import { DType } from '../../ir/dtype.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Value } from '../../ir/value.ts';
import { traitsOf } from '../../ops/registry.ts';
import { eliminateDead } from '../../passes/eliminate-dead.ts';
import type { TokenInputs, TokenMethod, TokenSelection } from './method.ts';
import { attentionInputs, lastAttention, type FoundAttention } from './support/find-attention.ts';
import { keptTokens, upTo } from './support/rows.ts';

/** Features of one output of a vision encoder. */
export interface FeaturePlace {
  readonly output: Value;
  /** Tokens per image or tile, fixed ones included. */
  readonly count: number;
  readonly width: number;
  /** Leading tokens that are not of the grid and always stay. */
  readonly fixed: number;
  readonly grid?: readonly [rows: number, columns: number];
  /** The output has the rows of all images in one axis: [images * count, width]. */
  readonly flat: boolean;
  readonly attention?: {
    readonly found: FoundAttention;
    /** Leading tokens of the encoder that the output lacks. */
    readonly skip: number;
    readonly classToken: boolean;
  };
  /** Why attention is absent. */
  readonly withoutAttention?: string;
}

/** Names of feature outputs, the most specific first. */
const OUTPUTS = [/^image_features$/i, /image_feat|image_hidden|vision_feat/i, /^last_hidden_state$/i];

/** An input that gives each image's grid of patches: the runner computes counts and positions from it (Qwen-VL). */
const GRID_INPUT = /grid_(thw|hw)|image_grid|spatial_shapes/i;

/** More leading tokens than that are no class token or registers. */
const MOST_FIXED = 8;

/**
 * Finds the feature output of a vision encoder, or says why its tokens cannot be selected there.
 * @param facts of a run on one image, or on one tile where the encoder takes tiles
 * @param perImage tokens per image or tile, for outputs [images * count, width]; default: all rows
 */
export function featurePlace(
  model: Model,
  facts: Facts,
  perImage?: number,
): FeaturePlace | { readonly refused: string } {
  const refused = (reason: string): { refused: string } => ({ refused: reason });
  const gridInput = model.graph.inputs.find((v) => GRID_INPUT.test(v.name));
  if (gridInput) return refused(`the number of tokens is tied to the input ${gridInput.name}, from which runners compute counts and positions`); // prettier-ignore
  const output = featureOutput(model, facts);
  if (!output) return refused('the encoder has no output with one row of features per token');
  const { shape, dtype } = facts.get(output)!;
  if (dtype !== DType.FLOAT && dtype !== DType.FLOAT16) return refused(`the features ${output.name} are not float32 or float16`); // prettier-ignore
  const flat = shape.length === 2;
  const rows = shape.at(-2)!;
  const count = flat ? (perImage ?? rows) : rows;
  if (flat && rows % count !== 0) return refused(`${rows} rows of ${output.name} are not a multiple of ${count} tokens per image`); // prettier-ignore
  const base = { output, count, width: shape.at(-1)!, flat };
  const patches = patchGrid(model, facts);
  const layout = layoutOf(count, patches);
  const attention = attentionFor(model, facts, base, layout.fixed, patches);
  return { ...base, ...layout, ...(typeof attention === 'string' ? { withoutAttention: attention } : { attention }) };
}

function featureOutput(model: Model, facts: Facts): Value | undefined {
  const rows = model.graph.outputs.filter((v) => {
    const rank = facts.get(v)?.shape.length;
    return rank === 2 || rank === 3;
  });
  for (const name of OUTPUTS) {
    const found = rows.find((v) => name.test(v.name));
    if (found) return found;
  }
  return model.graph.outputs.length === 1 ? rows[0] : undefined;
}

/** Rows and columns of patches: the positions of the last convolution. */
function patchGrid(model: Model, facts: Facts): readonly [number, number] | undefined {
  for (const n of model.graph.nodesReversed()) {
    const shape = facts.get(n.output())?.shape;
    if (traitsOf(n).linear?.slides && shape?.length === 4) return [shape[2]!, shape[3]!];
  }
  return undefined;
}

/** The grid of `count` tokens: the patches behind leading tokens, or patches merged in blocks, as by a pixel shuffle. */
function layoutOf(count: number, patches?: readonly [number, number]): Pick<FeaturePlace, 'fixed' | 'grid'> {
  if (!patches) return { fixed: 0 };
  const [rows, columns] = patches;
  const leading = count - rows * columns;
  if (leading >= 0 && leading <= MOST_FIXED) return { fixed: leading, grid: patches };
  const side = Math.sqrt((rows * columns) / count);
  const isMerged = Number.isInteger(side) && rows % side === 0 && columns % side === 0;
  return isMerged ? { fixed: 0, grid: [rows / side, columns / side] } : { fixed: 0 };
}

function attentionFor(
  model: Model,
  facts: Facts,
  place: Pick<FeaturePlace, 'output' | 'count' | 'flat'>,
  fixed: number,
  patches?: readonly [number, number],
): FeaturePlace['attention'] | string {
  const shape = facts.get(place.output)!.shape;
  const images = place.flat ? shape[0]! / place.count : shape[0]!;
  const found = lastAttention(model, facts, place.output, images);
  if (typeof found === 'string') return found;
  const skip = found.tokens - place.count;
  if (skip < 0 || skip > MOST_FIXED) return `the encoder attends to ${found.tokens} tokens and gives ${place.count}`;
  // Without a grid of patches nothing tells a class token from others.
  const leading = patches ? found.tokens - patches[0] * patches[1] : fixed + skip;
  return { found, skip, classToken: leading > 0 };
}

/** Output with the tokens that stay, int64 [images, fixed + keep]: their numbers among the tokens of an image. */
export const KEPT = 'kept_tokens';

/** Why a method cannot select at the place, or null. */
export function refusalAfter(model: Model, place: FeaturePlace, method: TokenMethod, keep: number): string | null {
  if (model.opset < 11) return `the model has operator set ${model.opset}, and token methods need 11`;
  if (method.needs.includes('sizes')) return `nothing behind the output weighs merged tokens by their sizes`;
  if (method.needs.includes('grid') && !place.grid) return `the tokens have no known grid`;
  const attends = method.needs.includes('attention') || method.needs.includes('keys');
  if (attends && !place.attention) return place.withoutAttention!;
  const free = place.count - place.fixed;
  if (keep < 1 || keep > free) return `${keep} of ${free} tokens cannot stay`;
  if (method.levels && !method.levels(place).includes(keep)) return `the grid cannot be divided into ${keep} cells`;
  return null;
}

/**
 * A copy of the model whose feature output holds the selected tokens, fixed ones included. Other readers of the
 * features, such as a pooled output, still see all tokens.
 * @param keep tokens that stay, without the fixed ones; all of them leave the model as it is
 * @param o.report adds the output `KEPT`; not for all tokens
 * @param o.places adds a channel to the features, 1 + number among all tokens - number among those that stay, which
 * `keepPositions` reads; not for all tokens
 * @throws Error where `refusalAfter` gives a reason
 */
export function selectAfter(
  model: Model,
  place: FeaturePlace,
  method: TokenMethod,
  keep: number,
  o: { readonly seed?: number; readonly report?: boolean; readonly places?: boolean } = {},
): Model {
  const refusal = refusalAfter(model, place, method, keep);
  if (refusal) throw new Error(`${method.name} at ${place.output.name}: ${refusal}`);
  const { model: copy, values } = cloneModel(model);
  const { count, width, fixed, flat } = place;
  if (keep === count - fixed) return copy;
  const b = new GraphBuilder(copy.graph, copy.opset);
  const all = values.get(place.output)!;
  const name = all.name;
  all.name = copy.graph.freshName(`${name}_all`);
  const isHalf = place.output.type?.elemType === DType.FLOAT16;
  const asFloat = (x: Value): Value => (isHalf ? b.cast(x, DType.FLOAT) : x);
  const batched = flat ? b.reshape(asFloat(all), [-1, count, width]) : asFloat(all);
  const attention = place.attention && attentionIn(b, place.attention, values, asFloat);
  const inputs: TokenInputs = { tokens: batched, count, width, fixed, seed: o.seed ?? 0, ...(place.grid && { grid: place.grid }), ...attention }; // prettier-ignore
  const selection = method.emit(b, inputs, keep);
  const contents = keptTokens(b, inputs, selection);
  const kept = o.places ? b.concat([contents, placesOf(b, selection, fixed + keep)], 2) : contents;
  const wide = width + (o.places ? 1 : 0);
  const rows = flat ? b.reshape(kept, [-1, wide]) : kept;
  const out = isHalf ? b.cast(rows, DType.FLOAT16) : b.op('Identity', [rows]);
  copy.graph.outputs[copy.graph.outputs.indexOf(all)] = out;
  out.name = name;
  const shape = place.output.type?.shape;
  if (o.report) {
    const index = b.op('Identity', [selection.index]);
    index.name = copy.graph.freshName(KEPT);
    index.type = { elemType: DType.INT64, shape: [null, fixed + keep] };
    copy.graph.outputs.push(index);
  }
  // Attention is offered to every method, and few read it.
  eliminateDead.run(copy);
  out.type = { elemType: isHalf ? DType.FLOAT16 : DType.FLOAT, ...(shape && { shape: shape.map((d, axis) => (axis === shape.length - 2 ? rowsOf(d, place, keep) : axis === shape.length - 1 ? wide : d)) }) }; // prettier-ignore
  return copy;
}

/** Float [B, K, 1]: one and how far each token's number among all is ahead of that among the K that stay. */
function placesOf(b: GraphBuilder, { index, position }: TokenSelection, stay: number): Value {
  const ahead = b.sub(position ?? index, b.ints(upTo(stay)));
  return b.unsqueeze(b.cast(b.add(ahead, b.ints([1])), DType.FLOAT), [2]);
}

/** The declared number of rows after the selection. */
const rowsOf = (
  declared: number | string | null,
  { flat, count, fixed }: FeaturePlace,
  keep: number,
): number | string | null => {
  // prettier-ignore
  if (!flat) return fixed + keep;
  return typeof declared === 'number' ? (declared / count) * (fixed + keep) : declared;
};

function attentionIn(
  b: GraphBuilder,
  { found, skip, classToken }: NonNullable<FeaturePlace['attention']>,
  values: ReadonlyMap<Value, Value>,
  asFloat: (x: Value) => Value,
): { readonly attention: Value; readonly keys: Value } {
  const copyOf = (v: Value): Value => asFloat(values.get(v)!);
  const copied = { ...found, probabilities: copyOf(found.probabilities), keys: copyOf(found.keys) };
  return attentionInputs(b, copied, skip, classToken);
}
