/** Time of each kernel of a model, and the groups that could narrow it. */
import type { Conditions, ProfileRequest } from '../../shared/model/tasks.ts';
import type { OperatorProfile } from '../../shared/model/window.ts';
import type { Model } from '../engine/ir/model.ts';
import { partition } from '../engine/latency/partition.ts';
import { Widths } from '../engine/latency/widths.ts';
import { measuredHere } from '../runtime/device.ts';
import { profileModel, type Profile } from '../runtime/profile.ts';
import { axesOf } from '../engine/structures/find.ts';
import type { StageContext } from '../pipeline/context.ts';
import { loadWithHash } from '../pipeline/prepare/load.ts';
import { prepareSized } from '../pipeline/prepare/open-model.ts';
import { sized } from '../pipeline/prepare/sized.ts';

/**
 * Runs of a first and of a full measurement; the full one is taken when it ends within this many
 * milliseconds.
 */
const RUNS = [6, 30] as const;
const PATIENCE_MS = 5000;

/**
 * Profiles the model as a job runs it, so that groups and operators have the names that recipes
 * use.
 */
export async function runProfile(request: ProfileRequest, ctx: StageContext): Promise<OperatorProfile> {
  ctx.progress({ stage: 'load', message: 'reading the model', done: 0 });
  const source = await sized(await loadWithHash(request.model), request, ctx);
  const { batch } = source.sizes;
  const { model, facts, structures } = await prepareSized(source, ctx);
  ctx.progress({ stage: 'profile', message: 'timing operators', done: 0 });
  const profile = await profileOf(model, { ...request, batch });
  const { units } = partition(model, profile.operators, new Widths(facts, axesOf(structures)));
  // Kernels that execute none of the model's nodes (layout changes) belong to no unit.
  const groups = new Map(profile.operators.filter((o) => o.nodes.length > 0).map((o, i) => [o, units[i]!.groups]));
  ctx.progress({ stage: 'profile', message: 'done', done: 1 });
  return {
    totalMs: profile.sumMs,
    operators: profile.operators.map((o) => ({ ...rowOf(o), groups: groups.get(o) ?? [] })).sort((a, b) => b.ms - a.ms),
    provenance: measuredHere(),
  };
}

export type OperatorRow = { readonly name: string; readonly operator: string; readonly ms: number };

/** One row per kernel, slowest first, in milliseconds per run. @throws 'runtime-rejected' */
export async function operatorsByTime(model: Model, how: Omit<Conditions, 'model'>): Promise<OperatorRow[]> {
  const { operators } = await profileOf(model, how);
  return operators.map(rowOf).sort((a, b) => b.ms - a.ms);
}

/** A kernel is identified by the first of the model's nodes that it executes. */
const rowOf = (o: Profile['operators'][number]): OperatorRow => ({
  name: o.nodes[0]?.label ?? o.name,
  operator: o.opType,
  ms: o.ms,
});

async function profileOf(model: Model, { threads, provider, batch }: Omit<Conditions, 'model'>): Promise<Profile> {
  const [few, many] = RUNS;
  const first = await profileModel(model, { threads, provider, batch, runs: few });
  return first.runMs * many > PATIENCE_MS ? first : profileModel(model, { threads, provider, batch, runs: many });
}
