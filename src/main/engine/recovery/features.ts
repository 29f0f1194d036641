/**
 * Selects activations of a pruned model to match with activations of the original during training (FitNets, Romero et
 * al. 2015, arXiv:1412.6550). No adapter is needed: the remaining part of a residual stream corresponds to known
 * channels of the original's, also across dropped blocks. Targets inside the network guide every block directly; the
 * outputs alone guide training late.
 */
import type { Value } from '../ir/value.ts';
import { Targets } from '../compensation/targets.ts';
import type { Surgery } from '../structures/apply.ts';
import { traitsOf } from '../ops/registry.ts';

/**
 * An activation of the pruned model and the corresponding one of the original, by name, so that the pair can be stored.
 */
export interface Feature {
  readonly value: string;
  readonly target: string;
  /** Channels (axis 1) of the target that stay, or null for all. */
  readonly kept: readonly number[] | null;
}

/**
 * Residual sums, or in a network without any, the outputs of its linear operators. Where an activation is the only
 * reader, its output is used instead. At most `limit`, evenly over the depth, always including the last one.
 */
export function featuresOf(surgery: Surgery, limit = 32): Feature[] {
  const targets = new Targets(surgery);
  const sums = new Map<string, Feature>();
  const others = new Map<string, Feature>();
  for (const node of surgery.model.graph.nodes()) {
    if (!traitsOf(node).linear) continue;
    const readout = targets.readout(node.output(), () => 1);
    if (!readout) continue;
    const value = activated(readout.value);
    const target = activated(readout.target);
    // A value before the activation does not correspond to one after it.
    const behind = value !== readout.value && target !== readout.target;
    const [v, t] = behind ? [value, target] : [readout.value, readout.target];
    if (v.isGraphOutput || t.isGraphOutput) continue;
    (readout.base ? sums : others).set(v.name, { value: v.name, target: t.name, kept: readout.kept });
  }
  const found = [...(sums.size ? sums : others).values()];
  const n = Math.min(limit, found.length);
  return Array.from({ length: n }, (_, i) => found[Math.round(((i + 1) * found.length) / n) - 1]!);
}

/** The output of the activation that is the only reader of a value, or the value itself. */
function activated(v: Value): Value {
  const readers = v.consumers().filter((n) => traitsOf(n).idempotent && n.graph === v.graph);
  return readers.length === 1 && !v.isGraphOutput ? readers[0]!.output() : v;
}
