/**
 * The latency model as a stage. It is cached per model, machine and conditions, so that another
 * budget times no operator.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Budget } from '../../../shared/model/types.ts';
import type { Model } from '../../engine/ir/model.ts';
import { sumModels } from '../../engine/latency/phases.ts';
import type { LatencyModel } from '../../engine/latency/predict.ts';
import { thin } from '../../engine/latency/staircase.ts';
import { restoreLatencyModel, storeLatencyModel, type StoredLatencyModel } from '../../engine/latency/stored.ts';
import type { KeepCounts } from '../../engine/latency/widths.ts';
import { applyPlan } from '../../engine/structures/apply.ts';
import { choiceOf } from '../../engine/structures/choices.ts';
import { axesOf } from '../../engine/structures/find.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';
import { buildLatencyModel, type BuiltLatencyModel, type LatencyModelOptions } from '../../runtime/latency-model.ts';
import type { StageContext } from '../context.ts';
import { conditionLeaves, phaseLeaf, type Machine, type PhaseAt } from '../leaves.ts';
import { input, jsonFile, stage, type Keyed } from '../stage.ts';
import type { Baseline } from './baseline.ts';
import type { Prepared } from '../prepare/prepare.ts';

interface LatencyTools extends Pick<StageContext, 'latency' | 'progress' | 'executor'> {
  /**
   * Inputs for a model that may not run on random ones. Latency depends on shapes, not on values.
   */
  readonly sample?: LatencyModelOptions['feeds'];
}

const latencyTables = stage({
  name: 'latency',
  version: 6,
  inputs: {
    prepared: input<Prepared>(),
    baseline: input<Baseline>(),
    machine: input<Machine>(),
    threads: input<number>(),
    provider: input<string>(),
    batch: input<number>(),
    /** Null: the sizes at which the model was prepared. */
    phase: input<PhaseAt | null>(),
  },
  run: async ({ prepared, baseline, threads, provider, batch, phase }, ctx: LatencyTools) => {
    const { model, structures } = prepared;
    const sizes = phase && { batch, dims: phase.dims };
    const facts = sizes ? await collectFacts(model, ctx.executor, sizes) : prepared.facts;
    const own = sizes && randomFeeds(model, sizes);
    const build = (feeds?: LatencyModelOptions['feeds']): Promise<BuiltLatencyModel> =>
      buildLatencyModel(model, facts, axesOf(structures), {
        threads,
        provider,
        batch,
        ...(feeds && { feeds }),
        table: ctx.latency,
        baselineMs: preparedMs(baseline, phase?.place),
        cut: (keep) => cutCounts(prepared, keep),
        steps: STEPS,
        onProgress: (done, message) => ctx.progress({ stage: 'latency', message, done }),
      });
    const built = await build(own ?? undefined).catch((e: unknown) => {
      if (own || !ctx.sample || !(e instanceof SecateurError && e.code === 'runtime-rejected')) throw e;
      return build(ctx.sample);
    });
    return storeLatencyModel(built.model, built.counts, [...model.graph.nodes()]);
  },
  codec: jsonFile<StoredLatencyModel>('latency.json'),
});

/** @param place position of a phase; default: the whole */
const preparedMs = ({ baselineMs, ratio, phases }: Baseline, place?: number): number =>
  place === undefined ? baselineMs * ratio : phases[place]!.originalMs * phases[place]!.ratio;

/** Largest number of keep counts per group. */
const STEPS = 8;

/** @param o.baseline the baseline measured in this run; times are scaled to it */
export async function latencyStage(
  o: {
    readonly prepared: Keyed<Prepared>;
    readonly budget: Omit<Budget, 'percentile'>;
    readonly baseline: Keyed<Baseline>;
  },
  ctx: LatencyTools & Pick<StageContext, 'artifact'>,
): Promise<Pick<BuiltLatencyModel, 'model' | 'counts'>> {
  const { model, phases } = o.prepared.value;
  const nodes = [...model.graph.nodes()];
  const given = { ...o, ...conditionLeaves(o.budget) };
  const at = async (phase: PhaseAt | null) => {
    const { value } = await latencyTables.run({ ...given, phase: phaseLeaf(phase) }, ctx);
    return restoreLatencyModel(value, nodes, preparedMs(o.baseline.value, phase?.place));
  };
  if (!phases) return at(null);
  const parts: { model: LatencyModel; counts: ReadonlyMap<string, readonly number[]>; weight: number }[] = [];
  for (const [place, { dims, weight }] of phases.entries()) parts.push({ ...(await at({ place, dims })), weight });
  return parts.length === 1 ? parts[0]! : { model: sumModels(parts), counts: countsOfAll(parts.map((p) => p.counts)) };
}

/** The counts of all phases: a step of any phase is a step of their sum. */
function countsOfAll(all: readonly ReadonlyMap<string, readonly number[]>[]): Map<string, readonly number[]> {
  const groups = new Set(all.flatMap((counts) => [...counts.keys()]));
  return new Map(
    [...groups].map((group) => {
      const union = new Set(all.flatMap((counts) => counts.get(group) ?? []));
      return [group, thin([...union].sort((a, b) => a - b), STEPS)]; // prettier-ignore
    }),
  );
}

/** Keeps the first units of every structure. Latency does not depend on which units stay. */
function cutCounts(prepared: Prepared, keep: KeepCounts): Model {
  const choices = prepared.structures.flatMap((s) => {
    const k = keep.get(s.id) ?? s.units;
    return k >= s.units
      ? []
      : [
          choiceOf(
            s,
            Array.from({ length: s.units - k }, (_, i) => k + i),
          ),
        ];
  });
  return applyPlan(prepared, { choices }).model;
}
