/** How a decoder counts tokens: in its mask, and for positions that are no input. */
import type { Skipped } from '../../../../../shared/model/types.ts';
import type { Model } from '../../../ir/model.ts';
import type { Node } from '../../../ir/node.ts';
import type { Value } from '../../../ir/value.ts';
import { traitsOf } from '../../../ops/registry.ts';
import { describe } from '../../axes/atoms.ts';
import { contentsOf, dataOf } from './flow.ts';
import { reads, skipped, type Ports } from './ports.ts';
import type { DecoderLayer } from './types.ts';

const counts = (n: Node): boolean => n.key === 'Range';

/**
 * Values computed from counted places. The mask behind a cut is computed again and counts the remaining tokens. A mask that
 * compares anything but places in the cache would admit other tokens than before, and is refused.
 */
export function countingOf(model: Model, ports: Ports): ReadonlySet<Value> | Skipped {
  const counted = new Set<Value>();
  const tested = new Set<Value>();
  let causal = 0;
  for (const n of model.graph.nodes()) {
    const inputs = contentsOf(n);
    if (counts(n) || inputs.some((v) => counted.has(v))) for (const o of n.outputs) counted.add(o);
    const isTest = traitsOf(n).elementwise === 'test';
    const again = inputs.some((v) => tested.has(v));
    if (isTest || again) for (const o of n.outputs) tested.add(o);
    if (!isTest || again || n.outputs.some((o) => reads(ports, o, ports.tokens))) continue;
    if (ports.positions && inputs.some((v) => reads(ports, v, ports.positions!)))
      return skipped(describe(n), 'the mask compares positions, and not places in the cache');
    if (inputs.length > 1 && inputs.every((v) => counted.has(v)) && ++causal > 1)
      return skipped(describe(n), 'the mask has a window, which counts tokens and not positions');
  }
  return counted;
}

/**
 * The positions [S] from which a decoder without an input for them computes its rotary tables: one Range that begins behind
 * the cache. Null where fused operators count inside.
 * @param derived values that depend on inputs and not on the contents of tokens
 */
export function countedPositions(layers: readonly DecoderLayer[], derived: ReadonlySet<Value>): Value | Skipped | null {
  const first = layers[0]!.attention;
  if (layers.every((l) => l.attention.rotatesInside)) return null;
  const tables = layers.flatMap(({ attention: { query, key } }) => [...query.tables, ...key.tables]);
  const sources = new Set<Value>();
  const seen = new Set<Value>();
  const waiting = tables.map(({ node, index }) => node.input(index)!);
  for (let v = waiting.pop(); v; v = waiting.pop()) {
    if (seen.has(v) || !derived.has(v)) continue;
    seen.add(v);
    if (v.producer && counts(v.producer)) sources.add(v);
    else if (v.producer) waiting.push(...dataOf(v.producer));
  }
  const [source, ...more] = sources;
  const where = describe(first.node);
  if (!source) return skipped(where, 'it has no positions, or they are not rotary');
  if (more.length > 0) return skipped(where, 'its positions are counted in several places');
  // A count from 0 has the places of the cache too.
  if (!derived.has(source.producer!.input(0)!))
    return skipped(where, 'its positions are not counted from the end of the cache');
  return source;
}
