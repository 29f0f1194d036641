/**
 * Finds the groups of units inside attention: fused in one operator, or a softmax between two products of activations.
 */
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { keepsOrder, traitsOf } from '../../ops/registry.ts';
import { weightLike } from '../axes/constants.ts';
import type { Group } from '../axes/types.ts';

/** Maximum number of operators between a softmax and its products (scale, mask, dropout, reshape). */
const STEPS = 8;

/** The groups with units along an axis of queries, keys, values or their weighted sum. */
export function attentionGroups(model: Model, facts: Facts, groups: readonly Group[]): ReadonlySet<Group> {
  const inside = attentionValues(model, facts);
  return new Set(groups.filter((g) => g.members.some((m) => inside.has(m.value))));
}

function attentionValues(model: Model, facts: Facts): Set<Value> {
  const weights = weightLike(model.graph, facts);
  const activations = (n: Node): Value[] => n.inputs.filter((v): v is Value => v !== null && !weights.has(v));
  const isStep = (n: Node): boolean => traitsOf(n).elementwise !== undefined || keepsOrder(n);
  // Logits of two embeddings are matrices; products in attention also have a batch axis.
  const isProduct = (n: Node): boolean =>
    !isStep(n) && activations(n).length === 2 && (facts.get(n.output())?.shape.length ?? 0) > 2;
  const out = new Set<Value>();
  const addProduct = (n: Node): void => {
    for (const v of [...activations(n), n.output()]) out.add(v);
  };
  const before = (v: Value, left: number): void => {
    const n = v.producer;
    if (!n || left === 0) return;
    if (isProduct(n)) addProduct(n);
    else if (isStep(n)) for (const x of activations(n)) before(x, left - 1);
  };
  const behind = (v: Value, left: number): void => {
    if (left === 0) return;
    for (const n of v.consumers())
      if (isProduct(n)) addProduct(n);
      else if (isStep(n)) behind(n.output(), left - 1);
  };
  for (const n of model.graph.nodes()) {
    const { attention, yields } = traitsOf(n);
    if (attention) out.add(n.output());
    if (yields !== 'softmax') continue;
    before(n.input(0)!, STEPS);
    behind(n.output(), STEPS);
  }
  return out;
}
