/** Operators of a prepared model without pruning rules. */
import type { Model } from '../ir/model.ts';
import { operatorFor } from '../ops/registry.ts';

/** Sentences for a report; none where every operator has rules. */
export function withoutRules(prepared: Model): string[] {
  const keys = new Set([...prepared.graph.nodes()].map((n) => n.key));
  const unknown = [...keys].filter((key) => operatorFor(key) === undefined).sort();
  return unknown.length > 0 ? [`Operators without rules, whose channels are not pruned: ${unknown.join(', ')}.`] : [];
}
