/** Where a group's units are summed over: consumer weights with the activation that each multiplies. */
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { tensorOf } from '../../structures/axes/constants.ts';
import type { ChannelStatistics } from '../../statistics/statistics.ts';
import type { Group, GroupMember } from '../../structures/axes/types.ts';
import type { CriterionContext } from '../contract.ts';
import { axisSums, floats, matrixMembers, unitSums, weightMembers, type WeightMember } from './tensors.ts';

export interface SinkLink {
  readonly node: Node;
  readonly weight: WeightMember;
  readonly activation: GroupMember;
}

/**
 * Consumers of a group with constant weights. A product of two activations (attention) has no weight and is not listed.
 * Consumers in the body of a Loop are not listed either, because no statistics are collected there.
 */
export function sinkLinks(group: Group): SinkLink[] {
  const activations = new Map(group.members.filter((m) => m.role === 'through').map((m) => [m.value, m]));
  return weightMembers(group)
    .filter((m) => m.role === 'sink')
    .flatMap((weight) =>
      readers(weight.value, activations).map(([node, v]) => ({ node, weight, activation: activations.get(v)! })),
    );
}

/** Nodes that multiply a weight with one of the activations. Nodes that only rearrange the weight are followed. */
function readers(weight: Value, activations: ReadonlyMap<Value, unknown>): [Node, Value][] {
  return weight.consumers().flatMap((node): [Node, Value][] => {
    if (node.graph?.outermost) return [];
    const entering = node.inputs.find((v) => v && v !== weight && activations.has(v));
    if (entering) return [[node, entering]];
    const constant = node.inputs.every((v) => !v || v === weight || tensorOf(v));
    return constant ? node.outputs.flatMap((o) => readers(o, activations)) : [];
  });
}

/** The activations whose statistics criteria need for these links, without repetition. */
export function activationsOf(links: readonly SinkLink[]): { value: Value; axis: number }[] {
  const seen = new Map<Value, { value: Value; axis: number }>();
  for (const { activation } of links) seen.set(activation.value, { value: activation.value, axis: activation.axis });
  return [...seen.values()];
}

/** @throws Error when the caller did not collect the statistics that the criterion needs */
export function statisticsFor(ctx: CriterionContext, activation: GroupMember): ChannelStatistics {
  const s = ctx.statistics?.(activation.value, activation.axis);
  if (!s) throw new Error(`no statistics of ${activation.value.name} for group ${ctx.group.id}`);
  return s;
}

/**
 * Per unit, summed over all sinks: sum over the unit's input channels j of feature(j) times the sum of term(weight)
 * over the weights that multiply j. In grouped layouts, where a unit has more activation channels than weight slices,
 * the mean feature is used.
 */
export function sinkScores(
  ctx: CriterionContext,
  feature: (s: ChannelStatistics) => ArrayLike<number>,
  term: (w: number) => number,
): Float64Array {
  const links = sinkLinks(ctx.group);
  // Without a known consumer, magnitude decides.
  if (!links.length) return unitSums(ctx.group.units, matrixMembers(ctx.group), (w) => w * w).map(Math.sqrt);
  const out = new Float64Array(ctx.group.units);
  for (const { weight, activation } of links) {
    const f = feature(statisticsFor(ctx, activation)),
      w = floats(weight.tensor);
    const sums = axisSums(weight.tensor.dims, weight.axis, (at) => term(w[at]!));
    for (let u = 0; u < out.length; u++) {
      const slices = weight.indices[u]!,
        channels = activation.indices[u]!;
      if (slices.length === channels.length) slices.forEach((i, k) => (out[u]! += sums[i]! * f[channels[k]!]!));
      else {
        const mean = channels.reduce((s, j) => s + f[j]!, 0) / Math.max(1, channels.length);
        for (const i of slices) out[u]! += sums[i]! * mean;
      }
    }
  }
  return out;
}
