/**
 * Predicts the budgets that a model can meet from measured operators, before anything is scored or
 * cut.
 */
import type { Budget } from '../../shared/model/types.ts';
import type { PackagePart } from '../../shared/model/job.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import type { ReachRequest } from '../../shared/model/tasks.ts';
import type { ReachReport } from '../../shared/model/window.ts';
import { modelCosts } from '../engine/ir/costs.ts';
import type { Facts } from '../engine/ir/facts.ts';
import type { TimedPhase } from '../engine/latency/phases.ts';
import { Widths, type KeepCounts } from '../engine/latency/widths.ts';
import { predictMs, type Space } from '../engine/allocation/state.ts';
import { measuredHere } from '../runtime/device.ts';
import { baselineOf } from '../pipeline/measure/baseline.ts';
import type { StageContext } from '../pipeline/context.ts';
import { latencyStage } from '../pipeline/measure/latency-stage.ts';
import { loadWithHash } from '../pipeline/prepare/load.ts';
import { declareAs } from '../pipeline/prepare/free-batch.ts';
import { openJobModel } from '../pipeline/prepare/open-model.ts';
import type { Prepared } from '../pipeline/prepare/prepare.ts';
import { axesOf } from '../engine/structures/find.ts';
import { sized } from '../pipeline/prepare/sized.ts';
import { openPackage } from '../pipeline/prepare/open-package.ts';
import { metricOf, useBefore } from '../pipeline/measure/use.ts';
import { timedPhases, withPhases } from '../pipeline/measure/phases.ts';
import { measureWorkload } from '../pipeline/measure/workload.ts';
import { openPairedBenchmark } from '../pipeline/measure/paired-benchmark.ts';
import { leastState, openSpace } from '../engine/allocation/space.ts';

/** Number of points on the curve. */
const POINTS = 9;

/** Runs per phase of a package. */
const RUNS = 30;

/** The original is measured anew; the table of operator times is shared with jobs. */
export async function runReach(request: ReachRequest, ctx: StageContext): Promise<ReachReport> {
  const { part } = request;
  return part ? reachOfUse({ ...request, part }, ctx) : reachOfModel(request, ctx);
}

/**
 * Latency of the use with the component at each of its widths; the time of other components is
 * fixed.
 */
async function reachOfUse(
  { part, family, ...request }: ReachRequest & { readonly part: PackagePart },
  ctx: StageContext,
): Promise<ReachReport> {
  ctx.progress({ stage: 'load', message: 'measuring one use of the package', done: 0 });
  const pkg = openPackage(part.package, { settings: part.settings, family, dims: request.dims });
  const metric = metricOf(pkg.workload, part.metric);
  const { phases } = await measureWorkload(pkg.workload, pkg.fileOf, { ...request, runs: RUNS }, ctx);
  const { use, ownMs } = useBefore(phases, metric, part);
  const own = await reachOfModel({ ...request, model: pkg.fileOf(part.component), dims: pkg.mainDims(part.component), phases: timedPhases(pkg.workload, metric, part.component) }, ctx); // prettier-ignore
  const whole = (ms: number): number => use.othersMs + (ownMs * ms) / own.baselineMs;
  return {
    ...own,
    baselineMs: whole(own.baselineMs),
    leastMs: whole(own.leastMs),
    curve: own.curve.map((p) => ({ ...p, ms: whole(p.ms) })),
    use,
  };
}

async function reachOfModel(
  request: ReachRequest & { readonly phases?: readonly TimedPhase[] },
  ctx: StageContext,
): Promise<ReachReport> {
  const { model: path, phases, threads, provider } = request;
  ctx.progress({ stage: 'load', message: 'reading the model', done: 0 });
  const loaded = await sized(await loadWithHash(path), request, ctx);
  const { batch, sizes: dims } = loaded.sizes;
  const { prepared: bare } = await openJobModel(loaded, ctx);
  const keyed = await withPhases(bare, phases);
  const prepared = keyed.value;
  ctx.progress({ stage: 'baseline', message: 'measuring the original', done: 0 });
  const budget: Budget = { threads, provider, batch, percentile: 50 };
  const { compare, close } = openPairedBenchmark({ model: path, budget, dims, phases }, ctx, (m) => declareAs(m, loaded.model)); // prettier-ignore
  const baseline = await baselineOf({ prepared: keyed, budget, compare }, ctx).finally(close);
  ctx.progress({ stage: 'latency', message: 'timing operators', done: 0 });
  const latency = await latencyStage({ prepared: keyed, budget, baseline }, ctx);
  const recipe = PRESETS.balanced;
  const { space, start } = openSpace(prepared.structures, new Map(), latency.counts, latency.model, recipe);
  const curve = curveOf(prepared, space, recipe.floor);
  ctx.progress({ stage: 'latency', message: 'done', done: 1 });
  const { baselineMs } = baseline.value;
  return { baselineMs, leastMs: predictMs(space, leastState(space, start)), curve, provenance: measuredHere() };
}

/**
 * The same keep ratio in every group, from all units down to the floor: milliseconds and
 * multiply-accumulates.
 */
function curveOf({ model, facts, structures }: Prepared, space: Space, floor: number): ReachReport['curve'] {
  const axes = axesOf(structures);
  const widths = new Widths(facts, axes);
  return Array.from({ length: POINTS }, (_, i) => {
    const ratio = 1 - ((1 - floor) * i) / (POINTS - 1);
    const keep: KeepCounts = new Map(
      axes.map((g) => [
        g.id,
        Math.max(g.multiple, Math.min(g.units, Math.round((ratio * g.units) / g.multiple) * g.multiple)),
      ]),
    );
    const { macs } = modelCosts(model, narrowed(facts, widths, keep));
    return { keep: ratio, ms: predictMs(space, keep), macs };
  });
}

/** Shapes that surgery would leave, without performing it. */
const narrowed = (facts: Facts, widths: Widths, keep: KeepCounts): Facts =>
  new Map([...facts].map(([v, f]) => [v, { ...f, shape: widths.shape(v, keep) ?? f.shape }]));
