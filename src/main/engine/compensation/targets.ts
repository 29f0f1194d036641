/** Targets for each linear operator of a pruned model: the values of the original that it should reproduce. */
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import type { Surgery } from '../structures/apply.ts';
import { traitsOf } from '../ops/registry.ts';
import type { ResidualBlock } from '../structures/axes/types.ts';
import { otherAddend } from './regression.ts';

export interface Readout {
  /** The pruned value to fit: the operator's output, or the residual sum that it enters. */
  readonly value: Value;
  /** The other addend, which the operator does not affect. */
  readonly base: Value | null;
  /** The original's value at the position of `value`. */
  readonly target: Value;
  /** Kept indices of the target's channel axis, or null. */
  readonly kept: readonly number[] | null;
  /** The activation that is the only reader of the value: inputs that it cuts off need not match. */
  readonly activation: 'relu' | null;
}

/** The only reader of a value, if it is in the same graph and the value is not an output of that graph. */
function onlyReader(v: Value): Node | null {
  const [reader, ...others] = v.consumers();
  return reader?.graph === v.graph && others.length === 0 && !v.isGraphOutput ? reader : null;
}

export class Targets {
  readonly #surgery: Surgery;
  readonly #originals: ReadonlyMap<Value, Value>;
  readonly #dropped: ReadonlyMap<Value, ResidualBlock>;
  readonly #drops: ReadonlySet<ResidualBlock>;

  constructor(surgery: Surgery) {
    this.#surgery = surgery;
    const originals = new Map<Value, Value>();
    // Several originals can share one pruned value where blocks were dropped; the first is the one computed there.
    for (const [from, to] of surgery.values) if (!originals.has(to)) originals.set(to, from);
    this.#originals = originals;
    this.#dropped = new Map(surgery.bypassed.map((b) => [b.shortcut, b]));
    this.#drops = new Set(surgery.bypassed);
  }

  original(v: Value): Value | undefined {
    return this.#originals.get(v);
  }

  /** Readout of an operator's output, bias included. Null for a value that the original does not have. */
  readout(out: Value, channelAxis: (target: Value) => number): Readout | null {
    const own = this.#originals.get(out);
    if (!own) return null;
    const reader = onlyReader(out);
    const sum = reader && this.#originals.get(reader.output());
    const base = reader && sum ? otherAddend(reader, out) : null;
    const residual = base !== null && this.#originals.has(base);
    const value = residual ? reader!.output() : out;
    const target = this.#standsFor(residual ? sum! : own);
    return {
      value,
      base: residual ? base : null,
      target,
      kept: this.#surgery.kept(target, channelAxis(target)),
      activation: onlyReader(value)?.key === 'Relu' ? 'relu' : null,
    };
  }

  /** Follows the dropped blocks after a value: it now replaces the last of their sums. */
  #standsFor(v: Value): Value {
    for (;;) {
      const readers = v.consumers().filter((n) => ![...this.#drops].some((b) => b.nodes.includes(n)));
      const activation = readers.length === 1 && traitsOf(readers[0]!).idempotent ? readers[0]!.output() : null;
      const block = this.#dropped.get(v) ?? (activation && this.#dropped.get(activation));
      if (!block) return v;
      v = block.add.output();
    }
  }
}
