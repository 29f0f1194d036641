/** The share of a model that pruning can change. */
import { nodeCosts } from '../../engine/ir/costs.ts';
import type { Value } from '../../engine/ir/value.ts';
import { axesOf } from '../../engine/structures/find.ts';
import type { Prepared } from './prepare.ts';

/** Share of the MACs in operators that a group can narrow. */
export function prunableShare(p: Pick<Prepared, 'model' | 'facts' | 'structures'>): number {
  const touched = new Set<Value>(axesOf(p.structures).flatMap((g) => g.members.map((m) => m.value)));
  let [all, some] = [0, 0];
  for (const { node, macs } of nodeCosts(p.model, p.facts)) {
    all += macs;
    if ([...node.inputs, ...node.outputs].some((v) => v && touched.has(v))) some += macs;
  }
  return all > 0 ? some / all : 0;
}
