/**
 * Costs of structures by curvature. One backward pass over a few samples gives all costs; they are
 * cached.
 */
import { removedUnits, type Space, type State } from '../../engine/allocation/state.ts';
import { Curvature } from '../../engine/allocation/curvature.ts';
import type { Structure } from '../../engine/structures/contract.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import { resized, type Calibration } from '../prepare/calibration.ts';
import type { StageContext } from '../context.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { figures, input, type Lazy } from '../stage.ts';
import type { CompleteScores } from './scores.ts';

const curvature = figures({
  name: 'curvature',
  version: 2,
  inputs: {
    prepared: input<Prepared>(),
    calibration: input<Calibration | Lazy<Calibration>>(),
    scored: input<CompleteScores>(),
    compensation: input<Recipe['compensation']>(),
    probes: input<number>(),
    threads: input<number>(),
  },
});

/** A level of a structure. */
interface AtLevel {
  readonly structure: Structure;
  readonly level: number;
}

export interface CurvatureOptions {
  readonly space: Space;
  /** Levels for which costs are needed, of structures with a closed form. */
  readonly wanted: readonly AtLevel[];
  /** Share done, 0..1. */
  readonly onProgress?: (done: number) => void;
}

/**
 * The cost of a structure at a level: one of the wanted levels, or all units, which cost 0. The
 * unit is a measured output change; see Curvature.
 */
export type CurvatureCosts = (s: Structure, level: number) => number;

/**
 * @param given lazy calibration samples are drawn only when a cost is missing
 * @throws 'gradient-unsupported' when an operator after a contraction has no gradient
 */
export async function curvatureCosts(
  given: Parameters<typeof curvature.open>[0],
  o: CurvatureOptions,
  ctx: Pick<StageContext, 'executor' | 'memo'>,
): Promise<CurvatureCosts> {
  const { space } = o;
  const memo = curvature.open(given, ctx);
  const wanted = o.wanted.filter(({ structure, level }) => level < structure.units);
  const known = wanted.every(({ structure, level }) => memo.get(keyOf(structure, level)) !== undefined);
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
    for (const { structure, level } of wanted)
      memo.put(keyOf(structure, level), prices.cost(structure, removedUnits(space, structure, level)));
  }
  return (s, level) => (level < s.units ? memo.get(keyOf(s, level))! : 0);
}

/** The levels that an allocator may ask for: every offered level, and those set by hand. */
export const offeredLevels = (space: Space, start: State): AtLevel[] =>
  space.structures.flatMap((structure) =>
    [...new Set([...(space.levels.get(structure.id) ?? []), start.get(structure.id) ?? structure.units])].map(
      (level) => ({ structure, level }),
    ),
  );

const keyOf = ({ id }: Structure, level: number): string => `${id} ${level}`;
