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
import { bottlenecks, contentsOf, dependents, pathNodes, sourceOf } from './flow.ts';
import { isSkipped, portsOf, reads, skipped, type Ports } from './ports.ts';
import { countedPositions, countingOf } from './positions.ts';
import { rotationOf } from './rotation.ts';
import { tailOf } from './tail.ts';
import type { Decoder, DecoderLayer, Rotation } from './types.ts';

/** The first operator set with all operators that a cut adds, in the form in which it adds them. */
const OPSET = 13;

/** The decoder in a graph, or why tokens cannot be dropped inside it. */
export function findDecoder(model: Model): Decoder | Skipped {
  if (model.opset < OPSET) return skipped('graph', `operator set ${model.opset} is older than ${OPSET}`);
  const { cores, others } = findCores(model);
  if (cores.length === 0) {
    const [other] = others;
    if (other) return skipped(describe(other.node), other.reason);
    const branch = [...model.graph.nodes()].find(hasBody);
    return skipped(
      branch ? describe(branch) : 'graph',
      `no attention reads a cache${branch ? ' outside of branches' : ''}`,
    );
  }
  const ports = portsOf(model, cores);
  if (isSkipped(ports)) return ports;
  for (const { node, reason } of others)
    if ((ports.depends.get(node.output()) ?? 0n) & ports.bit(ports.tokens)) return skipped(describe(node), reason);
  const caches = new Set(cores.flatMap((c) => c.past));
  if (caches.size !== 2 * cores.length) return skipped(describe(cores[0]!.node), 'layers share a cache');
  const counting = countingOf(model, ports);
  return isSkipped(counting) ? counting : layersOf(model, ports, cores, counting);
}

function layersOf(model: Model, ports: Ports, cores: readonly Core[], counting: ReadonlySet<Value>): Decoder | Skipped {
  const { graph } = model;
  const caches = new Set(cores.flatMap((c) => c.present));
  const results = graph.outputs.filter((v) => !caches.has(sourceOf(v)) && reads(ports, v, ports.tokens));
  const path = pathNodes(graph, [ports.tokens], results);
  const order = new Map([...graph.nodes()].map((n, i) => [n, i]));
  const necks = bottlenecks(path, [ports.tokens]);
  const onPath = new Set(path);
  const anywhere = dependents(
    graph,
    graph.inputs.filter((v) => !v.isInitializer),
  );
  const derived = new Set([...anywhere].filter((v) => !reads(ports, v, ports.tokens)));
  const isPosition = (v: Value): boolean => (ports.positions ? reads(ports, v, ports.positions) : counting.has(v));
  const positional = new Set([...derived].filter(isPosition));

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
    const blocked = entry
      ? blockedBy(model, ports, anywhere, entry, frontier)
      : 'the first layer keeps the whole cache';
    layers.push({
      index,
      attention: { ...core, query: query as Rotation, key: key as Rotation },
      entry,
      frontier,
      blocked,
    });
  }
  const counted = ports.positions ? null : countedPositions(layers, derived);
  if (counted && isSkipped(counted)) return counted;
  return { model, tokens: ports.tokens, mask: ports.mask, positions: ports.positions, counted, layers };
}

/** Why the layers behind a node cannot be computed for fewer tokens, or null where they can. */
function blockedBy(
  model: Model,
  ports: Ports,
  anywhere: ReadonlySet<Value>,
  entry: Node,
  frontier: readonly Value[],
): string | null {
  const tail = tailOf(model.graph, frontier);
  const own = new Set([...frontier, ...[...tail].flatMap((n) => n.outputs)]);
  for (const n of tail) {
    if (traitsOf(n).linear?.slides || traitsOf(n).recurrent) return `${describe(n)} mixes neighbouring tokens`;
    if (hasBody(n)) return `${describe(n)} runs a graph of its own`;
    for (const v of n.inputs) {
      if (!v || own.has(v) || !anywhere.has(v)) continue;
      if (reads(ports, v, ports.tokens) && v !== ports.tokens)
        return `${describe(n)} reads ${v.name} of an earlier layer`;
      const cause = notShared(v, ports);
      if (cause) return `${describe(n)} reads ${v.name}: ${cause}`;
    }
  }
  return frontier.length > 0 ? null : `${describe(entry)} passes nothing on`;
}

const hasBody = (n: Node): boolean => !n.subgraphs()[Symbol.iterator]().next().done;

/** Why a value cannot be computed anew for other tokens: it needs the size of an earlier layer's tokens, or a subgraph. */
function notShared(v: Value, ports: Ports): string | null {
  const seen = new Set<Value>();
  const waiting = [v];
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    if (at.producer && hasBody(at.producer)) return `${describe(at.producer)} runs a graph of its own`;
    for (const x of at.producer?.inputs ?? []) {
      if (!x) continue;
      if (!reads(ports, x, ports.tokens)) waiting.push(x);
      else if (x !== ports.tokens) return `it follows the size of ${x.name}, which is in an earlier layer`;
    }
  }
  return null;
}
