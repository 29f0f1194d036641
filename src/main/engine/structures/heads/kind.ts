/** Heads: the units inside attention. Whole heads, KV groups (keys with the queries that share them), head dimensions. */
import { axisKind, structureOf } from '../axes/units.ts';
import type { Group } from '../axes/types.ts';
import type { StructureKind } from '../contract.ts';
import { examples } from './examples.ts';
import { attentionGroups } from './attention.ts';

export const kind: StructureKind = {
  ...axisKind,
  name: 'heads',
  examples,
  find({ model, facts, analysis: { groups } }) {
    const inAttention = attentionGroups(model, facts, groups);
    const own = groups.filter((g) => inAttention.has(g));
    return { structures: own.map((g) => structureOf(g, kind, unitOf(g), groups)) };
  },
};

/** A head is a run of output channels in every projection, a dimension one channel of every head. */
function unitOf({ members }: Group): string {
  const first = members.filter((m) => m.role === 'source').map((m) => m.indices[0]!);
  const isRun = (at: readonly number[]): boolean => at.length > 1 && at[1] === at[0]! + 1;
  if (!first.some(isRun)) return 'head dimension';
  return new Set(first.map((at) => at.length)).size > 1 ? 'KV group' : 'head';
}
