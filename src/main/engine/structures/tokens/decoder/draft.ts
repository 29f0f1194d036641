/** A copy of a decoder that cuts are made in: its image tokens are marked, and its positions are a value of their own. */
import { SecateurError } from '../../../../../shared/contract/errors.ts';
import { GraphBuilder } from '../../../autodiff/builder.ts';
import { importDomains } from '../../../autodiff/walker.ts';
import { cloneModel } from '../../../ir/clone.ts';
import { DType } from '../../../ir/dtype.ts';
import type { Model } from '../../../ir/model.ts';
import { i64 } from '../../../ir/tensor.ts';
import type { Value } from '../../../ir/value.ts';
import { verifyModel } from '../../../ir/verify.ts';
import { eliminateDead } from '../../../passes/eliminate-dead.ts';
import { findDecoder } from './find.ts';
import { markImage, type ImageRoute } from './image-mask.ts';
import { isSkipped } from './ports.ts';
import { lengthOf } from './length.ts';
import { checkCuts, startStream, type Stream, type TokenCut } from './stage.ts';
import { Replay, sortGraph } from './tail.ts';
import type { Decoder, DecoderLayer } from './types.ts';

/** A copy of a decoder with its image tokens marked. */
export interface Draft {
  readonly b: GraphBuilder;
  readonly model: Model;
  readonly decoder: Decoder;
  /** The layers; a rewrite of one replaces it here. */
  readonly layers: DecoderLayer[];
  readonly stream: Stream;
  /** Read by the first layers in the place of the decoder's inputs. */
  readonly tokens: Value;
}

/** @throws SecateurError 'plan-invalid' where the model is no such decoder, or cuts do not fit it */
export function draftOf(from: Model, cuts: readonly TokenCut[], route: ImageRoute): Draft {
  const { model } = cloneModel(from);
  const decoder = findDecoder(model);
  if (isSkipped(decoder)) throw new SecateurError('plan-invalid', { reason: decoder.reason });
  checkCuts(decoder, cuts);
  const b = new GraphBuilder(model.graph, model.opset);
  const cached = lengthOf(b, decoder.layers[0]!.attention.past[0], 2);
  const { image, tokens } = markImage(b, route, decoder.tokens, cached);
  const positions = decoder.positions ?? positionsOf(b, decoder, cached, tokens);
  const stream = startStream(b, image, positions);
  sortGraph(model.graph);
  return { b, model, decoder, layers: [...decoder.layers], stream, tokens };
}

/**
 * int64 [1, S]: positions of a decoder without an input for them. Rotary tables read them from here on; masks go on to
 * count, because they count the tokens that are left.
 * @param shift int64 [1, S] that is added to the positions
 */
export function positionsOf(
  b: GraphBuilder,
  { counted, layers }: Decoder,
  cached: Value,
  tokens: Value,
  shift?: Value,
): Value {
  const moved = (v: Value): Value => (shift ? b.add(v, shift) : v);
  if (!counted) {
    const end = b.add(cached, lengthOf(b, tokens, 1));
    const range = b.op('Range', [b.squeeze(cached, [0]), b.squeeze(end, [0]), b.tensor(i64([1], []))]);
    return moved(b.unsqueeze(range, [0]));
  }
  const positions = moved(b.unsqueeze(b.cast(counted, DType.INT64), [0]));
  const replay = new Replay(
    b.graph,
    new Map([[counted, b.cast(b.squeeze(positions, [0]), counted.type?.elemType ?? DType.INT64)]]),
  );
  for (const { attention } of layers)
    for (const { node, index } of [...attention.query.tables, ...attention.key.tables])
      node.setInput(index, replay.of(node.input(index)!));
  return positions;
}

/** Adds an output to the model. */
export function giveOut({ graph }: GraphBuilder, v: Value, name: string): void {
  v.name = graph.freshName(name);
  v.type = { elemType: DType.INT64, shape: [null] };
  graph.outputs.push(v);
}

export function finishDraft(model: Model): Model {
  sortGraph(model.graph);
  eliminateDead.run(model);
  importDomains(model);
  verifyModel(model);
  return model;
}
