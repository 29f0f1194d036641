/** What groups and blocks cost by curvature, kept across runs: one backward pass over a few samples prices them all. */
import { removedUnits, type Space } from '../../engine/allocation/state.ts';
import { Curvature } from '../../engine/pruning/curvature.ts';
import type { Group } from '../../engine/pruning/types.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import { resized, type Calibration } from '../prepare/calibration.ts';
import type { StageContext } from '../context.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { groupsKey } from './scores.ts';

export interface CurvatureOptions {
  readonly recipe: Recipe;
  readonly prepared: Prepared;
  readonly space: Space;
  /** Counts of groups that must have a price. */
  readonly wanted: readonly { readonly group: Group; readonly keep: number }[];
  /** False when the samples are random numbers. */
  readonly real: boolean;
  /** Asked for only when something has no price yet. */
  readonly calibration: () => Promise<Calibration>;
  /** Samples that curvature is taken from. */
  readonly probes: number;
  /** What kept costs depend on. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly threads: number;
  /** 0..1 */
  readonly onProgress?: (done: number) => void;
}

/** In the unit of a measured output change; see Curvature. */
export interface CurvatureCosts {
  /** Of keeping so many units, one of those wanted; 0 for all of them. */
  group(g: Group, keep: number): number;
  block(id: string): number;
}

/** @throws 'gradient-unsupported' where an operator behind a contraction has no gradient */
export async function curvatureCosts(o: CurvatureOptions, ctx: StageContext): Promise<CurvatureCosts> {
  const { recipe, prepared, space } = o;
  const compensation = o.real ? recipe.compensation : 'none';
  const groups = groupsKey(prepared.analysis.groups);
  const memo = ctx.memo('curvature', {
    ...o.identity,
    criterion: recipe.criterion,
    compensation,
    probes: o.probes,
    groups,
  });
  const wanted = o.wanted.filter(({ group, keep }) => keep < group.units);
  const ids = new Set(space.blocks.map((b) => b.id));
  const known =
    wanted.every(({ group, keep }) => memo.get(keepKey(group.id, keep)) !== undefined) &&
    [...ids].every((id) => memo.get(dropKey(id)) !== undefined);
  if (!known) {
    const size = prepared.facts.get(prepared.model.graph.outputs[0]!)?.shape[0] ?? 1;
    const probes = resized(await o.calibration(), size).slice(0, Math.max(1, Math.floor(o.probes / size)));
    const curvature = await Curvature.collect(ctx.executor, prepared, probes, {
      threads: o.threads,
      seed: 1,
      compensation,
      ...(o.onProgress && { onProgress: o.onProgress }),
    });
    for (const { group, keep } of wanted)
      memo.put(keepKey(group.id, keep), curvature.groupCost(group, removedUnits(space, group, keep)));
    for (const id of ids) memo.put(dropKey(id), curvature.blockCost(id));
  }
  return {
    group: (g, keep) => (keep < g.units ? memo.get(keepKey(g.id, keep))! : 0),
    block: (id) => memo.get(dropKey(id))!,
  };
}

/** What an allocator may ask for: every offered count, and those that were set by hand. */
export const offeredCounts = (space: Space, start: { readonly keep: ReadonlyMap<string, number> }) =>
  space.groups.flatMap((group) =>
    [...new Set([...(space.counts.get(group.id) ?? []), start.keep.get(group.id) ?? group.units])].map((keep) => ({
      group,
      keep,
    })),
  );

const keepKey = (group: string, keep: number): string => `${group} ${keep}`;
const dropKey = (block: string): string => `drop ${block}`;
