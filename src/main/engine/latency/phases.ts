/**
 * A component that runs at several sizes in one use of its package: a decoder reads the prompt at once and then
 * generates token by token. Its latency is the weighted sum over these phases. A single model has one phase of weight
 * 1.
 */
import { calibratedMs } from '../../../shared/model/latency-table.ts';
import type { LatencyStats } from '../../../shared/model/types.ts';
import { LatencyModel, type UnitTable } from './predict.ts';

export interface TimedPhase {
  readonly name: string;
  /** Sizes of dynamic axes by name. */
  readonly dims: Readonly<Record<string, number>>;
  /** Share of the component's runs. The weights of all phases sum to 1, so the weighted sum is the mean of one run. */
  readonly weight: number;
}

const weighted = (values: readonly number[], weights: readonly number[]): number =>
  values.reduce((sum, x, i) => sum + weights[i]! * x, 0);

/** One latency for all phases. The noise of independent phases is added in squares. */
export function sumStats(stats: readonly LatencyStats[], weights: readonly number[]): LatencyStats {
  const sum = (of: (s: LatencyStats) => number): number => weighted(stats.map(of), weights);
  const squares = (of: (s: LatencyStats) => number): number =>
    Math.sqrt(stats.reduce((total, s, i) => total + (weights[i]! * of(s)) ** 2, 0));
  return {
    ...stats[0]!,
    p50Ms: sum((s) => s.p50Ms),
    p90Ms: sum((s) => s.p90Ms),
    p95Ms: sum((s) => s.p95Ms),
    p99Ms: sum((s) => s.p99Ms),
    meanMs: sum((s) => s.meanMs),
    minMs: sum((s) => s.minMs),
    stdMs: squares((s) => s.stdMs),
    noiseMs: squares((s) => s.noiseMs),
    runs: Math.min(...stats.map((s) => s.runs)),
  };
}

/**
 * One latency model for all phases: every unit of every phase, in calibrated milliseconds times the weight of the
 * phase.
 * @param parts of the same model, at the sizes of each phase
 */
export function sumModels(parts: readonly { readonly model: LatencyModel; readonly weight: number }[]): LatencyModel {
  const total = (of: (m: LatencyModel) => number): number =>
    weighted(
      parts.map((p) => of(p.model)),
      parts.map((p) => p.weight),
    );
  return new LatencyModel({
    tables: parts.flatMap(({ model, weight }) => model.tables.map((t) => scaledTable(t, model, weight))),
    otherMs: total((m) => m.otherMs),
    baselineMs: total((m) => m.baselineMs),
  });
}

function scaledTable({ unit, grid, ms }: UnitTable, { correction }: LatencyModel, weight: number): UnitTable {
  const at = (raw: number): number => weight * calibratedMs(raw, correction.scale, correction.offset);
  return { unit: { ...unit, profiledMs: at(unit.profiledMs) }, grid, ms: ms.map(at) };
}
