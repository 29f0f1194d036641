/**
 * Predicts the latency of a model at any keep counts: the sum of the units' measured times, each corrected by the
 * unit's time inside the whole model, times one factor that makes the sum equal to the measured baseline.
 */
import { calibratedMs, unitMs as tableMs, type GridAxis } from '../../../shared/model/latency-table.ts';
import type { Node } from '../ir/node.ts';
import type { KeepCounts } from './widths.ts';
import type { LatencyUnit } from './signature.ts';

/** Times of one unit on a grid of keep counts. */
export interface UnitTable {
  readonly unit: Pick<LatencyUnit, 'name' | 'opType' | 'nodes' | 'groups' | 'profiledMs'>;
  /** Per group of the unit, the counts measured, ascending; the last one is the full width. */
  readonly grid: readonly GridAxis[];
  /** Milliseconds, row-major over the grid; NaN = could not be measured. */
  readonly ms: readonly number[];
}

export interface LatencyModelData {
  readonly tables: readonly UnitTable[];
  /** Time of layout changes that belong to no unit, ms inside the whole model. */
  readonly otherMs: number;
  /** Measured end to end, ms. */
  readonly baselineMs: number;
}

/** A whole model cut to given widths and measured end to end. */
export interface CalibrationPoint {
  readonly keep: KeepCounts;
  readonly gone?: ReadonlySet<Node>;
  readonly ms: number;
}

export class LatencyModel {
  readonly baselineMs: number;
  readonly otherMs: number;
  readonly tables: readonly UnitTable[];
  readonly #byGroup = new Map<string, UnitTable[]>();
  #scale: number;
  /** Milliseconds added per unit: corrects the difference between a kernel's cost alone and among other kernels. */
  #offset = 0;
  readonly #owner = new Map<Node, UnitTable>();
  #points: readonly CalibrationPoint[] = [];

  constructor(data: LatencyModelData) {
    this.baselineMs = data.baselineMs;
    this.otherMs = data.otherMs;
    this.tables = data.tables;
    for (const t of data.tables) {
      for (const g of t.grid) this.#byGroup.set(g.group, [...(this.#byGroup.get(g.group) ?? []), t]);
      for (const n of t.unit.nodes) this.#owner.set(n, t);
    }
    const sum = this.#rawSum(new Map(), new Set());
    this.#scale = sum > 0 ? data.baselineMs / sum : 1;
  }

  /**
   * Corrects scale and offset by whole models measured end to end, in the same run as the baseline: least squares
   * through the baseline. One cut model is sufficient; models too close to the baseline are ignored.
   */
  calibrate(points: readonly CalibrationPoint[]): void {
    this.#points = points;
    const all = new Set<Node>();
    const full = this.#rawSum(new Map(), all),
      units = this.tables.length;
    // baseline = scale * full + offset * units, so ms = baseline * (sum / full) + offset * (n - units * sum / full).
    let xy = 0,
      xx = 0;
    for (const p of points) {
      const gone = p.gone ?? all;
      const share = this.#rawSum(p.keep, gone) / full;
      const n = this.tables.filter((t) => !isGone(t, gone)).length;
      const x = n - units * share;
      if (x < 0.05 * units) continue;
      xy += x * (p.ms - this.baselineMs * share);
      xx += x * x;
    }
    if (xx === 0) return;
    // At most half of the mean unit, because the correction must not turn small units into gains.
    this.#offset = Math.max(-0.5 * (this.baselineMs / units), Math.min(0.5 * (this.baselineMs / units), xy / xx));
    this.#scale = (this.baselineMs - this.#offset * units) / full;
  }

  /** The calibration: a factor, and milliseconds per unit. */
  get correction(): { readonly scale: number; readonly offset: number } {
    return { scale: this.#scale, offset: this.#offset };
  }

  /** The models used for calibration. */
  get points(): readonly CalibrationPoint[] {
    return this.#points;
  }

  #rawSum(keep: KeepCounts, gone: ReadonlySet<Node>): number {
    let sum = 0;
    for (const t of this.tables) if (!isGone(t, gone)) sum += rawMs(t, keep);
    return sum;
  }

  /** Calibrated milliseconds of one unit, linear between the counts of the grid. */
  unitMs(t: UnitTable, keep: KeepCounts): number {
    return calibratedMs(rawMs(t, keep), this.#scale, this.#offset);
  }

  /**
   * Milliseconds of the whole model.
   * @param gone nodes of removed blocks
   */
  predict(keep: KeepCounts, gone: ReadonlySet<Node> = new Set()): number {
    let sum = 0;
    for (const t of this.tables) if (!isGone(t, gone)) sum += this.unitMs(t, keep);
    return sum;
  }

  /** Units that remain, at least partly, when these nodes are removed. */
  unitsLeft(gone: ReadonlySet<Node>): readonly UnitTable[] {
    return this.tables.filter((t) => !isGone(t, gone));
  }

  /** Units whose width changes with a group. */
  unitsOf(group: string): readonly UnitTable[] {
    return this.#byGroup.get(group) ?? [];
  }

  /** Milliseconds of the units that a group changes, at `count` units of it and the given counts of other groups. */
  groupMs(group: string, count: number, keep: KeepCounts = new Map()): number {
    const at = new Map(keep).set(group, count);
    return this.unitsOf(group).reduce((a, t) => a + this.unitMs(t, at), 0);
  }

  /**
   * Milliseconds saved by removing these nodes: those of units that disappear completely. An Add fused into a kept unit
   * saves nothing.
   */
  nodesMs(nodes: Iterable<Node>, keep: KeepCounts = new Map()): number {
    const gone = new Set(nodes);
    let sum = 0;
    for (const t of new Set([...gone].map((n) => this.#owner.get(n))))
      if (t && isGone(t, gone)) sum += this.unitMs(t, keep);
    return sum;
  }
}

/**
 * A unit disappears when its linear nodes are removed: an addition fused into a removed branch disappears with the
 * kernel.
 */
function isGone(t: UnitTable, gone: ReadonlySet<Node>): boolean {
  if (gone.size === 0) return false;
  const linear = t.unit.nodes.filter((n) => n.inputs.some((v) => v?.isInitializer));
  return (linear.length ? linear : t.unit.nodes).every((n) => gone.has(n));
}

/** Uncalibrated milliseconds. */
const rawMs = (t: UnitTable, keep: KeepCounts): number =>
  tableMs({ profiledMs: t.unit.profiledMs, grid: t.grid, ms: t.ms }, keep);
