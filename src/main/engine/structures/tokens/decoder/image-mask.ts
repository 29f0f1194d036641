/**
 * Where a decoder learns which of its tokens are image tokens. Three routes, in the order in which they are preferred:
 *
 * - an input `image_mask`, for runners that know the positions and can feed one more input;
 * - a channel at the end of the embeddings, which is 1 for image tokens. The embedding of tokens and the image features
 *   append it, so runners that only pass embeddings on need not know of it;
 * - a fixed span of the prompt, where the template puts the image at the same place every time.
 */
import { SecateurError } from '../../../../../shared/contract/errors.ts';
import { GraphBuilder } from '../../../autodiff/builder.ts';
import { tensorAttr } from '../../../ir/attribute.ts';
import { inputDependence } from '../../../ir/dependence.ts';
import { DType } from '../../../ir/dtype.ts';
import type { Model } from '../../../ir/model.ts';
import { f32, i64 } from '../../../ir/tensor.ts';
import type { Value } from '../../../ir/value.ts';
import { keepsOrder, traitsOf } from '../../../ops/registry.ts';
import { lengthOf } from './length.ts';
import { sortGraph } from './tail.ts';

export type ImageRoute =
  | { readonly route: 'input' }
  | { readonly route: 'flag' }
  /** Image tokens are `start` to `start + count - 1` of the whole sequence. */
  | { readonly route: 'span'; readonly start: number; readonly count: number };

/** Name of the input that marks image tokens. @internal */
export const IMAGE_MASK = 'image_mask';

export interface Marked {
  /** Bool [1, S] */
  readonly image: Value;
  /** The tokens without a mark: embeddings [1, S, H] or ids [1, S]. */
  readonly tokens: Value;
}

/**
 * Marks the image tokens inside a decoder. By the route 'flag', its embeddings get one more channel.
 * @param tokens the input with embeddings [1, S, H] or ids [1, S]
 * @param cached int64 [1]: tokens in the cache of the first layer
 * @throws SecateurError 'plan-invalid' for a flag on ids
 */
export function markImage(b: GraphBuilder, route: ImageRoute, tokens: Value, cached: Value): Marked {
  if (route.route === 'flag') return takeFlag(b, tokens);
  if (route.route === 'input') {
    const shape = tokens.type!.shape!.slice(0, 2);
    return { image: b.graph.addInput(b.graph.freshName(IMAGE_MASK), { elemType: DType.BOOL, shape }), tokens };
  }
  const count = lengthOf(b, tokens, 1);
  const end = b.add(cached, count);
  const at = b.op('Range', [b.squeeze(cached, [0]), b.squeeze(end, [0]), b.tensor(i64([1], []))]);
  const isBehind = b.less(at, b.ints([route.start + route.count]));
  const inside = b.op('And', [b.op('Not', [b.less(at, b.ints([route.start]))]), isBehind]);
  return { image: b.unsqueeze(inside, [0]), tokens };
}

const END = Number.MAX_SAFE_INTEGER;

function takeFlag(b: GraphBuilder, tokens: Value): Marked {
  const { channel, plain } = takeChannel(b, tokens);
  return { image: b.greater(channel, b.scalar(0.5)), tokens: plain };
}

/**
 * Declares one more channel of the embeddings, or of image features, and takes it off in front of their readers.
 * @param tokens an input [..., width]
 * @returns the channel, float [...], and the input without it
 * @throws SecateurError 'plan-invalid' for ids
 */
export function takeChannel(b: GraphBuilder, tokens: Value): { readonly channel: Value; readonly plain: Value } {
  const shape = tokens.type!.shape!;
  if (tokens.type!.elemType === DType.INT64 || tokens.type!.elemType === DType.INT32)
    throw new SecateurError('plan-invalid', {
      reason: `the decoder takes ids (${tokens.name}), which have no channels`,
    });
  const readers = tokens.uses();
  const last = shape.length - 1;
  const width = shape[last]!;
  tokens.type = { ...tokens.type!, shape: [...shape.slice(0, last), typeof width === 'number' ? width + 1 : null] };
  const channel = b.squeeze(b.cast(b.slice(tokens, [-1], [END], [last]), DType.FLOAT), [last]);
  const plain = b.slice(tokens, [0], [-1], [last]);
  plain.type = { elemType: tokens.type.elemType, shape };
  for (const { node, index } of readers) node.setInput(index, plain);
  return { channel, plain };
}

