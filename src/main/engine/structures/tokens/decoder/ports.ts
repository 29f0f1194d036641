/** Tells the inputs of a decoder apart by what depends on them: tokens, mask, positions and caches. */
import type { Skipped } from '../../../../../shared/model/types.ts';
import { inputDependence } from '../../../ir/dependence.ts';
import type { Model } from '../../../ir/model.ts';
import type { Value } from '../../../ir/value.ts';
import { describe } from '../../axes/atoms.ts';
import type { Core } from './attention.ts';
import { contentsOf, dataOf } from './flow.ts';

export interface Ports {
  readonly tokens: Value;
  readonly mask: Value | null;
  readonly positions: Value | null;
  /** Inputs that the contents of a value depend on, as bits in the order of `graph.inputs`. */
  readonly depends: ReadonlyMap<Value, bigint>;
  /** The bit of an input. */
  readonly bit: (input: Value) => bigint;
}

export const skipped = (operator: string, reason: string): Skipped => ({ group: 'tokens', operator, reason });
export const isSkipped = (x: object): x is Skipped => 'reason' in x;

/**
 * Values carry the tokens alone, queries and keys add the positions, and the scores add the mask. Names and sizes do
 * not count.
 */
export function portsOf(model: Model, cores: readonly Core[]): Ports | Skipped {
  const { inputs } = model.graph;
  const depends = inputDependence(model);
  const bits = (v: Value): bigint => depends.get(v) ?? 0n;
  const named = (mask: bigint): Value[] => inputs.filter((_, i) => mask & (1n << BigInt(i)));
  const bit = (v: Value): bigint => 1n << BigInt(inputs.indexOf(v));
  const caches = cores.flatMap((c) => c.past).reduce((all, v) => all | bit(v), 0n);
  const first = cores[0]!;
  const where = describe(first.node);

  const newValue = first.ports ? (first.node.input(2) ?? first.node.input(0)!) : first.present[1].producer!.input(1)!;
  const tokens = named(bits(newValue) & ~caches);
  if (tokens.length !== 1)
    return skipped(
      where,
      `the values of the first attention depend on ${list(tokens)}: one input of tokens is expected, and another one would still hold the dropped tokens`,
    );
  const rank = tokens[0]!.type?.shape?.length;
  if (rank !== 2 && rank !== 3) return skipped(where, `the input ${tokens[0]!.name} has no axes of batch and tokens`);
  let seen = caches | bit(tokens[0]!);

  const inner = first.ports?.rotary ? first.node.input(first.ports.rotary.positions) : null;
  const turned = bits(first.query) | bits(first.key) | (inner ? bits(inner) : 0n);
  const positions = named(turned & ~seen);
  if (positions.length > 1)
    return skipped(where, `queries and keys depend on ${list(positions)}, and one input of positions is expected`);
  seen |= turned;

  const masks = named(bits(first.output) & ~seen);
  if (masks.length > 1) return skipped(where, `the scores depend on ${list(masks)}, and one mask is expected`);
  for (const v of masks) seen |= bit(v);
  const ports = { tokens: tokens[0]!, mask: masks[0] ?? null, positions: positions[0] ?? null, depends, bit };
  return wrongAxes(ports) ?? unknownInput(model, ports, cores.at(-1)!, seen) ?? ports;
}

function wrongAxes({ mask, positions }: Pick<Ports, 'mask' | 'positions'>): Skipped | null {
  const axes = (v: Value): number | undefined => v.type?.shape?.length;
  const reader = (v: Value): string => describe(v.consumers()[0]!);
  if (positions && axes(positions) !== 2) {
    const reason = `positions have ${axes(positions) ?? 'unknown'} axes, which the runner computes from the grid of the image`;
    return skipped(reader(positions), reason);
  }
  if (mask && axes(mask) !== 2)
    return skipped(reader(mask), `the mask ${mask.name} has ${axes(mask) ?? 'unknown'} axes`);
  return null;
}

/** An input that is none of the known ones, for example the state of a recurrent or convolutional layer. */
function unknownInput(model: Model, ports: Ports, last: Core, seen: bigint): Skipped | null {
  for (const [i, v] of model.graph.inputs.entries()) {
    if (v.isInitializer || !v.isUsed || seen & (1n << BigInt(i)) || choosesLogits(model, ports, last, v)) continue;
    const reason = `the input ${v.name} is neither tokens, mask, positions nor a cache of keys and values`;
    return skipped(describe(v.consumers()[0]!), reason);
  }
  return null;
}

/** Whether an input only says how many of the last tokens get logits: sizes and bounds behind the last attention. */
function choosesLogits({ graph }: Model, ports: Ports, last: Core, input: Value): boolean {
  let isBehind = false;
  for (const n of graph.nodes()) {
    const carries = n.outputs.some((o) => reads(ports, o, ports.tokens));
    const uses = (v: Value): boolean => reads(ports, v, input) && !reads(ports, v, ports.tokens);
    if (carries && contentsOf(n).some(uses) && (!isBehind || dataOf(n).some(uses))) return false;
    isBehind ||= n === last.node;
  }
  return true;
}

const list = (values: readonly Value[]): string => values.map((v) => v.name).join(', ') || 'no input';

/** Whether the contents of a value depend on those of an input. */
export const reads = ({ depends, bit }: Ports, v: Value, input: Value): boolean =>
  ((depends.get(v) ?? 0n) & bit(input)) !== 0n;
