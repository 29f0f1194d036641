/**
 * Predicted latency of a model at any keep counts: the sum over units of measured times, each corrected by what the same
 * unit took inside the whole model, and one factor that makes the sum equal to the measured baseline.
 */
import type { Node } from '../ir/node.ts';
import type { KeepCounts } from './widths.ts';
import type { LatencyUnit } from './signature.ts';

/** Times of one unit on a grid of keep counts. */
export interface UnitTable {
  readonly unit: LatencyUnit;
  /** Per group of the unit, the counts measured, ascending; the last one is the full width. */
  readonly grid: readonly { readonly group: string; readonly counts: readonly number[] }[];
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

export class LatencyModel {
  readonly baselineMs: number;
  readonly tables: readonly UnitTable[];
  readonly #byGroup = new Map<string, UnitTable[]>();
  readonly #scale: number;
  readonly #correction = new Map<UnitTable, number>();
  readonly #owner = new Map<Node, UnitTable>();

  constructor(data: LatencyModelData) {
    this.baselineMs = data.baselineMs;
    this.tables = data.tables;
    let sum = 0;
    for (const t of data.tables) {
      for (const g of t.grid) this.#byGroup.set(g.group, [...(this.#byGroup.get(g.group) ?? []), t]);
      for (const n of t.unit.nodes) this.#owner.set(n, t);
      const alone = t.ms.at(-1) ?? NaN;
      // A unit that could not be timed alone is taken to cost what the profile says at any width.
      this.#correction.set(t, alone > 0 ? 1 : NaN);
      sum += alone > 0 ? alone : t.unit.profiledMs;
    }
    this.#scale = sum > 0 ? data.baselineMs / sum : 1;
  }

  /** Calibrated milliseconds of one unit. Between the counts of the grid: linear. */
  unitMs(t: UnitTable, keep: KeepCounts): number {
    const factor = this.#correction.get(t)!;
    if (Number.isNaN(factor)) return t.unit.profiledMs * this.#scale;
    const ms = interpolate(t, keep);
    return (Number.isNaN(ms) ? t.ms.at(-1)! : ms) * factor * this.#scale;
  }

  /** Milliseconds of the whole model. `gone`: nodes of removed blocks. */
  predict(keep: KeepCounts, gone: ReadonlySet<Node> = new Set()): number {
    let sum = 0;
    for (const t of this.tables) if (!t.unit.nodes.every((n) => gone.has(n))) sum += this.unitMs(t, keep);
    return sum;
  }

  /** Units whose width changes with a group. */
  unitsOf(group: string): readonly UnitTable[] {
    return this.#byGroup.get(group) ?? [];
  }

  /** Milliseconds of the units that a group changes, at a count of it and the given counts of others. */
  groupMs(group: string, count: number, keep: KeepCounts = new Map()): number {
    const at = new Map(keep).set(group, count);
    return this.unitsOf(group).reduce((a, t) => a + this.unitMs(t, at), 0);
  }

  /** Milliseconds that go with these nodes: units of which nothing is left (an Add fused into a kept one goes free). */
  nodesMs(nodes: Iterable<Node>, keep: KeepCounts = new Map()): number {
    const gone = new Set(nodes);
    let sum = 0;
    for (const t of new Set([...gone].map((n) => this.#owner.get(n)))) {
      // A block's last convolution carries the residual addition; with the branch gone the whole kernel goes.
      const linear = t?.unit.nodes.filter((n) => n.inputs.some((v) => v?.isInitializer)) ?? [];
      if (t && (linear.length ? linear : t.unit.nodes).every((n) => gone.has(n))) sum += this.unitMs(t, keep);
    }
    return sum;
  }
}

/** Multilinear between grid points; outside of the grid the nearest point's. */
function interpolate(t: UnitTable, keep: KeepCounts): number {
  let corners: { at: number; weight: number }[] = [{ at: 0, weight: 1 }];
  for (const { group, counts } of t.grid) {
    const k = Math.min(Math.max(keep.get(group) ?? counts.at(-1)!, counts[0]!), counts.at(-1)!);
    let hi = counts.findIndex((c) => c >= k);
    if (hi < 0) hi = counts.length - 1;
    const lo = counts[hi] === k ? hi : Math.max(0, hi - 1);
    const f = hi === lo ? 0 : (k - counts[lo]!) / (counts[hi]! - counts[lo]!);
    corners = corners.flatMap((c) => [
      ...(f < 1 ? [{ at: c.at * counts.length + lo, weight: c.weight * (1 - f) }] : []),
      ...(f > 0 ? [{ at: c.at * counts.length + hi, weight: c.weight * f }] : []),
    ]);
  }
  return corners.reduce((a, c) => a + t.ms[c.at]! * c.weight, 0);
}
