/**
 * Selected image tokens keep the positions that they had among all. Runners number the tokens of a prompt one after the
 * other, so the decoder itself adds what is missing: of N tokens of a picture K are left, and number k of them was number
 * i(k). A token in front of the picture stays at its position, image token k moves by i(k) - k, and tokens behind the
 * picture move by N - K. So do all runs without a picture: steps of the answer stand behind one, and rotary attention sees
 * differences of positions only, so a prompt without a picture is read as before. Several pictures or tiles in one run
 * each move all that stands behind them. Positions then begin behind 0 where a prompt holds fewer than the most.
 *
 * The embeddings have one more channel: 0 for words, 1 + i(k) - k for image tokens.
 */
import { SecateurError } from '../../../../../shared/contract/errors.ts';
import { writeImageNote } from '../../../families/image-tokens.ts';
import { GraphBuilder } from '../../../autodiff/builder.ts';
import { int } from '../../../ir/attribute.ts';
import { cloneModel } from '../../../ir/clone.ts';
import { DType } from '../../../ir/dtype.ts';
import type { Model } from '../../../ir/model.ts';
import { i64 } from '../../../ir/tensor.ts';
import type { Value } from '../../../ir/value.ts';
import { finishDraft, positionsOf } from './draft.ts';
import { findDecoder } from './find.ts';
import { takeChannel } from './image-mask.ts';
import { isSkipped } from './ports.ts';
import { rotateOutside } from './rotate-outside.ts';
import { lengthOf } from './length.ts';
import { sortGraph } from './tail.ts';
import type { Decoder } from './types.ts';

/** The largest number up to which half precision holds all whole ones. */
const MOST_IN_HALF = 2048;

/** A picture or tile in prompts. */
export interface KeptPicture {
  /** Most pictures or tiles in one prompt; default 1. */
  readonly most?: number;
  /** Tokens of each before the selection, N. */
  readonly count: number;
  /** Those that are left, K. */
  readonly left: number;
  /** Place of the first token in a usual prompt. */
  readonly start: number;
}

/** The decoder in a model, or why it cannot move its tokens. @throws nothing */
export function movableDecoder(model: Model): Decoder | { readonly refused: string } {
  const decoder = findDecoder(model);
  if (isSkipped(decoder)) return { refused: `${decoder.reason} (${decoder.operator})` };
  const { layers, tokens } = decoder;
  if (tokens.type!.shape!.length !== 3) return { refused: 'the decoder takes ids, which have no channels' };
  const turns = layers.every(({ attention: { rotatesInside, query, key } }) => rotatesInside || (query.tables.length > 0 && key.tables.length > 0)); // prettier-ignore
  return turns ? decoder : { refused: 'some layer of the decoder has no rotary positions' };
}

/**
 * A copy of the decoder that moves its tokens. All pictures of a conversation come in one run: one in a later run would
 * move what stands in front of it back.
 * @throws SecateurError 'plan-invalid' for a decoder that `movableDecoder` refuses
 */
export function keepPositions(from: Model, { count, left, start, most = 1 }: KeptPicture): Model {
  const { model } = cloneModel(from);
  const decoder = movableDecoder(model);
  if ('refused' in decoder) throw new SecateurError('plan-invalid', { reason: decoder.refused });
  const { tokens, layers } = decoder;
  if (tokens.type!.elemType !== DType.FLOAT && count > MOST_IN_HALF)
    throw new SecateurError('plan-invalid', { reason: `half precision does not hold the places of ${count} tokens` });
  const rows = shortestTable(decoder);
  if (most * (count - left) >= rows)
    throw new SecateurError('plan-invalid', { reason: `its table of rotary positions has ${rows} rows, and answers would begin at ${most * (count - left)}` }); // prettier-ignore
  const b = new GraphBuilder(model.graph, model.opset);
  const readers = decoder.positions?.uses() ?? [];
  const cached = lengthOf(b, layers[0]!.attention.past[0], 2);
  const { channel, plain } = takeChannel(b, tokens);
  const shift = shiftOf(b, channel, { count, left, most });
  const { positions: given } = decoder;
  let positions: Value;
  if (given) {
    const dtype = given.type!.elemType;
    const moved = b.add(given, dtype === DType.INT64 ? shift : b.cast(shift, dtype));
    for (const { node, index } of readers) node.setInput(index, moved);
    positions = dtype === DType.INT64 ? moved : b.cast(moved, DType.INT64);
  } else positions = positionsOf(b, decoder, cached, plain, shift);
  for (const layer of layers) rotateOutside(b, layer, positions);
  sortGraph(model.graph);
  writeImageNote(model, { route: 'flag', input: tokens.name, start, count: most * left, cuts: [] });
  return finishDraft(model);
}

/** Positions that fused operators have a rotation for; infinite where none has a table. */
function shortestTable({ layers }: Decoder): number {
  const lengths = layers.flatMap(({ attention: { node, ports, rotatesInside } }) => {
    const length = rotatesInside && ports?.rotary ? node.input(ports.rotary.cos)?.type?.shape?.[0] : undefined;
    return typeof length === 'number' ? [length] : [];
  });
  return Math.min(Infinity, ...lengths);
}

/** int64 [1, S]: what is added to the positions of a run. @param channel float [1, S] */
function shiftOf(b: GraphBuilder, channel: Value, { count, left, most }: Required<Omit<KeptPicture, 'start'>>): Value {
  const isImage = b.cast(b.greater(channel, b.scalar(0.5)), DType.INT64);
  const inside = b.sub(b.cast(b.op('Round', [channel]), DType.INT64), isImage);
  // Image tokens from here to the end of the run, in whole pictures: with one, 1 up to its last token.
  const rest = b.op('CumSum', [isImage, b.tensor(i64([1], []))], { reverse: int(1) });
  const ahead = b.div(b.add(rest, b.ints([left - 1])), b.ints([left]));
  return b.add(b.mul(b.sub(b.ints([most]), ahead), b.ints([count - left])), inside);
}
