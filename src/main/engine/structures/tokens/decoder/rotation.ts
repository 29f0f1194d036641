/** Finds where rotary positions enter queries and keys. */
import type { Graph } from '../../../ir/graph.ts';
import type { Value } from '../../../ir/value.ts';
import { traitsOf } from '../../../ops/registry.ts';
import { bottlenecks, pathNodes } from './flow.ts';
import type { Read, Rotation } from './types.ts';

/**
 * Follows the tokens from the entry of a layer to its queries or keys. Operators that also read values derived from the
 * inputs, other than for sizes, apply positions.
 * @param derived values that depend on inputs of the graph and not on the contents of its tokens
 * @param positional those of them that may give positions
 * @returns a value that is read and gives no positions, where there is one
 */
export function rotationOf(
  graph: Graph,
  from: readonly Value[],
  to: Value,
  derived: ReadonlySet<Value>,
  positional: ReadonlySet<Value>,
): Rotation | { readonly foreign: Value } {
  const path = pathNodes(graph, from, [to]);
  const inside = new Set<Value>([...from, ...path.flatMap((n) => n.outputs)]);
  const rotating = new Set<number>();
  const tables: Read[] = [];
  for (const [i, n] of path.entries()) {
    const { sizeInputs = [], shapeInputs = [] } = traitsOf(n);
    for (const [at, v] of n.inputs.entries()) {
      if (!v || inside.has(v) || !derived.has(v) || sizeInputs.includes(at) || shapeInputs.includes(at)) continue;
      if (!positional.has(v)) return { foreign: v };
      rotating.add(i);
      tables.push({ node: n, index: at });
    }
  }
  if (rotating.size === 0) return { before: to, after: to, end: to, tables };
  const [first, last] = [Math.min(...rotating), Math.max(...rotating)];
  const index = new Map(path.map((n, i) => [n, i]));
  const necks = bottlenecks(path, from).map((n) => index.get(n)!);
  // Slices and negations of the rotation come before the first product with a cosine, so the value must be one that
  // every rotating operator descends from.
  const read = new Set(path.flatMap((n) => n.inputs));
  const single = (i: number | undefined): Value | null => {
    const outs = i === undefined ? [] : path[i]!.outputs.filter((o) => o === to || read.has(o));
    return outs.length === 1 ? outs[0]! : null;
  };
  const before = single(necks.filter((i) => i < first).at(-1));
  const after = single(necks.find((i) => i >= last));
  return after ? { before, after, end: to, tables } : { before: null, after: to, end: to, tables };
}
