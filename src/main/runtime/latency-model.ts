/**
 * Builds the latency model that allocation uses: profiles the whole model once, times its units over widths, finds the
 * steps of every group, and calibrates against the measured baseline. Measurements are stored under their signature, so
 * a second model with the same operators, or a second budget, needs none.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { HostTensor } from '../engine/executor.ts';
import { choicesOf } from '../engine/passes/index.ts';
import type { Facts } from '../engine/ir/facts.ts';
import type { Model } from '../engine/ir/model.ts';
import type { Node } from '../engine/ir/node.ts';
import { partition } from '../engine/latency/partition.ts';
import { LatencyModel, type UnitTable } from '../engine/latency/predict.ts';
import { signatureOf, type LatencyUnit, type UnitSpec } from '../engine/latency/signature.ts';
import { continuePattern, edges, thin, windowCounts } from '../engine/latency/staircase.ts';
import { Widths, type KeepCounts } from '../engine/latency/widths.ts';
import type { Group } from '../engine/structures/axes/types.ts';
import type { LatencyTable } from '../pipeline/context.ts';
import { benchmark } from './bench.ts';
import { measuredHere } from './device.ts';
import { measureUnits } from './measure-units.ts';
import { profileModel } from './profile.ts';

export interface LatencyModelOptions {
  readonly provider?: string;
  readonly threads?: number;
  readonly batch?: number;
  readonly dims?: Readonly<Record<string, number>>;
  /** Inputs that the model runs on; default: random ones. */
  readonly feeds?: Readonly<Record<string, HostTensor>>;
  readonly table?: LatencyTable;
  /** Latency measured end to end; default: measured here. */
  readonly baselineMs?: number;
  /**
   * Builds the model at given keep counts. When given, models at about half and a quarter of the width are measured
   * beside the original to correct the prediction: kernels cost less among other kernels than alone.
   */
  readonly cut?: (keep: KeepCounts) => Model;
  /** Maximum number of counts offered per group; default 12. */
  readonly steps?: number;
  readonly onProgress?: (done: number, message: string) => void;
}

export interface BuiltLatencyModel {
  readonly model: LatencyModel;
  /** Useful keep counts per group id, ascending, the full width last. */
  readonly counts: ReadonlyMap<string, readonly number[]>;
  /** Number of signatures measured, and of those found in the table. */
  readonly measured: number;
  readonly cached: number;
}

/** Maximum grid points per unit. A larger grid is thinned and interpolated. */
const MAX_GRID = 100;
/**
 * Slower models, in milliseconds, are timed with less effort: their steps are small against their widths, so fewer grid
 * points and runs are sufficient. Full effort would take minutes.
 */
const LEAN_ABOVE_MS = 40;
const LEAN = { grid: 9, windowRuns: 3, runs: 5, profileRuns: 6 };

/**
 * @param facts collected at `batch` (dynamic axes hold the sizes that are timed)
 * @throws SecateurError 'runtime-rejected'
 */