/**
 * Appends the channel to the only output of a component: 1 for the features of an image, 0 for embeddings of tokens.
 * The model is changed. @throws SecateurError 'plan-invalid' for several outputs
 */
export function appendFlag(model: Model, flag: 0 | 1): void {
  const { b, out } = flagged(model);
  const sizes = b.op('Shape', [out]);
  const one = b.concat([b.slice(sizes, [0], [-1], [0]), b.ints([1])], 0);
  const value = tensorAttr(f32([flag], [1]));
  finish(model, b, out, b.op('ConstantOfShape', [one], { value }));
}

/**
 * The same for a component that merges image features into the embeddings itself, by choosing between the two at every
 * place. @param features the input with the features @throws SecateurError 'plan-invalid' where nothing chooses
 */
export function appendMergedFlag(model: Model, features: Value): void {
  const { b, out } = flagged(model);
  finish(model, b, out, chosenRows(model, b, out, features));
}

/**
 * The same for features with one more channel: image tokens take it in their order, words get 0.
 * @param features [..., width + 1]; declared with one channel less
 */
export function appendMergedPlaces(model: Model, features: Value): void {
  const { b, out } = flagged(model);
  const isImage = chosenRows(model, b, out, features);
  const { channel } = takeChannel(b, features);
  // A last row of 0 for runs without a picture.
  const channels = b.concat([b.reshape(channel, [-1]), b.tensor(f32([0], [1]))], 0);
  const order = b.op('CumSum', [b.cast(isImage, DType.INT64), b.tensor(i64([1], []))]);
  const places = b.op('Gather', [channels, b.sub(order, b.ints([1]))]);
  finish(model, b, out, b.mul(places, isImage));
  sortGraph(model.graph);
}

/** Float [1, S, 1]: 1 at the places of image features, by the operator that chooses between them and words. */
function chosenRows(model: Model, b: GraphBuilder, out: Value, features: Value): Value {
  const { graph } = model;
  const bit = 1n << BigInt(graph.inputs.indexOf(features));
  const depends = inputDependence(model);
  const isImage = (v: Value | null): boolean => v !== null && ((depends.get(v) ?? 0n) & bit) !== 0n;
  let at = out;
  while (at.producer && keepsOrder(at.producer)) at = at.producer.input(0)!;
  const node = at.producer;
  const [condition, yes, no] = node?.inputs ?? [];
  if (!node || traitsOf(node).elementwise !== 'choice' || isImage(yes!) === isImage(no!))
    throw new SecateurError('plan-invalid', {
      reason: `${graph.name || 'the embedding'} does not choose between image and text`,
    });
  const [one, zero] = [b.scalar(1), b.scalar(0)];
  const flag = isImage(yes!) ? b.where(condition!, one, zero) : b.where(condition!, zero, one);
  return b.reduceMax(flag, [-1], true);
}

function flagged(model: Model): { b: GraphBuilder; out: Value } {
  const { graph, opset } = model;
  const [out, ...more] = graph.outputs;
  if (!out || more.length > 0)
    throw new SecateurError('plan-invalid', {
      reason: `a component with ${graph.outputs.length} outputs cannot mark its tokens`,
    });
  return { b: new GraphBuilder(graph, opset), out };
}

/** Puts the channel behind the output, which keeps its name. */
function finish({ graph }: Model, b: GraphBuilder, out: Value, flag: Value): void {
  const { name, type } = out;
  out.name = graph.freshName(`${name}_plain`);
  const dtype = type?.elemType ?? DType.FLOAT;
  const joined = b.concat([out, dtype === DType.FLOAT ? flag : b.cast(flag, dtype)], -1);
  joined.name = name;
  const width = type?.shape?.at(-1);
  if (type?.shape)
    joined.type = {
      elemType: dtype,
      shape: [...type.shape.slice(0, -1), typeof width === 'number' ? width + 1 : null],
    };
  else joined.type = type;
  graph.outputs[0] = joined;
}
