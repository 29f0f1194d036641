/**
 * The places of a model where tokens can be reduced: one before the first layer of attention, and one behind each
 * layer.
 */
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { operatorFor, traitsOf } from '../../ops/registry.ts';
import { isUnsupported } from '../../ops/contract.ts';
import { bottlenecks } from './stream.ts';
import { keysOf } from './support/find-attention.ts';
import { readTail, type Refused, type Tail } from './tail.ts';

/** Attention of one layer. N is the number of tokens. */
export interface LayerAttention {
  /** Float [B, H, N, N]: probabilities; rows are queries. */
  readonly probabilities: Value;
  /** Float [B, H, d, N]: keys, transposed, as the product with the queries reads them. */
  readonly transposedKeys: Value;
}

export interface TokenPlace extends Tail {
  /** Name of the value. */
  readonly name: string;
  /** Layers of attention before the place. */
  readonly layer: number;
  /** Attention of the layer before the place, where it is found. */
  readonly attention?: LayerAttention;
}

export interface TokenPlaces {
  /** In execution order. */
  readonly places: readonly TokenPlace[];
  /** Layers of attention over tokens in the model. */
  readonly layers: number;
  /** Present where a sequence of tokens was found that cannot be reduced anywhere. */
  readonly refused?: Refused;
}

/**
 * @param open outputs of the model that may have fewer tokens
 */
export function findTokenPlaces(model: Model, facts: Facts, open: ReadonlySet<Value> = new Set()): TokenPlaces {
  const places: TokenPlace[] = [];
  let layers = 0;
  let refused: Refused | undefined;
  let fresh = true;
  for (const { value, nodes } of bottlenecks(model, facts)) {
    const found = attentionsIn(nodes, facts);
    layers += found.length;
    // Behind the layer's first value the tokens are the same; the first one saves the most.
    if (found.length > 0) fresh = true;
    if ((!fresh && layers > 0) || rewrites(value.producer!)) continue;
    const tail = readTail(model, facts, value, { open });
    if ('reason' in tail) {
      if (layers > 0) refused ??= tail;
      continue;
    }
    if (tail.weighings.length === 0 && open.size === 0) continue;
    const attention = found.findLast((a) => facts.get(a.probabilities)!.shape.at(-1) === tail.count);
    const place = { ...tail, name: value.name, layer: layers, ...(attention && { attention }) };
    // Before the first layer, the last value is the complete embedding.
    if (layers === 0) places.pop();
    places.push(place);
    fresh = false;
  }
  return { places, layers, ...(places.length === 0 && refused && { refused }) };
}

/** Whether a cut may change the node that computes the place's value, which still has all tokens. */
function rewrites(node: Node): boolean {
  const def = operatorFor(node.key);
  return !def || isUnsupported(def.prune) || def.prune.rewrite !== undefined;
}

/** Attention as a product of queries and keys, a softmax over its last axis, and element-wise steps between. */
function attentionsIn(nodes: readonly Node[], facts: Facts): LayerAttention[] {
  return nodes.flatMap((n): LayerAttention[] => {
    const probabilities = n.output();
    const shape = facts.get(probabilities)?.shape;
    if (traitsOf(n).yields !== 'softmax' || shape?.length !== 4 || shape[2] !== shape[3]) return [];
    const transposedKeys = keysOf(n, facts);
    return transposedKeys ? [{ probabilities, transposedKeys }] : [];
  });
}
