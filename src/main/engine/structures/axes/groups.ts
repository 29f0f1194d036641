/**
 * Groups of coupled structures, from the axis maps of every operator. A class of joined atoms is a unit when nothing
 * freezes it, some weight produces it (source) and some contraction ends it (sink), so that removing it equals masking
 * it. Units on the same axes form a group. (The idea of dependency graphs: Fang et al., DepGraph, CVPR 2023; here on
 * single indices, so that concatenations, splits and flattened axes need no special cases.)
 */
import type { Skipped } from '../../../../shared/model/types.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { operatorFor } from '../../ops/registry.ts';
import { describe } from './atoms.ts';
import { tensorOf, weightLike } from './constants.ts';
import { compatible } from './overlap.ts';
import { relate, type Lookup, type Relations } from './relate.ts';
import { roles, type Origin } from './roles.ts';
import type { Analysis, Group, GroupMember, Sink } from './types.ts';

export interface GroupOptions {
  /** Operator definitions; the registry by default. */
  readonly lookup?: Lookup;
  /**
   * Maximum atoms to visit when trying other readings of ambiguous operators; default eight million, about one second.
   */
  readonly effort?: number;
}

/**
 * Builds the groups of a model. `facts` must hold the shapes of all values; axes of values without facts stay whole.
 * Time is linear in the summed axis extents; readings of ambiguous operators cost one more pass each.
 */
export function buildGroups(model: Model, facts: Facts, options: GroupOptions = {}): Analysis {
  const lookup = options.lookup ?? operatorFor;
  const weights = weightLike(model.graph, facts);
  const build = (forced: ReadonlyMap<Node, string>): Built =>
    assemble(model, relate(model, facts, lookup, forced), weights);
  const { built, forced } = search(build, options.effort ?? 8_000_000);
  return withOthers(built, forced, build).analysis;
}

/**
 * Groups of other readings besides those of the best one. Where channels are heads times dimensions, the best reading
 * has one of the two as units. Cutting both leaves a product, so both are offered.
 */