export async function buildLatencyModel(
  model: Model,
  facts: Facts,
  groups: readonly Group[],
  options: LatencyModelOptions = {},
): Promise<BuiltLatencyModel> {
  const where = { provider: options.provider ?? 'cpu', threads: options.threads ?? 1 };
  const how = { ...where, ...(options.batch && { batch: options.batch }), ...(options.dims && { dims: options.dims }) };
  const given = options.feeds && { feeds: options.feeds };
  const widths = new Widths(facts, groups);
  const baselineMs =
    options.baselineMs ??
    (await benchmark([{ name: 'baseline', model, ...given }], { ...how, maxSeconds: 3 }))[0]!.stats.p50Ms;
  const lean = baselineMs > LEAN_ABOVE_MS;
  const profile = await profileModel(model, { ...how, ...given, runs: lean ? LEAN.profileRuns : 30 });
  const { units, otherMs } = partition(model, profile.operators, widths);

  const known = new Map<string, number>();
  const provenance = measuredHere();
  // All rows of a table are relative to the reference time measured in its first session.
  const yardstick = `${where.provider}/${where.threads}|reference`;
  const referenceMs = options.table?.get(yardstick);
  const reference: { ms?: number } = referenceMs === undefined ? {} : { ms: referenceMs };
  let cached = 0,
    measured = 0;
  const spec = (unit: LatencyUnit, keep: KeepCounts): UnitSpec => {
    const shape: UnitSpec['shape'] = (v) => widths.shape(v, keep) ?? [];
    return { unit, shape, signature: signatureOf(unit, shape, facts, where) };
  };
  const time = async (
    specs: readonly UnitSpec[],
    from: number,
    to: number,
    message: string,
    minRuns = LEAN.runs,
  ): Promise<void> => {
    const missing: UnitSpec[] = [];
    for (const s of specs) {
      if (known.has(s.signature)) continue;
      const ms = options.table?.get(s.signature);
      if (ms === undefined) missing.push(s);
      else cached++;
      known.set(s.signature, ms ?? NaN);
    }
    const onMeasured = (done: number, of: number): void =>
      options.onProgress?.(from + ((to - from) * done) / of, message);
    const got = await measureUnits(missing, {
      facts,
      model,
      where,
      reference,
      onMeasured,
      ...(lean && { minRuns }),
    });
    if (referenceMs === undefined && reference.ms !== undefined && got.size > 0)
      options.table?.put(yardstick, reference.ms, provenance);
    for (const [signature, ms] of got) {
      known.set(signature, ms);
      options.table?.put(signature, ms, provenance);
      measured++;
    }
  };

  // 1. One window of counts of each group's costliest units shows where the steps are.
  const leads = groups.flatMap((g) => {
    const of = units.filter((u) => u.groups.includes(g.id)).sort((a, b) => b.profiledMs - a.profiledMs);
    const window = windowCounts(g.units, g.multiple);
    // Small groups are timed at every count in all of their units. For large groups, the two costliest units show the
    // pattern.
    const exhaustive = window[0] === g.multiple;
    return of.length ? [{ group: g, units: of, window, exhaustive, leads: exhaustive ? of : of.slice(0, 2) }] : [];
  });
  const at = (id: string, k: number): KeepCounts => new Map([[id, k]]);
  // Kernels of one kind have the same steps at any size. When timing is costly, the cheapest group of a kind is
  // measured for all.
  const kindOf = (l: (typeof leads)[number]): string => `${l.group.multiple} ${l.leads.map(kernelKind).join(' ')}`;
  const models = new Map<string, (typeof leads)[number]>();
  for (const l of leads) {
    const key = lean && !l.exhaustive ? kindOf(l) : l.group.id;
    const other = models.get(key);
    if (!other || l.leads[0]!.profiledMs < other.leads[0]!.profiledMs) models.set(key, l);
  }
  const modelOf = (l: (typeof leads)[number]): (typeof leads)[number] =>
    models.get(lean && !l.exhaustive ? kindOf(l) : l.group.id)!;
  const windowSpecs = [...models.values()].flatMap((l) =>
    l.leads.flatMap((u) => l.window.map((k) => spec(u, at(l.group.id, k)))),
  );
  await time(
    units.map((u) => spec(u, new Map())),
    0,
    0.05,
    'Timing operators',
  );
  await time(windowSpecs, 0.05, 0.3, 'Timing operators over widths', LEAN.windowRuns);
  const unusable = new Set(units.filter((u) => Number.isNaN(known.get(spec(u, new Map()).signature) ?? NaN)));
  const ms = (s: UnitSpec): number => known.get(s.signature) ?? NaN;

  // 2. The pattern is continued over the whole width, timed for all of the group's units, and reduced to its lower
  // envelope.
  const candidates = leads.map((l) => {
    if (l.exhaustive) return { ...l, counts: l.window };
    const shown = modelOf(l);
    const seen = new Map<number, number>();
    for (const k of shown.window)
      seen.set(
        k,
        shown.leads.reduce((a, u) => a + (ms(spec(u, at(shown.group.id, k))) || u.profiledMs), 0),
      );
    return { ...l, counts: continuePattern(seen, shown.group.units, l.group.multiple, 20, l.group.units) };
  });
  const steps = options.steps ?? 12;
  const counts = new Map<string, readonly number[]>();
  if (!lean) {
    const curveSpecs = candidates.flatMap((c) =>
      c.units.filter((u) => !unusable.has(u)).flatMap((u) => c.counts.map((k) => spec(u, at(c.group.id, k)))),
    );
    await time(curveSpecs, 0.3, 0.6, 'Finding the steps of each group');
  }
  for (const c of candidates) {
    const curve = new Map(
      c.counts.map((k) => [k, c.units.reduce((a, u) => a + (ms(spec(u, at(c.group.id, k))) || u.profiledMs), 0)]),
    );
    counts.set(c.group.id, thin(lean && !c.exhaustive ? c.counts : edges(curve, 0.01), steps));
  }

  // 3. Units that two groups share are timed on the grid of both.
  const points = lean ? LEAN.grid : MAX_GRID;
  const grids = units.map((unit) => {
    const of = unit.groups.filter((g) => counts.has(g));
    const most = Math.max(2, Math.floor(points ** (1 / Math.max(1, of.length))));
    const grid = of.map((group) => ({ group, counts: thin(counts.get(group)!, most) }));
    return { unit, grid: grid.reduce((a, g) => a * g.counts.length, 1) > 4 * points ? [] : grid };
  });
  const gridSpecs = grids.map(({ unit, grid }) => gridPoints(grid).map((keep) => spec(unit, keep)));
  await time(
    gridSpecs.flat().filter((s) => !unusable.has(s.unit)),
    0.6,
    1,
    'Timing combinations of widths',
  );
  const tables = grids.map(({ unit, grid }, i): UnitTable => ({ unit, grid, ms: gridSpecs[i]!.map(ms) }));
  const latency = new LatencyModel({ tables, otherMs, baselineMs });
  // Large kernels cost the same alone as among other kernels.
  if (options.cut && !lean) {
    const keeps = [0.5, 0.35, 0.2].map(
      (r) => new Map(groups.map((g) => [g.id, nearest(counts.get(g.id) ?? [g.units], r * g.units)])),
    );
    const cuts = [model, ...keeps.map((keep) => options.cut!(keep))].map((m, i) => ({
      name: `${i}`,
      model: m,
      ...given,
    }));
    const got = await benchmark(cuts, { ...how, maxSeconds: 4, precision: 0.02 }).catch((e: unknown) => {
      // A detector cut this way may find no boxes and then fail to run. In that case only the search's own measurements
      // correct the prediction.
      if (choicesOf(model).length > 0 && e instanceof SecateurError && e.code === 'runtime-rejected') return null;
      throw e;
    });
    if (got) latency.calibrate(keeps.map((keep, i) => ({ keep, ms: got[i + 1]!.ratio.value * baselineMs })));
  }
  return { model: latency, counts, measured, cached };
}

/** Properties that determine the steps of a kernel, besides the processor and the runtime. */
function kernelKind(u: LatencyUnit): string {
  const ints = (n: Node, name: string): string => {
    const a = n.attributes.get(name);
    return a?.kind === 'ints' ? a.value.join('x') : '';
  };
  const lead = u.nodes[0]!;
  return `${u.opType} ${ints(lead, 'kernel_shape')} ${u.blockedInputs.size > 0}`;
}

const nearest = (counts: readonly number[], want: number): number =>
  counts.reduce((a, b) => (Math.abs(b - want) < Math.abs(a - want) ? b : a));

/** All combinations, row-major. */
function gridPoints(grid: UnitTable['grid']): KeepCounts[] {
  let out: Map<string, number>[] = [new Map()];
  for (const { group, counts } of grid) out = out.flatMap((m) => counts.map((k) => new Map(m).set(group, k)));
  return out;
}
