/**
 * Finds the layers of a decoder with caches, and where each one begins. Everything is found by structure: caches by what
 * appends to them, attention by its operator or its softmax, the residual stream as the values that nothing bypasses.
 */
import type { Skipped } from '../../../../../shared/model/types.ts';
import type { Model } from '../../../ir/model.ts';
import type { Node } from '../../../ir/node.ts';
import type { Value } from '../../../ir/value.ts';
import { traitsOf } from '../../../ops/registry.ts';
import { describe } from '../../axes/atoms.ts';
import { findCores, type Core } from './attention.ts';
import { bottlenecks, contentsOf, dependents, pathNodes } from './flow.ts';
import { isSkipped, portsOf, skipped, type Ports } from './ports.ts';
import { rotationOf } from './rotation.ts';
import { tailOf } from './tail.ts';
import type { Decoder, DecoderLayer, Rotation } from './types.ts';

/** The decoder in a graph, or why tokens cannot be dropped inside it. */
export function findDecoder(model: Model): Decoder | Skipped {
  const { cores, others } = findCores(model);
  if (cores.length === 0) {
    const [other] = others;
    return skipped(other ? describe(other.node) : 'graph', other?.reason ?? 'no attention reads a cache');
  }
  const ports = portsOf(model, cores);
  if (isSkipped(ports)) return ports;
  for (const { node, reason } of others)
    if ((ports.depends.get(node.output()) ?? 0n) & ports.bit(ports.tokens)) return skipped(describe(node), reason);
  const caches = new Set(cores.flatMap((c) => c.past));
  if (caches.size !== 2 * cores.length) return skipped(describe(cores[0]!.node), 'layers share a cache');
  return positionsInside(model, ports, cores) ?? layersOf(model, ports, cores);
}

const carriesTokens = (ports: Ports, v: Value): boolean =>
  ((ports.depends.get(v) ?? 0n) & ports.bit(ports.tokens)) !== 0n;

/**
 * Positions that the graph computes from sizes would be counted anew behind a cut, and windows over positions would reach
 * further back, because a replayed mask counts the remaining tokens.
 */
function positionsInside(model: Model, ports: Ports, cores: readonly Core[]): Skipped | null {
  if (!ports.positions && !cores.every((c) => c.rotatesInside))
    return skipped(describe(cores[0]!.node), 'there is no input with the positions, so they would be counted anew');
  const counted = new Set<Value>();
  const tested = new Set<Value>();
  let causal = 0;
  for (const n of model.graph.nodes()) {
    const reads = contentsOf(n);
    if (n.key === 'Range' || reads.some((v) => counted.has(v))) for (const o of n.outputs) counted.add(o);
    const isTest = traitsOf(n).elementwise === 'test';
    if (isTest || reads.some((v) => tested.has(v))) for (const o of n.outputs) tested.add(o);
    if (!isTest || n.outputs.some((o) => carriesTokens(ports, o)) || reads.some((v) => tested.has(v))) continue;
    if (ports.positions && reads.some((v) => (ports.depends.get(v) ?? 0n) & ports.bit(ports.positions!)))
      return skipped(describe(n), 'the mask compares positions, and not places in the cache');
    if (reads.length > 1 && reads.every((v) => counted.has(v)) && ++causal > 1)
      return skipped(describe(n), 'the mask has a window, which counts tokens and not positions');
  }
  return null;
}

function layersOf(model: Model, ports: Ports, cores: readonly Core[]): Decoder | Skipped {
  const { graph } = model;
  const caches = new Set(cores.flatMap((c) => c.present));
  const results = graph.outputs.filter((v) => !caches.has(v) && carriesTokens(ports, v));
  const path = pathNodes(graph, [ports.tokens], results);
  const order = new Map([...graph.nodes()].map((n, i) => [n, i]));
  const necks = bottlenecks(path, [ports.tokens]);
  const onPath = new Set(path);
  const anywhere = dependents(
    graph,
    graph.inputs.filter((v) => !v.isInitializer),
  );
  const derived = new Set([...anywhere].filter((v) => !carriesTokens(ports, v)));
  const positional = new Set<Value>();
  if (ports.positions)
    for (const v of derived) if ((ports.depends.get(v) ?? 0n) & ports.bit(ports.positions)) positional.add(v);

  const layers: DecoderLayer[] = [];
  for (const [index, core] of cores.entries()) {
    const at = order.get(core.node)!;
    const neck = necks.filter((n) => order.get(n)! < at).at(-1) ?? null;
    const entry = index === 0 ? null : neck;
    if (index > 0 && (!entry || order.get(entry)! < order.get(cores[index - 1]!.node)!))
      return skipped(
        describe(core.node),
        'tokens reach the layer by more than one way, so there is no residual stream',
      );
    const read = (v: Value): boolean => v.consumers().some((n) => onPath.has(n) && contentsOf(n).includes(v));
    const frontier = entry ? entry.outputs.filter((o) => o.name && read(o)) : [];
    const from = neck ? neck.outputs.filter((o) => o.name && read(o)) : [ports.tokens];
    const [query, key] = [core.query, core.key].map((v) => rotationOf(graph, from, v, derived, positional));
    for (const r of [query!, key!])
      if ('foreign' in r)
        return skipped(describe(core.node), `queries or keys read ${r.foreign.name}, which is no position`);
    const blocked = entry ? blockedBy(model, ports, entry, frontier) : 'the first layer keeps the whole cache';
    layers.push({
      index,
      attention: { ...core, query: query as Rotation, key: key as Rotation },
      entry,
      frontier,
      blocked,
    });
  }
  return { model, tokens: ports.tokens, mask: ports.mask, positions: ports.positions, layers };
}

/** Why the layers behind a node cannot be computed for fewer tokens, or null where they can. */
function blockedBy(model: Model, ports: Ports, entry: Node, frontier: readonly Value[]): string | null {
  const tail = tailOf(model.graph, frontier);
  const anywhere = dependents(model.graph, [ports.tokens]);
  const own = new Set([...frontier, ...[...tail].flatMap((n) => n.outputs)]);
  for (const n of tail) {
    if (traitsOf(n).linear?.slides || traitsOf(n).recurrent) return `${describe(n)} mixes neighbouring tokens`;
    for (const v of n.inputs) {
      if (!v || own.has(v) || !anywhere.has(v)) continue;
      if (carriesTokens(ports, v) && v !== ports.tokens) return `${describe(n)} reads ${v.name} of an earlier layer`;
      const size = sizeOfEarlier(v, ports);
      if (size) return `${describe(n)} reads the size of ${size.name}, which is in an earlier layer`;
    }
  }
  return frontier.length > 0 ? null : `${describe(entry)} passes nothing on`;
}

/** A value with tokens whose size a value is computed from, other than the input itself. */
function sizeOfEarlier(v: Value, ports: Ports): Value | null {
  const seen = new Set<Value>();
  const waiting = [v];
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    for (const x of at.producer?.inputs ?? []) {
      if (!x) continue;
      if (carriesTokens(ports, x)) {
        if (x !== ports.tokens) return x;
      } else waiting.push(x);
    }
  }
  return null;
}
