import { elementCount } from '../ir/dtype.ts';
import type { TensorFacts } from '../ir/facts.ts';
import { toNumbers } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { OperatorDef } from '../ops/contract.ts';
import { operatorFor } from '../ops/registry.ts';

/** Shapes, types and small constants of the forward graph: usually `facts.get` of an instrumented run. */
export type FactsLookup = (v: Value) => TensorFacts | undefined;

/** Larger constants, in elements, are data, not shapes or axes. */
const SMALL = 4096;

/**
 * Shapes of every value of a growing graph. Facts cover the original values; shapes of values emitted later are
 * inferred from the operators' shape rules and cached.
 */
export class Shapes {
  readonly #facts: FactsLookup;
  readonly #opset: number;
  readonly #known = new Map<Value, readonly number[] | null>();

  constructor(facts: FactsLookup, opset: number) {
    this.#facts = facts;
    this.#opset = opset;
  }

  set(v: Value, shape: readonly number[]): void {
    this.#known.set(v, shape);
  }

  /** The shape, or null where no rule gives it. */
  find(v: Value): readonly number[] | null {
    const fact = this.#facts(v);
    if (fact) return fact.shape;
    if (v.initializer) return v.initializer.dims;
    const known = this.#known.get(v);
    if (known !== undefined) return known;
    this.#known.set(v, null);
    const found = v.producer ? this.#infer(v) : this.#declared(v);
    this.#known.set(v, found);
    return found;
  }

  /** @throws Error when the shape is unknown: a rule emitted an operator that has no shape rule. */
  get(v: Value): readonly number[] {
    const s = this.find(v);
    if (!s) throw new Error(`the shape of ${v.name} (${v.producer?.key ?? 'input'}) is not known`);
    return s;
  }

  dtype(v: Value): number | undefined {
    return this.#facts(v)?.dtype ?? v.initializer?.dtype ?? v.type?.elemType;
  }

  /** Small constant value, or null. */
  constant(v: Value | null): readonly number[] | null {
    if (!v) return null;
    const fact = this.#facts(v);
    if (fact?.constant) return fact.constant;
    if (v.initializer && elementCount(v.initializer.dims) <= SMALL) return toNumbers(v.initializer);
    return null;
  }

  #declared(v: Value): readonly number[] | null {
    const dims = v.type?.shape;
    return dims?.every((d) => typeof d === 'number') ? dims : null;
  }

  #infer(v: Value): readonly number[] | null {
    const node = v.producer!;
    const inputs = node.inputs.map((i) => (i ? this.find(i) : null));
    const rule: OperatorDef | undefined = operatorFor(node.key);
    if (rule) {
      const at = (i: number): Value | null => node.input(i);
      if (node.inputs.some((x, i) => x && !inputs[i])) return null;
      return (
        rule.shape({
          node,
          opset: this.#opset,
          in: (i) => inputs[i] ?? null,
          out: () => [],
          constant: (i) => this.constant(at(i)),
        })[v.index] ?? null
      );
    }
    return null;
  }
}
