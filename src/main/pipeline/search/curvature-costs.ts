/** Costs of groups and blocks by curvature. One backward pass over a few samples gives all of them; they are kept. */
import { removedUnits, type Space } from '../../engine/allocation/state.ts';
import { Curvature } from '../../engine/allocation/curvature.ts';
import type { Group } from '../../engine/structures/axes/types.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import { resized, type Calibration } from '../prepare/calibration.ts';
import type { StageContext } from '../context.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { figures, input, type Lazy } from '../stage.ts';
import type { CompleteScores } from './scores.ts';

const curvature = figures({
  name: 'curvature',
  version: 1,
  inputs: {
    prepared: input<Prepared>(),
    calibration: input<Calibration | Lazy<Calibration>>(),
    scored: input<CompleteScores>(),
    compensation: input<Recipe['compensation']>(),
    probes: input<number>(),
    threads: input<number>(),
  },
});

export interface CurvatureOptions {
  readonly space: Space;
  /** Counts of groups that need a cost. */
  readonly wanted: readonly { readonly group: Group; readonly keep: number }[];
  /** 0..1 */
  readonly onProgress?: (done: number) => void;
}

/** In the unit of a measured output change; see Curvature. */
export interface CurvatureCosts {
  /** Cost of keeping so many units: one of the wanted counts, or all units, which cost 0. */
  group(g: Group, keep: number): number;
  block(id: string): number;
}

/**
 * @param given lazy calibration samples are drawn only when a cost is missing
 * @throws 'gradient-unsupported' where an operator behind a contraction has no gradient
 */
export async function curvatureCosts(
  given: Parameters<typeof curvature.open>[0],
  o: CurvatureOptions,
  ctx: Pick<StageContext, 'executor' | 'memo'>,
): Promise<CurvatureCosts> {
  const { space } = o;
  const memo = curvature.open(given, ctx);
  const wanted = o.wanted.filter(({ group, keep }) => keep < group.units);
  const ids = new Set(space.blocks.map((b) => b.id));
  const known =
    wanted.every(({ group, keep }) => memo.get(keepKey(group.id, keep)) !== undefined) &&
    [...ids].every((id) => memo.get(dropKey(id)) !== undefined);
  if (!known) {
    const [prepared, samples] = [given.prepared.value, given.calibration.value];
    const calibration = typeof samples === 'function' ? await samples() : samples;
    const size = prepared.facts.get(prepared.model.graph.outputs[0]!)?.shape[0] ?? 1;
    const probes = resized(calibration, size).slice(0, Math.max(1, Math.floor(given.probes.value / size)));
    const prices = await Curvature.collect(ctx.executor, prepared, probes, {
      threads: given.threads.value,
      seed: 1,
      compensation: calibration.real ? given.compensation.value : 'none',
      ...(o.onProgress && { onProgress: o.onProgress }),
    });
    for (const { group, keep } of wanted)
      memo.put(keepKey(group.id, keep), prices.groupCost(group, removedUnits(space, group, keep)));
    for (const id of ids) memo.put(dropKey(id), prices.blockCost(id));
  }
  return {
    group: (g, keep) => (keep < g.units ? memo.get(keepKey(g.id, keep))! : 0),
    block: (id) => memo.get(dropKey(id))!,
  };
}

/** The counts that an allocator may ask for: every offered count, and those that were set by hand. */
export const offeredCounts = (space: Space, start: { readonly keep: ReadonlyMap<string, number> }) =>
  space.groups.flatMap((group) =>
    [...new Set([...(space.counts.get(group.id) ?? []), start.keep.get(group.id) ?? group.units])].map((keep) => ({
      group,
      keep,
    })),
  );

const keepKey = (group: string, keep: number): string => `${group} ${keep}`;
const dropKey = (block: string): string => `drop ${block}`;
