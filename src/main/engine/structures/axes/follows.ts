/**
 * Determines which numbers of a model's size arithmetic follow a cut by themselves. `Shape` of a tensor with a cut
 * width gives a smaller width but the same batch: numbers computed from the batch alone are unchanged.
 */
import { attrInt } from '../../ir/attribute.ts';
import { DType, elementCount, isFloat } from '../../ir/dtype.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { keepsOrder, readsSizes, traitsOf } from '../../ops/registry.ts';
import { constantOf } from './constants.ts';
import type { Removal } from './removal.ts';

/** For each value with at least one such element: whether each element is computed from a cut width. */
export type Follows = ReadonlyMap<Value, readonly boolean[]>;

/** @param whole operators that keep getting the sizes from before the cut: their results do not follow it */
export function followsCut(
  model: Model,
  facts: Facts,
  removal: Removal,
  whole: (n: Node) => boolean = () => false,
): Follows {
  const out = new Map<Value, readonly boolean[]>();
  for (const node of model.graph.nodes()) {
    if (whole(node)) continue;
    const { sizeInputs = [], shapeInputs = [] } = traitsOf(node);
    const reads = node.inputs.some((v, i) => v && out.has(v) && !sizeInputs.includes(i) && !shapeInputs.includes(i));
    if (!readsSizes(node) && !reads) continue;
    // A number that becomes data keeps its value; see pin.ts.
    if (becomesData(node, facts)) continue;
    for (const o of node.outputs) {
      const marks = marksOf(node, o, facts, removal, out);
      if (marks.some(Boolean)) out.set(o, marks);
    }
  }
  return out;
}

/** True for a Cast that turns an integer into a float used in computations on data. */
export function becomesData(node: Node, facts: Facts): boolean {
  const out = keepsOrder(node) ? facts.get(node.output()) : undefined;
  if (!out?.constant || !isFloat(out.dtype)) return false;
  const from = facts.get(node.input(0)!)?.dtype ?? DType.FLOAT;
  return !isFloat(from) && !feedsInteger(node.output());
}

/** True when all uses of the float end in an integer again: size arithmetic (floor of a division), not data. */
function feedsInteger(v: Value): boolean {
  const seen = new Set<Value>();
  const open = [v];
  for (let u = open.pop(); u; u = open.pop()) {
    if (seen.has(u)) continue;
    seen.add(u);
    if (u.isGraphOutput) return false;
    for (const n of u.consumers()) {
      if (n.key === 'Cast') {
        const to = n.attributes.get('to');
        if (to?.kind === 'int' && !isFloat(Number(to.value))) continue;
      } else if (!isSizeStep(n)) return false;
      open.push(...n.outputs);
    }
    if (u.consumers().length === 0) return false;
  }
  return true;
}

/** True for operators of size arithmetic in floats. */
function isSizeStep(n: Node): boolean {
  const { elementwise, movement } = traitsOf(n);
  return (
    elementwise === 'arithmetic' || elementwise === 'rounding' || (movement !== undefined && movement !== 'resampled')
  );
}

function marksOf(node: Node, o: Value, facts: Facts, removal: Removal, known: Follows): readonly boolean[] {
  const count = (v: Value): number => elementCount(facts.get(v)?.shape ?? []);
  const of = (v: Value): readonly boolean[] => known.get(v) ?? new Array<boolean>(count(v)).fill(false);
  const n = count(o);
  const first = node.input(0)!;
  if (node.key === 'Size') return [Boolean(removal.get(first)?.size)];
  if (node.key === 'Shape') {
    const axes = removal.get(first);
    const rank = facts.get(first)?.shape.length ?? 0;
    const from = shapeStart(node, rank);
    return Array.from({ length: n }, (_, i) => axes?.has(from + i) ?? false);
  }
  if (keepsOrder(node) && count(first) === n) return of(first);
  const inputs = node.inputs.filter((v): v is Value => v !== null);
  const vector = (facts.get(o)?.shape.length ?? 0) <= 1;
  if (node.key === 'Concat' && vector) return inputs.flatMap(of);
  const rank = facts.get(first)?.shape.length ?? 0;
  if (node.key === 'Gather' && rank === 1 && !known.has(node.input(1)!)) {
    const picked = constantOf(node.input(1), facts);
    if (picked?.length === n) return picked.map((i) => of(first).at(i) ?? true);
  }
  if (node.key === 'Slice' && rank === 1) {
    const [start, , , step] = [1, 2, 3, 4].map((i) => constantOf(node.input(i), facts)?.[0]);
    if (start !== undefined && (step ?? 1) === 1) {
      const whole = of(first);
      const from = Math.min(start < 0 ? Math.max(0, start + whole.length) : start, whole.length);
      return whole.slice(from, from + n);
    }
  }
  if (traitsOf(node).elementwise && vector && inputs.every((v) => [1, n].includes(count(v)))) {
    const marks = inputs.map(of);
    return Array.from({ length: n }, (_, i) => marks.some((m) => m[m.length === 1 ? 0 : i]));
  }
  // Products and other operators that mix elements.
  return new Array<boolean>(n).fill(true);
}

/** First axis that a Shape reads, for data of that rank. */
export function shapeStart(node: Node, rank: number): number {
  const n = attrInt(node.attributes.get('start'), 0);
  return Math.max(0, n < 0 ? n + rank : n);
}
