/** Splits a model into latency units, from the kernels that the runtime executed. */
import { bodyOf } from '../ir/bodies.ts';
import { dataDependent } from '../ir/dependence.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { readsOf } from '../ir/reads.ts';
import type { Value } from '../ir/value.ts';
import type { LatencyUnit } from './signature.ts';
import type { Widths } from './widths.ts';

/** A kernel of the whole model's profile. */
export interface ProfiledKernel {
  readonly opType: string;
  readonly nodes: readonly Node[];
  readonly blocked: boolean;
  readonly ms: number;
}

export interface Partition {
  readonly units: readonly LatencyUnit[];
  /**
   * Time of kernels that belong to no node of the model (layout changes). The calibration spreads it over the units.
   */
  readonly otherMs: number;
}

export function partition(model: Model, kernels: readonly ProfiledKernel[], widths: Widths): Partition {
  const dependent = dataDependent(model);
  const given = new Set(model.graph.outputs);
  const blocked = new Set<Value>();
  for (const k of kernels) if (k.blocked) for (const n of k.nodes) for (const o of n.outputs) blocked.add(o);
  const units: LatencyUnit[] = [];
  let otherMs = 0;
  for (const k of kernels) {
    const first = k.nodes[0];
    if (!first) {
      otherMs += k.ms;
      continue;
    }
    const own = new Set(k.nodes);
    const inputs = new Set<Value>();
    const constants = new Set<Value>();
    const outputs = new Set<Value>();
    const groups = new Set<string>();
    for (const n of k.nodes) {
      for (const v of readsOf(n)) {
        for (const g of widths.groupsOf(v)) groups.add(g);
        if (v.producer && own.has(v.producer)) continue;
        (dependent.has(v) ? inputs : constants).add(v);
      }
      for (const v of bodyOf(n)?.values() ?? []) for (const g of widths.groupsOf(v)) groups.add(g);
      for (const o of n.outputs) {
        for (const g of widths.groupsOf(o)) groups.add(g);
        if (o.name && (given.has(o) || o.consumers().length === 0 || o.consumers().some((c) => !own.has(c))))
          outputs.add(o);
      }
    }
    units.push({
      name: first.label,
      opType: k.opType,
      nodes: k.nodes,
      inputs: [...inputs],
      blockedInputs: new Set([...inputs].filter((v) => blocked.has(v))),
      constants: [...constants],
      outputs: [...outputs],
      groups: [...groups],
      profiledMs: k.ms,
    });
  }
  return { units, otherMs };
}
