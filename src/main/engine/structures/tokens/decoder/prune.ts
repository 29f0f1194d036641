/**
 * Drops image tokens at the input of layers of a decoder. The layers behind a cut are a decoder of their own: everything
 * that they share with the layers before it (masks, rotary tables, lengths) is computed again for the tokens that are
 * left, from the cache of the layer at the cut. Without image tokens a cut is the identity, so the same graph reads the
 * prompt and writes the answer. Batch 1, no padding.
 */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { lengthBehind } from '../../../families/image-tokens.ts';
import { int, tensorAttr } from '../../../ir/attribute.ts';
import { DType } from '../../../ir/dtype.ts';
import type { Model } from '../../../ir/model.ts';
import type { Node } from '../../../ir/node.ts';
import { i64 } from '../../../ir/tensor.ts';
import type { Dim, Value } from '../../../ir/value.ts';
import { draftOf, finishDraft, giveOut, type Draft } from './draft.ts';
import { sourceOf } from './flow.ts';
import type { ImageRoute } from './image-mask.ts';
import { rotateOutside } from './rotate-outside.ts';
import { lengthOf } from './length.ts';
import { keptPlaces, type Stream, type TokenCut } from './stage.ts';
import { forgetShape, Replay, sortGraph, tailOf } from './tail.ts';

export interface CutOptions {
  readonly route: ImageRoute;
  /** Adds an output `kept_tokens.K` for each cut: int64 [n], places in the run of the tokens that are left. */
  readonly report?: boolean;
}

/** The pruned decoder. Cuts are in the order of layers. @throws SecateurError 'plan-invalid' */
export function pruneDecoder(from: Model, cuts: readonly TokenCut[], options: CutOptions): Model {
  const draft = draftOf(from, cuts, options.route);
  const { model, decoder, b } = draft;
  let segment: Segment = { ...draft.stream, from: 0, tokens: draft.tokens, mask: decoder.mask, admitted: null };
  cuts.forEach((cut, i) => {
    // Criteria read the tokens before the cut, so their operators do not belong to the layers behind it.
    const tail = tailOf(model.graph, draft.layers[cut.layer]!.frontier);
    const kept = keptPlaces(b, draft.layers, cut, i, segment);
    segment = behind(draft, tail, segment, cut.layer, kept);
    renameLengths(draft, cut.layer);
    const until = cuts[i + 1]?.layer ?? draft.layers.length;
    for (let k = cut.layer; k < until; k++) draft.layers[k] = rotateOutside(b, draft.layers[k]!, segment.positions);
    if (options.report) giveOut(b, b.reshape(segment.place, [-1]), `kept_tokens.${cut.layer}`);
    sortGraph(model.graph);
  });
  return finishDraft(model);
}

/** Values that the layers from one cut to the next share. */
interface Segment extends Stream {
  /** The first layer. */
  readonly from: number;
  /** Embeddings or ids of the tokens, [1, S, H] or [1, S]. */
  readonly tokens: Value;
  /** [1, P + S] */
  readonly mask: Value | null;
  /** [1, S]: the end of the mask, where a cut has computed it. */
  readonly admitted: Value | null;
}

/**
 * Gives lengths behind a cut names of their own: the runtime takes axes of one name for equally long, and shares memory
 * between them.
 */
function renameLengths({ layers, model }: Draft, cut: number): void {
  const rename = (v: Value, axis: number, unnamed: Dim = null): void => {
    const shape = v.type?.shape;
    if (!shape) return;
    const name = (d: Dim): Dim => (typeof d === 'string' ? lengthBehind(d, cut) : (d ?? unnamed));
    v.type = { ...v.type!, shape: shape.map((d, i) => (i === axis ? name(d) : d)) };
  };
  for (const { attention } of layers.slice(cut))
    for (const v of attention.past) rename(v, 2, lengthBehind('past_sequence_length', cut));
  const presents = (from: number): Set<Value> => new Set(layers.slice(from).flatMap((l) => l.attention.present));
  const [all, later] = [presents(0), presents(cut)];
  for (const v of model.graph.outputs)
    if (later.has(sourceOf(v))) rename(v, 2);
    else if (!all.has(sourceOf(v)) && v.type?.shape?.length === 3) rename(v, 1);
}

/**
 * Gathers the kept tokens and makes the layers from `layer` on read what belongs to them.
 * @param kept int64 [n]: their places
 */
function behind(
  { b, layers, decoder, model }: Draft,
  tail: ReadonlySet<Node>,
  before: Segment,
  layer: number,
  kept: Value,
): Segment {
  const { frontier, attention } = layers[layer]!;
  const gather = (v: Value): Value => b.op('Gather', [v, kept], { axis: int(1) });
  const given = new Map<Value, Value>(frontier.map((v) => [v, gather(v)]));
  const main = given.get(frontier[0]!)!;
  const admitted = before.mask && gather(before.admitted ?? lastOf(b, before.mask, lengthOf(b, before.image, 1)));
  const after: Segment = {
    image: gather(before.image),
    ordinal: gather(before.ordinal),
    total: before.total,
    positions: before.positions && gather(before.positions),
    place: gather(before.place),
    visible: null,
    from: layer,
    // Behind the first layer, only the size of the embeddings is read.
    tokens: decoder.tokens.type!.shape!.length === 3 ? main : gather(before.tokens),
    mask: admitted && maskOf(b, admitted, attention.past[0]),
    admitted,
  };
  given.set(before.tokens, after.tokens);
  if (before.mask) given.set(before.mask, after.mask!);
  if (before.positions) given.set(before.positions, after.positions!);
  // Lengths come from the first cache that a segment has.
  for (const { attention: earlier } of layers.slice(before.from, layer))
    earlier.past.forEach((v, i) => given.set(v, attention.past[i]!));
  const replay = new Replay(model.graph, given);
  const own = new Set([...tail].flatMap((n) => n.outputs));
  for (const v of own) if (!model.graph.outputs.includes(v)) forgetShape(v);
  for (const n of tail) n.inputs.forEach((v, i) => v && !own.has(v) && n.setInput(i, replay.of(v)));
  return after;
}

/** The last `count` places of a mask. @param mask [1, P + S] @param count int64 [1] */
const lastOf = (b: GraphBuilder, mask: Value, count: Value): Value =>
  b.op('Slice', [mask, b.neg(count), b.ints([Number.MAX_SAFE_INTEGER]), b.ints([1])]);

/** [1, P + S]: ones for the cache of the layer, and the mask of the kept tokens. @param past [1, g, P, d] */
function maskOf(b: GraphBuilder, admitted: Value, past: Value): Value {
  const value = tensorAttr(i64([1]));
  const ones = b.op('ConstantOfShape', [b.concat([b.ints([1]), lengthOf(b, past, 2)], 0)], { value });
  const dtype = admitted.type?.elemType ?? DType.INT64;
  return b.concat([dtype === DType.INT64 ? ones : b.cast(ones, dtype), admitted], 1);
}
