/**
 * Reads which axes behind a bottleneck follow its tokens, from the axis maps of the operators. Tokens may be left out
 * where every operator treats them alike: attention, operators on each token, and means over tokens do; tables of
 * positions and convolutions over a grid do not.
 */
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { operatorFor } from '../../ops/registry.ts';
import { describe } from '../axes/atoms.ts';
import { relate, type Lookup, type Relations } from '../axes/relate.ts';
import type { Reduction, Sink } from '../axes/types.ts';
import { behind } from './stream.ts';

/** An axis of tokens: index i is token i. */
export interface TokenAxis {
  readonly value: Value;
  readonly axis: number;
  /** Indices per token, fixed ones included; several where another axis was merged into this one. */
  readonly indices: readonly (readonly number[])[];
}

/** A softmax over tokens: they are `axis` of its input. */
export interface Weighing {
  readonly node: Node;
  readonly axis: number;
  readonly rank: number;
}

/** A mean or sum over tokens. */
export interface TokenReduction extends Reduction {
  readonly rank: number;
}

/** The part of a graph behind a bottleneck, as tokens see it. */
export interface Tail {
  /** Float [B, N, D]. */
  readonly value: Value;
  readonly count: number;
  readonly width: number;
  /** Leading tokens that an operator reads by their position, such as a class token. They always stay. */
  readonly fixed: number;
  /** All axes behind the value that follow the tokens, the value's own included. */
  readonly axes: readonly TokenAxis[];
  readonly weighings: readonly Weighing[];
  /** Means and sums over tokens. */
  readonly reductions: readonly TokenReduction[];
  /** Contractions over tokens other than those of attention weights. */
  readonly sinks: readonly Sink[];
}

/** The operator that needs all tokens, and the reason. */
export interface Refused {
  readonly operator: string;
  readonly reason: string;
}

/** @param open outputs of the model that may have fewer tokens */
export function readTail(
  model: Model,
  facts: Facts,
  value: Value,
  { open = new Set(), lookup = operatorFor }: { readonly open?: ReadonlySet<Value>; readonly lookup?: Lookup } = {},
): Tail | Refused {
  if (facts.get(value)!.dynamic?.[1])
    return refused(describe(value.producer!), 'the number of tokens follows the input');
  const nodes = behind(model, value);
  for (const n of nodes) if ([...n.subgraphs()].length > 0) return refused(describe(n), 'its body is not followed');
  const relations = relate(model, facts, lookup, new Map(), { nodes, open });
  const { atoms } = relations;
  const [, count, width] = facts.get(value)!.shape as [number, number, number];
  const first = atoms.first[atoms.axis(value, 1)] ?? -1;
  if (first < 0) return refused(describe(value.producer!), 'there is one token only');
  const roots = Array.from({ length: count }, (_, i) => atoms.find(first + i));
  if (new Set(roots).size < count)
    return refused('the graph', 'later operators merge tokens of a grid, as a pixel shuffle does');
  const axes = axesOf(relations, roots);
  // Tokens are interchangeable from the first one on behind which all have equal axes and none is read by its position.
  const last = kindOf(axes, count - 1);
  let fixed = count;
  while (fixed > 0 && atoms.blockOf(roots[fixed - 1]!) === null && kindOf(axes, fixed - 1) === last) fixed--;
  if (count - fixed < 2) return whyFixed(relations, roots, axes);
  const inside = new Set([value, ...[...nodes].flatMap((n) => n.outputs)]);
  for (const a of axes)
    if (!inside.has(a.value) || !fromTokens(a.value, value))
      return refused(describe(a.value.consumers().find((c) => nodes.has(c))!), 'it reads a table with a row per token');
  return { value, count, width, fixed, axes, ...uses(relations, axes, facts) };
}

const refused = (operator: string, reason: string): Refused => ({ operator, reason });

/** The axes and the number of indices on each that belong to one token. */
const kindOf = (axes: readonly TokenAxis[], token: number): string =>
  axes.flatMap((a, k) => (a.indices[token]!.length > 0 ? [`${k}x${a.indices[token]!.length}`] : [])).join();

/** The operator that treats the last token unlike the one before it, or that needs it. */
function whyFixed({ atoms }: Relations, roots: readonly number[], axes: readonly TokenAxis[]): Refused {
  const block = atoms.blockOf(roots.at(-1)!) ?? atoms.blockOf(roots.at(-2)!);
  if (block) return { operator: block.operator, reason: block.reason };
  const at = axes.find((a) => a.indices.at(-1)!.length !== a.indices.at(-2)!.length);
  const node = at?.value.producer;
  return refused(node ? describe(node) : 'the graph', 'it reads some of the tokens');
}

/** Whether a value holds data of the tokens, as opposed to numbers that follow from their count. */
function fromTokens(v: Value, from: Value): boolean {
  return v === from || v.producer!.inputs.some((x) => x !== null && !x.isInitializer);
}

/** The axes that follow the tokens. */
function axesOf({ atoms }: Relations, roots: readonly number[]): TokenAxis[] {
  const tokenOf = new Map(roots.map((r, token) => [r, token]));
  const out: TokenAxis[] = [];
  for (let axis = 0; axis < atoms.axes; axis++) {
    const p = atoms.first[axis]!;
    if (p < 0) continue;
    const indices = roots.map((): number[] => []);
    let any = false;
    for (let i = 0; i < atoms.extent[axis]!; i++) {
      const token = tokenOf.get(atoms.find(p + i));
      if (token === undefined) continue;
      indices[token]!.push(i);
      any = true;
    }
    if (any) out.push({ value: atoms.axisValue[axis]!, axis: atoms.axisIndex[axis]!, indices });
  }
  return out;
}

function uses({ atoms, weighings, reductions, sinks }: Relations, axes: readonly TokenAxis[], facts: Facts) {
  const ids = new Set(axes.map((a) => atoms.axis(a.value, a.axis)));
  const at = (id: number) => {
    const activation = atoms.axisValue[id]!;
    return { activation, axis: atoms.axisIndex[id]!, rank: facts.get(activation)!.shape.length };
  };
  const weighed = weighings.filter((w) => ids.has(w.axis));
  const outputs = new Set(weighed.map((w) => w.node.output()));
  return {
    weighings: weighed.map(({ node, axis }): Weighing => ({ node, ...at(axis) })),
    reductions: reductions
      .filter((r) => ids.has(r.axis))
      .map(({ node, axis, how }): TokenReduction => ({ node, how, ...at(axis) })),
    sinks: sinks
      .filter((s) => ids.has(s.activation) && !outputs.has(atoms.axisValue[s.activation]!))
      .map(({ node, activation }): Sink => ({ node, ...at(activation) })),
  };
}
