/** Finds the attention of the last encoder layer before a value, for methods that read its probabilities or keys. */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import type { Facts } from '../../../ir/facts.ts';
import type { Model } from '../../../ir/model.ts';
import type { Node } from '../../../ir/node.ts';
import type { Value } from '../../../ir/value.ts';
import { keepsOrder, traitsOf } from '../../../ops/registry.ts';
import { receivedAttention } from './attention.ts';

/** Attention written out as a softmax of a product. T is the number of the encoder's tokens, H of its heads. */
export interface FoundAttention {
  /** Float [B, H, T, T] or [B * H, T, T]. */
  readonly probabilities: Value;
  /** Float [B, H, d, T] or [B * H, d, T]: keys as the product reads them, so they may be scaled. */
  readonly keys: Value;
  readonly heads: number;
  readonly keyWidth: number;
  readonly tokens: number;
}

/** Steps between a softmax and the product in front of it: scale, mask, dropout, reshapes. */
const STEPS = 8;

/**
 * The attention of the last layer that `value` depends on, or a reason why there is none.
 * @param batch first axis of the attention when heads have an axis of their own
 */
export function lastAttention(model: Model, facts: Facts, value: Value, batch: number): FoundAttention | string {
  const before = ancestors(value);
  for (const n of model.graph.nodesReversed()) {
    if (!before.has(n)) continue;
    const traits = traitsOf(n);
    if (traits.attention) return `the attention of ${n.label} is one operator, which does not give its probabilities`;
    if (traits.yields !== 'softmax') continue;
    const shape = facts.get(n.output())?.shape ?? [];
    const tokens = shape.at(-1)!;
    // A pooling head attends with few queries, and a classifier's softmax has rank 2.
    if (shape.length < 3 || shape.at(-2) !== tokens) continue;
    const keys = keysOf(n, facts);
    if (!keys) return `no product of queries and keys in front of ${n.label}`;
    const heads = shape.length === 4 ? shape[1]! : shape[0]! / batch;
    if (!Number.isInteger(heads)) return `the heads of ${n.label} are not known`;
    return { probabilities: n.output(), keys, heads, keyWidth: facts.get(keys)!.shape.at(-2)!, tokens };
  }
  return 'no attention between all tokens in front of it';
}

function ancestors(value: Value): Set<Node> {
  const found = new Set<Node>();
  const open = [value];
  while (open.length > 0) {
    const n = open.pop()!.producer;
    if (!n || found.has(n)) continue;
    found.add(n);
    for (const v of n.inputs) if (v) open.push(v);
  }
  return found;
}

/** Second factor of the product in front of a softmax, [..., d, T]; null where there is no such product. */
export function keysOf(softmax: Node, facts: Facts): Value | null {
  const rank = (v: Value | null): number => (v && facts.get(v)?.shape.length) ?? 0;
  const want = rank(softmax.output());
  let at: Value | null = softmax.input(0);
  for (let i = 0; at?.producer && i < STEPS; i++) {
    const n: Node = at.producer;
    const isStep = traitsOf(n).elementwise !== undefined || keepsOrder(n);
    if (!isStep) {
      const [x, y] = n.inputs;
      const isProduct = n.inputs.length === 2 && rank(x ?? null) === want && rank(y ?? null) === want;
      return isProduct && facts.get(y!)!.shape.at(-1) === facts.get(softmax.output())!.shape.at(-1) ? y! : null;
    }
    // Scales and masks broadcast: the scores are the input of the full shape.
    const size = facts.get(at)?.shape.join();
    at = n.inputs.find((v) => v && !v.isInitializer && facts.get(v)?.shape.join() === size) ?? n.input(0);
  }
  return null;
}

/**
 * Attention and keys of the tokens that a place has, as token methods read them.
 * @param skip leading tokens of the encoder that the place lacks, such as a class token
 */
export function attentionInputs(
  b: GraphBuilder,
  found: FoundAttention,
  skip: number,
  classToken: boolean,
): { readonly attention: Value; readonly keys: Value } {
  const { heads, keyWidth, tokens } = found;
  const byHead = (x: Value, rows: number): Value => b.reshape(x, [-1, heads, rows, tokens]);
  const rest = (x: Value): Value => (skip === 0 ? x : b.slice(x, [skip], [tokens], [1]));
  const attention = receivedAttention(b, byHead(found.probabilities, tokens), classToken);
  const keys = b.transpose(b.reduceMean(byHead(found.keys, keyWidth), [1], false), [0, 2, 1]);
  return { attention: rest(attention), keys: rest(keys) };
}
