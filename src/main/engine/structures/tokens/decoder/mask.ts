/**
 * The reference of a pruned decoder: all tokens stay, and those that a cut would drop are hidden from the attention of
 * every later layer. Its outputs for kept tokens equal those of the pruned decoder.
 */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { attrInt } from '../../../ir/attribute.ts';
import { DType } from '../../../ir/dtype.ts';
import type { Model } from '../../../ir/model.ts';
import type { Value } from '../../../ir/value.ts';
import { traitsOf } from '../../../ops/registry.ts';
import type { ImageRoute } from './image-mask.ts';
import { draftOf, finishDraft, giveOut } from './draft.ts';
import { lengthOf } from './length.ts';
import { keptTokens, keyBias, type Stream, type TokenCut } from './stage.ts';
import type { Attention } from './types.ts';

export interface MaskOptions {
  readonly route: ImageRoute;
  /**
   * 'computed': the masked decoder chooses tokens itself, and gives them out as `kept_tokens.K` (int64 [n]).
   * 'given': it reads them from inputs `kept.K` (bool [1, S]), for a recomputation of a whole answer, whose last token is
   * not the one that the choice was made with.
   */
  readonly kept: 'computed' | 'given';
}

/** The masked decoder, for a run with an empty cache. @throws SecateurError 'plan-invalid' @internal */
export function maskDecoder(from: Model, cuts: readonly TokenCut[], options: MaskOptions): Model {
  const { b, model, layers, stream: start } = draftOf(from, cuts, options.route);
  let stream: Stream = start;
  cuts.forEach((cut, i) => {
    const own = options.kept === 'given' ? given(b, cut.layer, stream.image) : keptTokens(b, layers, cut, i, stream);
    const visible = stream.visible ? b.op('And', [stream.visible, own]) : own;
    stream = { ...stream, visible, image: b.op('And', [stream.image, visible]) };
    for (let k = cut.layer; k < (cuts[i + 1]?.layer ?? layers.length); k++) hide(b, layers[k]!.attention, visible);
    if (options.kept === 'computed') {
      const places = b.reshape(b.op('NonZero', [b.reshape(visible, [-1])]), [-1]);
      giveOut(b, places, `kept_tokens.${cut.layer}`);
    }
  });
  return finishDraft(model);
}

const given = ({ graph }: GraphBuilder, layer: number, image: Value): Value =>
  graph.addInput(`kept.${layer}`, { elemType: DType.BOOL, shape: image.type?.shape ?? [1, null] });

/** Hides keys from an attention. @param visible bool [1, S] */
function hide(b: GraphBuilder, { node, ports, past }: Attention, visible: Value): void {
  const bias = keyBias(b, visible, lengthOf(b, past[0], 2));
  if (!ports) return node.setInput(0, b.add(node.input(0)!, alike(b, bias, past[0])));
  const given = node.input(ports.bias);
  if (given) return node.setInput(ports.bias, both(b, given, bias, past[0]));
  const sizes = b.concat([b.ints([1, 1]), lengthOf(b, visible, 1), lengthOf(b, bias, 3)], 0);
  node.setInput(ports.bias, alike(b, b.op('Expand', [bias, sizes]), past[0]));
}

/** A float32 value in the element type of a cache, which is that of the scores. */
const alike = (b: GraphBuilder, v: Value, cache: Value): Value => b.cast(v, cache.type?.elemType ?? DType.FLOAT);

/** A bias with another one, in the form of the first: added, or admitting a key only where both do. */
function both(b: GraphBuilder, first: Value, bias: Value, like: Value): Value {
  if (!isBoolean(first)) return b.add(first, alike(b, bias, like));
  return b.op('And', [first, b.equal(bias, b.scalar(0))]);
}

function isBoolean(v: Value): boolean {
  if (v.type?.elemType) return v.type.elemType === DType.BOOL;
  const n = v.producer;
  if (!n) return false;
  const { outputType, movement } = traitsOf(n);
  const to = attrInt(n.attributes.get('to'), outputType ?? DType.UNDEFINED);
  if (to !== DType.UNDEFINED) return to === DType.BOOL;
  return movement !== undefined && n.input(0) !== null && isBoolean(n.input(0)!);
}
