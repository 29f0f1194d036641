/**
 * Heads: the units inside attention. Whole heads, KV groups (keys with the queries that share them), head dimensions.
 */
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

/**
 * A head is a run of channels in the projections of queries, keys and values; in a KV group the run of queries is longer. A
 * dimension is one channel of every head.
 */
function unitOf({ members }: Group): string {
  const lengths = members.filter((m) => m.role === 'source').flatMap((m) => runsOf(m.indices[0]!));
  if (!lengths.some((n) => n > 1)) return 'head dimension';
  return new Set(lengths).size > 1 ? 'KV group' : 'head';
}

/** Lengths of the runs of consecutive indices. @param indices ascending */
function runsOf(indices: readonly number[]): number[] {
  const runs: number[] = [];
  for (const [i, at] of indices.entries())
    if (i > 0 && at === indices[i - 1]! + 1) runs[runs.length - 1]!++;
    else runs.push(1);
  return runs;
}
