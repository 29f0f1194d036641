/** Converts a latency model to JSON and back. Nodes are identified by their index in the model's order. */
import type { StoredUnit } from '../../../shared/model/latency-table.ts';
import type { Node } from '../ir/node.ts';
import { LatencyModel, type CalibrationPoint } from './predict.ts';

export interface StoredLatencyModel {
  readonly baselineMs: number;
  readonly otherMs: number;
  readonly units: readonly StoredUnit[];
  readonly points: readonly { readonly keep: readonly (readonly [string, number])[]; readonly ms: number }[];
  readonly counts: readonly (readonly [string, readonly number[]])[];
}

/** @param nodes of the model in order */
export function storeLatencyModel(
  model: LatencyModel,
  counts: ReadonlyMap<string, readonly number[]>,
  nodes: readonly Node[],
): StoredLatencyModel {
  const place = new Map(nodes.map((n, i) => [n, i]));
  return {
    baselineMs: model.baselineMs,
    otherMs: model.otherMs,
    units: model.tables.map(({ unit, grid, ms }) => ({
      name: unit.name,
      opType: unit.opType,
      nodes: unit.nodes.map((n) => place.get(n)!),
      groups: unit.groups,
      profiledMs: unit.profiledMs,
      grid,
      ms: ms.map((x) => (Number.isNaN(x) ? null : x)),
    })),
    points: model.points.map((p) => ({ keep: [...p.keep], ms: p.ms })),
    counts: [...counts],
  };
}

/** @param baselineMs of this run; times measured in another run are scaled to it */
export function restoreLatencyModel(
  stored: StoredLatencyModel,
  nodes: readonly Node[],
  baselineMs: number,
): { model: LatencyModel; counts: ReadonlyMap<string, readonly number[]> } {
  const scale = baselineMs / stored.baselineMs;
  const model = new LatencyModel({
    baselineMs,
    otherMs: stored.otherMs * scale,
    tables: stored.units.map(({ name, opType, groups, profiledMs, grid, ms, ...u }) => ({
      unit: { name, opType, groups, profiledMs: profiledMs * scale, nodes: u.nodes.map((i) => nodes[i]!) },
      grid,
      ms: ms.map((x) => (x === null ? NaN : x * scale)),
    })),
  });
  model.calibrate(stored.points.map((p): CalibrationPoint => ({ keep: new Map(p.keep), ms: p.ms * scale })));
  return { model, counts: new Map(stored.counts) };
}