function withOthers(
  best: Built,
  forced: ReadonlyMap<Node, string>,
  build: (forced: ReadonlyMap<Node, string>) => Built,
): Built {
  const other = best.relations.choices.flatMap((c) => {
    const reading = c.equal.find((r) => r !== c.taken);
    return reading !== undefined && c.equal.includes(c.taken) && best.live(c.node) ? [[c.node, reading] as const] : [];
  });
  if (other.length === 0) return best;
  const { analysis } = build(new Map([...forced, ...other]));
  const added = compatible(best.analysis.groups, analysis.groups);
  if (added.length === 0) return best;
  const ids = new Set(best.analysis.groups.map((g) => g.id));
  const groups = [...best.analysis.groups];
  for (const g of added) {
    const base = g.id.replace(/#\d+$/, '');
    let id = base;
    for (let n = 2; ids.has(id); n++) id = `${base}#${n}`;
    ids.add(id);
    groups.push({ ...g, id });
  }
  const on = new Set(added.flatMap((g) => g.members.map((m) => m.value)));
  const makers = new Set(
    added.flatMap((g) => g.members.flatMap((m) => (m.role === 'source' ? m.nodes.map((n) => n.label) : []))),
  );
  const merge = <T extends Sink>(a: readonly T[], b: readonly T[]): T[] => [
    ...a,
    ...b.filter(
      (s) =>
        on.has(s.activation) && !a.some((t) => t.node === s.node && t.activation === s.activation && t.axis === s.axis),
    ),
  ];
  return {
    ...best,
    analysis: {
      groups,
      sinks: merge(best.analysis.sinks, analysis.sinks),
      reductions: merge(best.analysis.reductions, analysis.reductions),
      skipped: best.analysis.skipped.filter((s) => !makers.has(s.group)),
    },
  };
}

interface Built {
  readonly relations: Relations;
  readonly analysis: Analysis;
  /** Number of weight elements that belong to a unit; used to compare readings. */
  readonly score: number;
  /** True when some axis of the node belongs to a group. */
  readonly live: (node: Node) => boolean;
}

/**
 * Tries other readings where the first one leaves a node without units: first for all nodes of a kind, then one by one.
 */
function search(
  build: (forced: ReadonlyMap<Node, string>) => Built,
  effort: number,
): { built: Built; forced: ReadonlyMap<Node, string> } {
  let forced: ReadonlyMap<Node, string> = new Map();
  let best = build(forced);
  let left = Math.floor(effort / Math.max(1, best.relations.atoms.atoms));
  const attempt = (change: readonly (readonly [Node, string])[]): void => {
    if (left-- <= 0) return;
    const next = new Map([...forced, ...change]);
    const built = build(next);
    if (built.score > best.score) [forced, best] = [next, built];
  };
  const dead = (): Relations['choices'] => best.relations.choices.filter((c) => !best.live(c.node));
  const tried = new Set<string>();
  for (let again = true; again && left > 0;) {
    again = false;
    const kinds = Map.groupBy(dead(), (c) => c.signature);
    for (const [kind, members] of kinds)
      for (const reading of members[0]!.readings) {
        if (reading === members[0]!.taken || tried.has(`${kind} ${reading}`)) continue;
        tried.add(`${kind} ${reading}`);
        const before = best;
        attempt(members.map((c) => [c.node, reading] as const));
        again ||= best !== before;
      }
  }
  const seen = new Set<Node>();
  while (left > 0) {
    const c = dead().find((d) => !seen.has(d.node));
    if (!c) break;
    seen.add(c.node);
    for (const reading of c.readings) if (reading !== c.taken) attempt([[c.node, reading]]);
  }
  return { built: best, forced };
}

interface Unit {
  readonly root: number;
  /** Axis numbers, ascending in the order of values, and the indices on each. */
  readonly axes: number[];
  readonly indices: number[][];
}

function assemble(model: Model, relations: Relations, weights: ReadonlySet<Value>): Built {
  const { atoms } = relations;
  const { sinkAxes, sourceAxes, origins } = roles(model.graph, relations, weights);
  const flags = new Uint8Array(atoms.atoms);
  for (const s of relations.sinks) {
    const [p, n] = [atoms.first[s.activation]!, atoms.extent[s.activation]!];
    if (p >= 0) for (let i = 0; i < n; i++) if (s.to(i) >= 0) flags[atoms.find(p + i)]! |= 1;
  }
  for (const axis of sourceAxes) {
    const p = atoms.first[axis]!;
    if (p >= 0) for (let i = 0, n = atoms.extent[axis]!; i < n; i++) flags[atoms.find(p + i)]! |= 2;
  }

  const units = new Map<number, Unit>();
  const liveAxes = new Set<number>();
  for (let axis = 0; axis < atoms.axes; axis++) {
    const p = atoms.first[axis]!;
    if (p < 0) continue;
    for (let i = 0, n = atoms.extent[axis]!; i < n; i++) {
      const root = atoms.find(p + i);
      if (flags[root] !== 3 || atoms.blockOf(root)) continue;
      let u = units.get(root);
      if (!u) units.set(root, (u = { root, axes: [], indices: [] }));
      if (u.axes.at(-1) === axis) u.indices.at(-1)!.push(i);
      else {
        u.axes.push(axis);
        u.indices.push([i]);
      }
    }
  }
  const bySignature = Map.groupBy(units.values(), (u) =>
    u.axes.map((a, k) => (u.indices[k]!.length > 1 ? `${a}x${u.indices[k]!.length}` : a)).join(),
  );
  const originsOf = Map.groupBy(origins, (o) => o.axis);
  const drafts: { id: string; order: number; group: Omit<Group, 'id'> }[] = [];
  const grouped = new Set<number>();
  const single = new Set<number>();
  let score = 0;
  for (const members of bySignature.values()) {
    const axes = members[0]!.axes;
    if (members.length < 2) {
      single.add(members[0]!.root);
      continue;
    }
    for (const u of members) grouped.add(u.root);
    for (const a of axes) liveAxes.add(a);
    const source = axes
      .flatMap((a) => originsOf.get(a) ?? [])
      .reduce<Origin | null>((m, o) => (m && m.order <= o.order ? m : o), null);
    const lead = source ? axes.indexOf(source.axis) : 0;
    members.sort((u, w) => u.indices[lead]![0]! - w.indices[lead]![0]!);
    drafts.push({
      id: source?.node.label ?? atoms.axisValue[axes[0]!]!.name,
      order: (source?.order ?? 0) + members[0]!.indices[lead]![0]! / (1 << 21),
      group: {
        units: members.length,
        multiple: 1,
        members: axes.map((a, k): GroupMember => {
          const value = atoms.axisValue[a]!;
          const role = sourceAxes.has(a) ? 'source' : sinkAxes.has(a) ? 'sink' : 'through';
          return {
            value,
            axis: atoms.axisIndex[a]!,
            indices: members.map((u) => u.indices[k]!),
            role,
            nodes: value.producer && !tensorOf(value) ? [value.producer] : value.consumers(),
          };
        }),
      },
    });
    axes.forEach((a, k) => {
      const t = tensorOf(atoms.axisValue[a]!);
      if (t)
        for (const u of members) score += (u.indices[k]!.length / atoms.extent[a]!) * t.dims.reduce((x, y) => x * y, 1);
    });
  }
  drafts.sort((a, b) => a.order - b.order);
  const counts = new Map<string, number>();
  const groups = drafts.map((d): Group => {
    const n = counts.get(d.id) ?? 0;
    counts.set(d.id, n + 1);
    return { id: n ? `${d.id}#${n + 1}` : d.id, ...d.group };
  });

  const skipped: Skipped[] = [];
  for (const o of origins) {
    if (atoms.extent[o.axis] === 1 || liveAxes.has(o.axis)) continue;
    const root = atoms.find(atoms.first[o.axis]!);
    const block = atoms.blockOf(root);
    const why = single.has(root)
      ? { operator: describe(o.node), reason: 'all its units depend on each other' }
      : { operator: describe(o.node), reason: 'no operator sums over this width' };
    skipped.push({ group: o.node.label, ...(block ?? why) });
  }
  const sinks: Sink[] = [];
  const seen = new Set<string>();
  for (const s of relations.sinks) {
    if (!liveAxes.has(s.activation)) continue;
    const key = `${s.activation}`;
    const at = { node: s.node, activation: atoms.axisValue[s.activation]!, axis: atoms.axisIndex[s.activation]! };
    if (!seen.has(`${key} ${s.node.output().name}`)) sinks.push(at);
    seen.add(`${key} ${s.node.output().name}`);
  }
  const reductions = relations.reductions.flatMap(({ node, axis, how }) =>
    liveAxes.has(axis) ? [{ node, activation: atoms.axisValue[axis]!, axis: atoms.axisIndex[axis]!, how }] : [],
  );
  const live = (node: Node): boolean =>
    [...node.inputs, ...node.outputs].some((v) => {
      for (let k = 0, a: number; v && (a = atoms.axis(v, k)) >= 0; k++) if (liveAxes.has(a)) return true;
      return false;
    });
  return { relations, analysis: { groups, sinks, reductions, skipped }, score, live };
}
